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

from data_pipeline.clips.clip import NOT_CLIPS
from data_pipeline.reports import contents as report
from data_pipeline.shards.config import PreprocessConfig
from data_pipeline.shards.plan import Plan
from ofa_aec_tf.data import dataset_info
from ofa_aec_tf.data import records
from ofa_aec_tf.runs import workdir

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
            # Of a row that names no file, its clip.
            "filename": row.filename or row.clip_id,
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
        directory: path of the directory.
    """

    def __init__(self, directory):
        self.directory = pathlib.Path(directory)

    def _staged(self, name: str) -> pathlib.Path:
        return self.directory / f".{name}.new"

    def write(
        self,
        plan: Plan,
        summaries: Sequence[Mapping],
        config: PreprocessConfig,
        remarks: Mapping,
    ) -> dict:
        """Writes all lists.

        Args:
            plan: Plan.
            summaries: sequence of dict, as `shard_task.run` returns them, of
                all shards.
            config: PreprocessConfig, with classes.
            remarks: dict of JSON types. What the source tells.

        Returns:
            dict, the content of `report.json`: `num_clips`, `num_skipped`,
            `skipped` and `notes` (numbers by code), `bad_fraction` (the share
            of the clips that was skipped), `remarks`, and those of
            `report.describe`.
        """

        def shards():
            return side_cars(self.directory, summaries)

        skipped = self._write_list(DEAD_LETTERS, _dead_letters(plan, shards()))
        notes = self._write_list(NOTES, _notes(shards()))
        num_clips = sum(summary["num_records"] for summary in summaries)
        num_bad = sum(
            number for code, number in skipped.items() if code not in NOT_CLIPS
        )
        content = {
            "num_clips": num_clips,
            "num_skipped": sum(skipped.values()),
            "skipped": skipped,
            "bad_fraction": num_bad / max(1, num_clips + num_bad),
            "notes": notes,
            **remarks,
            **report.describe(
                shards, config.class_map.names, config.clip_seconds
            ),
        }
        workdir.write_json(self._staged(REPORT), content)
        return content

    def _write_list(self, name: str, items: Iterable[dict]) -> dict[str, int]:
        """Writes a list; how many there are of each code."""
        counts: Counter = Counter()

        def lines():
            for item in items:
                counts[item["code"]] += 1
                yield json.dumps(item) + "\n"

        workdir.write_lines(self._staged(name), lines())
        return dict(sorted(counts.items()))

    def dead_letters(self) -> Iterator[dict]:
        """What was skipped, as written."""
        with open(self._staged(DEAD_LETTERS), encoding="utf-8") as file:
            yield from map(json.loads, file)

    def publish(self) -> None:
        """Puts all lists in place, for the data set that has just been."""
        for name in LISTS:
            os.replace(self._staged(name), self.directory / name)

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
            return self.directory / DEAD_LETTERS
        path = self.directory / FAILED_DEAD_LETTERS
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
            f"The first: {first['filename']}: {first['reason']}."
            + (
                " Check --audio_dir and the file names in the labels file."
                if "missing" in codes
                else ""
            )
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
    kept = {n for n, count in zip(config.class_map.names, counts) if count}
    lost = sorted(plan.label_names() - kept)
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
