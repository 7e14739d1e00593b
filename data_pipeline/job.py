"""Preprocessing on one machine: shards in a pool of processes."""

import concurrent.futures
import contextlib
import dataclasses
import json
import multiprocessing
import multiprocessing.connection
import os
import pathlib
import re
import threading
import time
from collections import Counter
from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence
from concurrent.futures.process import BrokenProcessPool

import numpy as np
import tqdm

from data_pipeline import shard_writer
from data_pipeline.clips import Clip
from data_pipeline.config import PreprocessConfig
from ofa_aec_tf import workdir
from ofa_aec_tf.data import dataset_info
from ofa_aec_tf.data import records

DEAD_LETTERS = "dead_letters.jsonl"
CLIPS_PER_SHARD = 512
MIN_SHARDS = 2

# Threads of linear algebra would fight over the cores of the other workers;
# and by default glibc gives every freed array back to the system, only to
# fault its pages in again for the next clip. Read when a process starts.
_WORKER_ENVIRONMENT = {
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MALLOC_MMAP_THRESHOLD_": str(2**30),
    "MALLOC_TRIM_THRESHOLD_": str(2**31 - 1),
}
_OUR_FILES = re.compile(
    rf"\.?({'|'.join(dataset_info.SPLITS)})-\d{{5}}-of-\d{{5}}"
    rf"{re.escape(shard_writer.SHARD_SUFFIX)}.*"
)


@dataclasses.dataclass(frozen=True)
class JobResult:
    """What a job did.

    Args:
        dataset: DatasetInfo, as written.
        dead_letters: list of dict, as written.
        num_reused: int. Clips in shards that an earlier job had finished.
        seconds: float. Wall time of writing the shards.
    """

    dataset: dataset_info.DatasetInfo
    dead_letters: list[dict]
    num_reused: int
    seconds: float


def _plan(
    clips: Sequence[Clip], config: PreprocessConfig, num_shards: int | None
) -> list[shard_writer.ShardPlan]:
    repeated = [
        name
        for name, count in Counter(clip.clip_id for clip in clips).items()
        if count > 1
    ]
    if repeated:
        raise ValueError(
            f"Clip ids must be distinct. Received twice: {repeated[:5]}"
        )
    known = set(config.class_map.names)
    unknown = sorted({n for clip in clips for n in clip.labels} - known)
    if unknown:
        raise ValueError(
            f"The classes are {list(config.class_map.names)}. Received clips "
            f"with other labels: {unknown[:10]}. Add them to --classes, or "
            "leave --classes out to have all of them."
        )
    if config.label_type == dataset_info.SINGLE_LABEL:
        for clip in clips:
            if len(clip.labels) != 1:
                raise ValueError(
                    "With label type single_label every clip has one label. "
                    f"Received: {list(clip.labels)} for {clip.clip_id}. Use "
                    "--label_type=multi_label."
                )
    plans = []
    for split in dataset_info.SPLITS:
        members = [clip for clip in clips if clip.split == split]
        if members:
            number = num_shards or max(
                MIN_SHARDS, round(len(members) / CLIPS_PER_SHARD)
            )
            plans += shard_writer.plan_shards(members, split, number, config)
    return plans


def _clear(output_dir: pathlib.Path, plans) -> None:
    """Removes what would not belong to the data set that is being made."""
    # First of all: a directory with this file is a finished data set.
    (output_dir / dataset_info.FILE_NAME).unlink(missing_ok=True)
    planned = {plan.file for plan in plans}
    planned |= {records.side_car_path(name).name for name in planned}
    for path in output_dir.iterdir():
        if _OUR_FILES.fullmatch(path.name) and path.name not in planned:
            path.unlink()


@contextlib.contextmanager
def _environment(values: Mapping[str, str]) -> Iterator[None]:
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def _end_with_parent() -> None:
    """Lets a worker end when its job is killed; it would wait for ever."""
    job_ended = multiprocessing.parent_process().sentinel

    def watch():
        multiprocessing.connection.wait([job_ended])
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def _write_in_pool(plans, output_dir, num_workers) -> Iterator[dict]:
    with (
        _environment(_WORKER_ENVIRONMENT),
        concurrent.futures.ProcessPoolExecutor(
            num_workers,
            multiprocessing.get_context("spawn"),
            initializer=_end_with_parent,
        ) as pool,
    ):
        futures = [
            pool.submit(shard_writer.write_shard, plan, output_dir)
            for plan in plans
        ]
        try:
            for future in concurrent.futures.as_completed(futures):
                yield future.result()
        except BrokenProcessPool as error:
            raise ChildProcessError(
                "A worker process ended abruptly, perhaps for lack of memory "
                "or in a decoder. Finished shards are kept: run the command "
                "again, with fewer --num_workers."
            ) from error
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


def _write_all(plans, output_dir, num_workers) -> list[dict]:
    """Side-cars of all shards, in the order of the plans."""
    num_workers = min(num_workers, len(plans))
    if num_workers > 1:
        finished = _write_in_pool(plans, output_dir, num_workers)
    else:
        finished = (shard_writer.write_shard(p, output_dir) for p in plans)
    side_cars = {}
    num_clips = sum(len(plan.clips) for plan in plans)
    with tqdm.tqdm(total=num_clips, unit="clip", disable=None) as progress:
        for side_car in finished:
            side_cars[side_car["file"]] = side_car
            num_done = side_car["num_records"] + len(side_car["dead_letters"])
            progress.update(num_done)
    return [side_cars[plan.file] for plan in plans]


def _mel_statistics(side_cars) -> tuple[tuple[float, ...], tuple[float, ...]]:
    num_frames = sum(side_car["num_frames"] for side_car in side_cars)
    sums = np.sum([s["mel_sum_db"] for s in side_cars], axis=0)
    squares = np.sum([s["mel_sum_squares_db"] for s in side_cars], axis=0)
    mean = sums / num_frames
    variance = np.maximum(squares / num_frames - mean**2, 0)
    return tuple(mean.tolist()), tuple(np.sqrt(variance).tolist())


def _check_splits_alive(side_cars, output_dir) -> None:
    dead = [letter for s in side_cars for letter in s["dead_letters"]]
    for split in dataset_info.SPLITS:
        of_split = [s for s in side_cars if s["split"] == split]
        if of_split and not any(s["num_records"] for s in of_split):
            codes = Counter(d["code"] for d in dead if d["split"] == split)
            example = next(d for d in dead if d["split"] == split)
            raise ValueError(
                f"No clip of the split {split!r} can be used: {dict(codes)}. "
                f"The first: {example['filename']}: {example['reason']}. "
                "Check --audio_dir and the file names in the labels file; "
                f"{output_dir / DEAD_LETTERS} lists them all."
            )


def run(
    clips: Sequence[Clip],
    config: PreprocessConfig,
    output_dir,
    source: Mapping,
    num_shards: int | None = None,
    num_workers: int = 1,
) -> JobResult:
    """Turns clips into a directory of TFRecords.

    Shards that an earlier job finished from the same clips and configuration
    are kept, so that a job which was ended resumes.

    Args:
        clips: sequence of Clip with splits.
        config: PreprocessConfig.
        output_dir: path of the directory; made where it is missing.
        source: dict of JSON types. Where the clips came from, for people.
        num_shards: int or None. Shards of each split; by default about one
            for 512 clips, and at least two.
        num_workers: int. Processes; with 1, this process does the work.

    Returns:
        JobResult. In `output_dir` are the shards, their side-cars,
        `dead_letters.jsonl` and, written last, `dataset.json`.

    Raises:
        ValueError: if clips do not fit `config`, or a split has no clip that
            can be used.
        OSError: if the output cannot be written, or a worker dies.
    """
    for name, value in (
        ("num_shards", num_shards),
        ("num_workers", num_workers),
    ):
        if value is not None and value < 1:
            raise ValueError(f"--{name} must be positive. Received: {value}")
    output_dir = pathlib.Path(output_dir)
    plans = _plan(clips, config, num_shards)
    output_dir.mkdir(parents=True, exist_ok=True)
    _clear(output_dir, plans)
    start_seconds = time.perf_counter()
    side_cars = _write_all(plans, output_dir, num_workers)
    seconds = time.perf_counter() - start_seconds
    dead_letters = [letter for s in side_cars for letter in s["dead_letters"]]
    workdir.write_text(
        output_dir / DEAD_LETTERS,
        "".join(json.dumps(letter) + "\n" for letter in dead_letters),
    )
    _check_splits_alive(side_cars, output_dir)
    mel_mean_db, mel_std_db = _mel_statistics(
        [s for s in side_cars if s["split"] == dataset_info.SPLITS[0]]
    )
    dataset = dataset_info.DatasetInfo(
        frontend=config.frontend,
        clip_seconds=config.clip_seconds,
        class_map=config.class_map,
        label_type=config.label_type,
        splits={
            split: _split_info([s for s in side_cars if s["split"] == split])
            for split in dataset_info.SPLITS
            if any(s["split"] == split for s in side_cars)
        },
        mel_mean_db=mel_mean_db,
        mel_std_db=mel_std_db,
        source=source,
        num_dead_letters=len(dead_letters),
    )
    dataset.write(output_dir)
    num_reused = sum(s["num_records"] for s in side_cars if s["reused"])
    return JobResult(dataset, dead_letters, num_reused, seconds)


def _split_info(side_cars) -> dataset_info.SplitInfo:
    counts = np.sum([s["class_counts"] for s in side_cars], axis=0)
    return dataset_info.SplitInfo(
        tuple(
            dataset_info.ShardInfo(
                s["file"], s["num_records"], s["num_bytes"], s["sha256"]
            )
            for s in side_cars
        ),
        tuple(counts.tolist()),
    )
