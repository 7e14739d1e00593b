"""A preprocessing job: plan, shards by a runner, and the data set."""

import dataclasses
import os
import pathlib
import re
import sqlite3
import time
from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence
from typing import Protocol

import tqdm

from data_pipeline import assembly
from data_pipeline import shard_writer
from data_pipeline.clips import Clip
from data_pipeline.clips import SkippedRow
from data_pipeline.config import PreprocessConfig
from data_pipeline.plan import Plan
from data_pipeline.plan import PlanBuilder
from data_pipeline.plan import ShardSummary
from data_pipeline.process_pool import ProcessPool
from ofa_aec_tf import workdir
from ofa_aec_tf.data import dataset_info
from ofa_aec_tf.data import records

PLAN = ".plan.sqlite"

_SHARD = (
    rf"({'|'.join(dataset_info.SPLITS)})-\d{{5}}-of-\d{{5}}"
    rf"{re.escape(shard_writer.SHARD_SUFFIX)}"
)
_LISTS = (assembly.DEAD_LETTERS, assembly.NOTES, assembly.REPORT)
# Files of a job, and what a killed one was writing under a hidden name.
_OUR_FILES = re.compile(
    rf"{_SHARD}(\.json)?|\.{_SHARD}\..+|"
    + "|".join(
        rf"{re.escape(name)}|\.{re.escape(name)}\..+"
        for name in (*_LISTS, dataset_info.FILE_NAME)
    )
    + rf"|{re.escape(PLAN)}\..+"
)


class Runner(Protocol):
    """What brings shards to the processes that write them."""

    def run(
        self,
        plan_path: pathlib.Path,
        numbers: Sequence[int],
        output_dir: pathlib.Path,
    ) -> Iterator[dict]:
        """Writes shards; yields what `shard_task.run` returns for each."""


@dataclasses.dataclass(frozen=True)
class JobResult:
    """What a job did.

    Args:
        dataset: DatasetInfo, as written.
        report: dict, as `assembly.write_lists` returns it.
        num_reused: int. Clips in shards that an earlier job had finished.
        seconds: float. Wall time of writing the shards.
    """

    dataset: dataset_info.DatasetInfo
    report: dict
    num_reused: int
    seconds: float


def _clear(output_dir: pathlib.Path, shards: Sequence[ShardSummary]) -> None:
    """Removes what would not belong to the data set that is being made."""
    planned = {shard.file for shard in shards}
    planned |= {records.side_car_path(name).name for name in planned}
    for path in output_dir.iterdir():
        if _OUR_FILES.fullmatch(path.name) and path.name not in planned:
            path.unlink(missing_ok=True)


def _make_plan(clips, config, path, num_shards) -> PreprocessConfig:
    # Under another name until it is whole: workers of a job that was killed
    # may still read the old one.
    unfinished = path.with_name(f"{path.name}.{os.getpid()}")
    try:
        with PlanBuilder(unfinished, config.label_type) as builder:
            builder.add(clips)
            config = config.with_classes(builder.label_names())
            builder.divide(config, num_shards)
        os.replace(unfinished, path)
    except sqlite3.Error as error:
        raise OSError(f"The plan {path} cannot be written: {error}") from error
    finally:
        unfinished.unlink(missing_ok=True)
    return config


def _write_shards(plan, runner, output_dir) -> list[dict]:
    """Summaries of all shards, in the order of the plan."""
    shards = plan.shards()
    summaries = {}
    num_clips = sum(shard.num_clips for shard in shards)
    with tqdm.tqdm(total=num_clips, unit="clip", disable=None) as progress:
        for summary in runner.run(
            plan.path, [shard.number for shard in shards], output_dir
        ):
            summaries[summary["file"]] = summary
            progress.update(
                summary["num_records"] + summary["num_dead_letters"]
            )
    return [summaries[shard.file] for shard in shards]


@dataclasses.dataclass(frozen=True)
class _Written:
    """Shards and lists: all but the record of the data set."""

    config: PreprocessConfig
    summaries: list[dict]
    report: dict
    seconds: float


def _write(clips, config, output_dir, num_shards, runner) -> _Written:
    plan_path = output_dir / PLAN
    try:
        config = _make_plan(clips, config, plan_path, num_shards)
        with Plan(plan_path) as plan:
            # First of all: a directory with this file is a finished data set.
            (output_dir / dataset_info.FILE_NAME).unlink(missing_ok=True)
            # The lists go too: should this job stop, they would be of another.
            _clear(output_dir, plan.shards())
            start_seconds = time.perf_counter()
            summaries = _write_shards(plan, runner, output_dir)
            seconds = time.perf_counter() - start_seconds
            # Again: a worker of a job that was killed may have begun a file
            # before it noticed.
            _clear(output_dir, plan.shards())
            report = assembly.write_lists(plan, output_dir)
    finally:
        plan_path.unlink(missing_ok=True)
    assembly.check_splits(summaries, output_dir)
    return _Written(config, summaries, report, seconds)


def run(
    clips: Iterable[Clip | SkippedRow],
    config: PreprocessConfig,
    output_dir,
    source: Mapping,
    num_shards: int | None = None,
    runner: Runner | None = None,
    max_bad_fraction: float = 1.0,
) -> JobResult:
    """Preprocesses clips into a directory.

    Shards that an earlier job has finished are kept, if their content would
    be the same.

    Args:
        clips: iterable of Clip with splits, and of SkippedRow. It is gone
            through once.
        config: PreprocessConfig.
        output_dir: path of the directory; made where it is missing.
        source: dict of JSON types. Where the clips came from, for people.
        num_shards: int or None. Shards of each split; by default about one
            for `plan.CLIPS_PER_SHARD` clips, and at least two.
        runner: Runner, by default this process.
        max_bad_fraction: float. If a larger share of the clips is skipped,
            the job fails, after all its lists are written.

    Returns:
        JobResult. In `output_dir` are the shards, their side-cars,
        `dead_letters.jsonl`, `notes.jsonl`, `report.json` and, written last,
        `dataset.json`.

    Raises:
        ValueError: if clips do not fit `config`, a split has no clip that can
            be used, too many are skipped, or another job writes there.
        OSError: if the output cannot be written, or a worker dies.
    """
    if num_shards is not None and num_shards < 1:
        raise ValueError(
            f"--num_shards must be positive. Received: {num_shards}"
        )
    output_dir = pathlib.Path(output_dir)
    output_dir.mkdir(parents=True, exist_ok=True)
    with workdir.lock(output_dir):
        written = _write(
            clips, config, output_dir, num_shards, runner or ProcessPool()
        )
        report = written.report
        if report["bad_fraction"] > max_bad_fraction:
            raise ValueError(
                f"{report['num_skipped']} clips, "
                f"{report['bad_fraction']:.1%} of all, were skipped: "
                f"{report['skipped']}. At most "
                f"--max_bad_fraction={max_bad_fraction:g} may be. See "
                f"{output_dir / assembly.DEAD_LETTERS}; finished shards are "
                "kept."
            )
        dataset = assembly.dataset_of(
            written.summaries, written.config, source, report["num_skipped"]
        )
        dataset.write(output_dir)
    num_reused = sum(s["num_records"] for s in written.summaries if s["reused"])
    return JobResult(dataset, report, num_reused, written.seconds)
