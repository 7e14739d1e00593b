"""From finished shards to a data set: the record, the lists, the checks."""

import json
import os
import pathlib
from collections import Counter
from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence

import numpy as np

from data_pipeline.config import PreprocessConfig
from data_pipeline.plan import Plan
from ofa_aec_tf import workdir
from ofa_aec_tf.data import dataset_info
from ofa_aec_tf.data import records

DEAD_LETTERS = "dead_letters.jsonl"
NOTES = "notes.jsonl"
REPORT = "report.json"
LISTS = (DEAD_LETTERS, NOTES, REPORT)
# Of a job that did not replace the finished data set.
FAILED_DEAD_LETTERS = "dead_letters.failed.jsonl"


def side_cars(output_dir, summaries: Iterable[Mapping]) -> Iterator[dict]:
    """The side-cars of shards, one at a time.

    Args:
        output_dir: path of the directory.
        summaries: iterable of dict, as `shard_task.run` returns them.
    """
    for summary in summaries:
        path = pathlib.Path(output_dir) / summary["file"]
        yield workdir.read_json(records.side_car_path(path))


def _dead_letters(plan: Plan, shards: Iterable[Mapping]) -> Iterator[dict]:
    for row in plan.skipped():
        yield {
            "filename": row.filename,
            "code": row.code,
            "reason": row.reason,
            "clip_id": row.clip_id,
            "split": row.split,
        }
    for side_car in shards:
        yield from side_car["dead_letters"]


def _notes(shards: Iterable[Mapping]) -> Iterator[dict]:
    for side_car in shards:
        for code, clip_ids in side_car["notes"].items():
            for clip_id in clip_ids:
                yield {
                    "clip_id": clip_id,
                    "code": code,
                    "split": side_car["split"],
                }


class Lists:
    """What was skipped, what is odd, and the counts: the lists of a job.

    They are written under hidden names first, so that those of a finished
    data set stay beside it until it is replaced.

    Args:
        output_dir: path of the directory.
    """

    def __init__(self, output_dir):
        self._output_dir = pathlib.Path(output_dir)

    def _staged(self, name: str) -> pathlib.Path:
        return self._output_dir / f".{name}.new"

    def write(
        self, plan: Plan, summaries: Sequence[Mapping]
    ) -> dict[str, dict[str, int]]:
        """Writes the lists of what was skipped and what is odd.

        Args:
            plan: Plan.
            summaries: sequence of dict, as `shard_task.run` returns them, of
                all shards.

        Returns:
            dict with `skipped` and `notes`: numbers by code.
        """
        counts: dict[str, dict[str, int]] = {}
        for what, name, items in (
            (
                "skipped",
                DEAD_LETTERS,
                _dead_letters(plan, side_cars(self._output_dir, summaries)),
            ),
            ("notes", NOTES, _notes(side_cars(self._output_dir, summaries))),
        ):
            of_code: Counter = Counter()

            def lines(items=items, of_code=of_code):
                for item in items:
                    of_code[item["code"]] += 1
                    yield json.dumps(item) + "\n"

            workdir.write_lines(self._staged(name), lines())
            counts[what] = dict(sorted(of_code.items()))
        return counts

    def write_report(self, report: Mapping) -> None:
        """Writes `report.json`."""
        workdir.write_json(self._staged(REPORT), report)

    def dead_letters(self) -> Iterator[dict]:
        """What was skipped, as written."""
        with open(self._staged(DEAD_LETTERS), encoding="utf-8") as file:
            yield from map(json.loads, file)

    def publish(self) -> None:
        """Puts all lists in place, for the data set that has just been."""
        for name in LISTS:
            os.replace(self._staged(name), self._output_dir / name)

    def keep_failed(self, has_finished: bool) -> pathlib.Path:
        """Keeps the lists of a job that failed.

        Args:
            has_finished: bool. Whether the directory has a finished data set,
                whose own lists stay.

        Returns:
            Path of the list of what was skipped.
        """
        if not has_finished:
            self.publish()
            return self._output_dir / DEAD_LETTERS
        path = self._output_dir / FAILED_DEAD_LETTERS
        os.replace(self._staged(DEAD_LETTERS), path)
        for name in LISTS:
            self._staged(name).unlink(missing_ok=True)
        return path


def empty_split(summaries: Sequence[Mapping], lists: Lists) -> str | None:
    """Which split has no clip that could be used, as an error.

    Args:
        summaries: sequence of dict, as `shard_task.run` returns them.
        lists: Lists, as written.
    """
    for split in dataset_info.SPLITS:
        of_split = [s for s in summaries if s["split"] == split]
        if not of_split or any(s["num_records"] for s in of_split):
            continue
        codes: Counter = Counter()
        first = None
        for letter in lists.dead_letters():
            if letter["split"] == split:
                codes[letter["code"]] += 1
                first = first or letter
        return (
            f"No clip of the split {split!r} can be used: {dict(codes)}. "
            f"The first: {first['filename']}: {first['reason']}. "
            "Check --audio_dir and the file names in the labels file."
        )
    return None


def lost_classes(
    plan: Plan, summaries: Sequence[Mapping], config: PreprocessConfig
) -> str | None:
    """Which classes have lost all their clips, as an error.

    Args:
        plan: Plan.
        summaries: sequence of dict, as `shard_task.run` returns them.
        config: PreprocessConfig, with classes.
    """
    counts = np.sum([s["class_counts"] for s in summaries], axis=0)
    planned = plan.label_names()
    lost = [
        name
        for name, count in zip(config.class_map.names, counts)
        if name in planned and not count
    ]
    if not lost:
        return None
    return (
        f"All clips of {len(lost)} classes were skipped: {lost[:10]}. Bring "
        "their files back, or take the classes out of the source."
    )


def _mel_statistics(summaries) -> tuple[tuple[float, ...], tuple[float, ...]]:
    num_frames = sum(summary["num_frames"] for summary in summaries)
    sums = np.sum([s["mel_sum_db"] for s in summaries], axis=0)
    squares = np.sum([s["mel_sum_squares_db"] for s in summaries], axis=0)
    mean = sums / num_frames
    variance = np.maximum(squares / num_frames - mean**2, 0)
    return tuple(mean.tolist()), tuple(np.sqrt(variance).tolist())


def _split_info(summaries) -> dataset_info.SplitInfo:
    counts = np.sum([s["class_counts"] for s in summaries], axis=0)
    return dataset_info.SplitInfo(
        tuple(
            dataset_info.ShardInfo(
                s["file"], s["num_records"], s["num_bytes"], s["sha256"]
            )
            for s in summaries
        ),
        tuple(counts.tolist()),
    )


def dataset_of(
    summaries: Sequence[Mapping],
    config: PreprocessConfig,
    source: Mapping,
    num_dead_letters: int,
    num_shards: int | None,
) -> dataset_info.DatasetInfo:
    """The record of a data set.

    Args:
        summaries: sequence of dict, as `shard_task.run` returns them, in the
            order of the plan.
        config: PreprocessConfig.
        source: dict of JSON types. Where the clips came from, for people.
        num_dead_letters: int.
        num_shards: int or None, as asked for.

    Returns:
        DatasetInfo.
    """
    by_split = {
        split: [s for s in summaries if s["split"] == split]
        for split in dataset_info.SPLITS
    }
    mel_mean_db, mel_std_db = _mel_statistics(by_split[dataset_info.SPLITS[0]])
    return dataset_info.DatasetInfo(
        frontend=config.frontend,
        clip_seconds=config.clip_seconds,
        class_map=config.class_map,
        label_type=config.label_type,
        splits={
            split: _split_info(of_split)
            for split, of_split in by_split.items()
            if of_split
        },
        mel_mean_db=mel_mean_db,
        mel_std_db=mel_std_db,
        source=source,
        num_dead_letters=num_dead_letters,
        num_shards=num_shards,
    )
