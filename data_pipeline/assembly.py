"""From finished shards to a data set: the record, the lists, the counts."""

import json
import pathlib
from collections import Counter
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


def _side_cars(plan: Plan, output_dir: pathlib.Path) -> Iterator[dict]:
    for shard in plan.shards():
        yield workdir.read_json(records.side_car_path(output_dir / shard.file))


def _dead_letters(plan: Plan, output_dir: pathlib.Path) -> Iterator[dict]:
    for row in plan.skipped():
        yield {
            "filename": row.filename,
            "code": row.code,
            "reason": row.reason,
            "clip_id": row.clip_id,
            "split": row.split,
        }
    for side_car in _side_cars(plan, output_dir):
        yield from side_car["dead_letters"]


def _notes(plan: Plan, output_dir: pathlib.Path) -> Iterator[dict]:
    for side_car in _side_cars(plan, output_dir):
        for code, clip_ids in side_car["notes"].items():
            for clip_id in clip_ids:
                yield {
                    "clip_id": clip_id,
                    "code": code,
                    "split": side_car["split"],
                }


def write_lists(plan: Plan, output_dir: pathlib.Path) -> dict:
    """Writes what was skipped, what is odd, and the counts of both.

    Args:
        plan: Plan, of which all shards are written.
        output_dir: path of the directory.

    Returns:
        dict, the content of `report.json`: `num_clips`, `num_skipped`,
        `skipped` and `notes` (numbers by code), and `bad_fraction`, the share
        of the clips that was skipped.
    """
    skipped: Counter = Counter()
    notes: Counter = Counter()
    for file, items, counts in (
        (DEAD_LETTERS, _dead_letters(plan, output_dir), skipped),
        (NOTES, _notes(plan, output_dir), notes),
    ):

        def lines(items=items, counts=counts):
            for item in items:
                counts[item["code"]] += 1
                yield json.dumps(item) + "\n"

        workdir.write_lines(output_dir / file, lines())
    num_clips = sum(
        side_car["num_records"] for side_car in _side_cars(plan, output_dir)
    )
    num_skipped = sum(skipped.values())
    report = {
        "num_clips": num_clips,
        "num_skipped": num_skipped,
        "skipped": dict(sorted(skipped.items())),
        "notes": dict(sorted(notes.items())),
        "bad_fraction": num_skipped / max(1, num_clips + num_skipped),
    }
    workdir.write_json(output_dir / REPORT, report)
    return report


def check_splits(summaries: Sequence[Mapping], output_dir) -> None:
    """Raises ValueError where no clip of a split could be used.

    Args:
        summaries: sequence of dict, as `shard_task.run` returns them.
        output_dir: path of the directory, with the list of dead letters.
    """
    for split in dataset_info.SPLITS:
        of_split = [s for s in summaries if s["split"] == split]
        if not of_split or any(s["num_records"] for s in of_split):
            continue
        codes: Counter = Counter()
        first = None
        with open(output_dir / DEAD_LETTERS, encoding="utf-8") as file:
            for letter in map(json.loads, file):
                if letter["split"] == split:
                    codes[letter["code"]] += 1
                    first = first or letter
        raise ValueError(
            f"No clip of the split {split!r} can be used: {dict(codes)}. "
            f"The first: {first['filename']}: {first['reason']}. "
            "Check --audio_dir and the file names in the labels file; "
            f"{output_dir / DEAD_LETTERS} lists them all."
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
) -> dataset_info.DatasetInfo:
    """The record of a data set.

    Args:
        summaries: sequence of dict, as `shard_task.run` returns them, in the
            order of the plan.
        config: PreprocessConfig.
        source: dict of JSON types. Where the clips came from, for people.
        num_dead_letters: int.

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
    )
