"""A preprocessing job: plan, shards by a runner, and the data set."""

import dataclasses
import os
import pathlib
import re
import shutil
import sqlite3
import time
from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence
from typing import Protocol

import tqdm

from data_pipeline.clips.clip import NOT_CLIPS
from data_pipeline.clips.clip import Clip
from data_pipeline.clips.clip import SkippedRow
from data_pipeline.jobs import assembly
from data_pipeline.jobs import replacing as generations
from data_pipeline.runners.process_pool import ProcessPool
from data_pipeline.shards.config import PreprocessConfig
from data_pipeline.shards.earlier import SHARD_SUFFIX
from data_pipeline.shards.plan import Plan
from data_pipeline.shards.plan import PlanBuilder
from ofa_aec_tf.data import dataset_info
from ofa_aec_tf.data import records
from ofa_aec_tf.runs import workdir

PLAN = ".plan.sqlite"

# The hash is missing in data sets of versions before this one.
_SHARD = (
    rf"({'|'.join(dataset_info.SPLITS)})-\d{{5}}-of-\d{{5}}(-[0-9a-f]+)?"
    rf"{re.escape(SHARD_SUFFIX)}"
)
_LISTS = (*assembly.LISTS, assembly.FAILED_DEAD_LETTERS)
_NAMES = "|".join(map(re.escape, (*_LISTS, dataset_info.FILE_NAME)))
_OUR_FILES = re.compile(rf"{_SHARD}(\.json)?|{_NAMES}")
# What a killed job was writing, under a hidden name.
_UNFINISHED_FILES = re.compile(
    rf"\.({_SHARD}(\.json)?|{_NAMES})\..+|{re.escape(PLAN)}\..+"
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
        num_reused: int. Clips that were not decoded again, as an earlier job
            had done that.
        seconds: float. Wall time of writing the shards.
    """

    dataset: dataset_info.DatasetInfo
    report: dict
    num_reused: int
    seconds: float


def check_output(output_dir) -> None:
    """Checks that a directory is there or can be made, and makes nothing.

    Args:
        output_dir: path of the directory.

    Raises:
        ValueError: naming what is in its way.
    """
    path = pathlib.Path(os.path.abspath(output_dir))
    nearest = next(p for p in (path, *path.parents) if os.path.lexists(p))
    problem = None
    if not nearest.is_dir():
        problem = "is no directory"
    elif not os.access(nearest, os.W_OK):
        problem = "cannot be written to"
    if problem:
        raise ValueError(
            "--output_dir must be a directory, or one that can be made, to "
            f"write in. Received: --output_dir={output_dir}, but {nearest} "
            f"{problem}."
        )


def _remove_unfinished(output_dir: pathlib.Path) -> None:
    """Removes what a killed job has not finished."""
    for path in output_dir.iterdir():
        if not _UNFINISHED_FILES.fullmatch(path.name):
            continue
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)


def _remove_others(output_dir: pathlib.Path, files: Iterable[str]) -> None:
    """Removes what does not belong to the data set that is now finished.

    Args:
        output_dir: pathlib.Path.
        files: iterable of str. Its shards.
    """
    kept = {dataset_info.FILE_NAME, *assembly.LISTS}
    for file in files:
        kept |= {file, records.side_car_path(file).name}
    for path in output_dir.iterdir():
        if _OUR_FILES.fullmatch(path.name) and path.name not in kept:
            path.unlink(missing_ok=True)


def _make_plan(clips, config, path, num_shards, finished) -> PreprocessConfig:
    # Under another name until it is whole: workers of a job that was killed
    # may still read the old one.
    unfinished = path.with_name(f"{path.name}.{os.getpid()}")
    try:
        with PlanBuilder(unfinished, config.label_type) as builder:
            builder.add(clips)
            builder.add_earlier(path.parent, finished)
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
            summaries[summary["shard"]] = summary
            progress.update(
                summary["num_records"] + summary["num_dead_letters"]
            )
    return [summaries[shard.name] for shard in shards]


def _too_many_skipped(report, lists, max_bad_fraction) -> str | None:
    if report["bad_fraction"] <= max_bad_fraction:
        return None
    counts = {
        code: number
        for code, number in report["skipped"].items()
        if code not in NOT_CLIPS
    }
    first = next(x for x in lists.dead_letters() if x["code"] in counts)
    return (
        f"{sum(counts.values())} clips, {report['bad_fraction']:.1%} of all, "
        f"were skipped: {counts}. The first: {first['filename']}: "
        f"{first['reason']}. At most --max_bad_fraction={max_bad_fraction:g} "
        "may be."
    )


@dataclasses.dataclass(frozen=True)
class Terms:
    """On which terms a job may finish.

    Args:
        max_bad_fraction: float. If a larger share of the clips is skipped,
            the job fails.
        may_lose_classes: bool. Whether all clips of a class may be skipped,
            as where few of a corpus are still to be had.
        overwrite: bool. Whether a finished data set may be replaced by one of
            other settings, or with fewer clips.
    """

    max_bad_fraction: float = 1.0
    may_lose_classes: bool = False
    overwrite: bool = False


def _problem(plan, summaries, config, lists, report, terms) -> str | None:
    """Why what was written may not become the data set, if it may not."""
    return (
        generations.lost_clips(plan, lists.dead_letters(), lists.directory)
        or assembly.empty_split(summaries, lists)
        or _too_many_skipped(report, lists, terms.max_bad_fraction)
        or (
            None
            if terms.may_lose_classes
            else assembly.lost_classes(plan, summaries, config)
        )
    )


def run(
    clips: Iterable[Clip | SkippedRow],
    config: PreprocessConfig,
    output_dir,
    source: Mapping,
    num_shards: int | None = None,
    runner: Runner | None = None,
    terms: Terms = Terms(),
    remarks: Callable[[], Mapping] = dict,
) -> JobResult:
    """Preprocesses clips into a directory.

    What earlier jobs have written there is kept or copied, as far as its
    content would be the same. A finished data set stays as it is until the
    new one is whole, and then is replaced by it at once.

    Args:
        clips: iterable of Clip with splits, and of SkippedRow. It is gone
            through once.
        config: PreprocessConfig.
        output_dir: path of the directory; made where it is missing.
        source: dict of JSON types. Where the clips came from, for people.
        num_shards: int or None. Shards of each split; by default about one
            for `plan.CLIPS_PER_SHARD` clips, and at least two.
        runner: Runner, by default this process.
        terms: Terms.
        remarks: function that returns a dict of JSON types, for `report.json`;
            called when `clips` have been read.

    Returns:
        JobResult. In `output_dir` are the shards, their side-cars,
        `dead_letters.jsonl`, `notes.jsonl`, `report.json` and `dataset.json`,
        which names the shards of the data set.

    Raises:
        ValueError: if clips do not fit `config`, a split has no clip that can
            be used, `terms` are not met, or another job writes there.
        OSError: if the output cannot be written, or a worker dies.
    """
    if num_shards is not None and num_shards < 1:
        raise ValueError(
            f"--num_shards must be positive. Received: {num_shards}"
        )
    check_output(output_dir)
    output_dir = pathlib.Path(output_dir)
    output_dir.mkdir(parents=True, exist_ok=True)
    plan_path = output_dir / PLAN
    with workdir.lock(output_dir):
        finished = generations.read_finished(output_dir, terms.overwrite)
        protected = None if terms.overwrite else finished
        if protected:
            generations.check_settings(
                protected, config, source, num_shards, output_dir
            )
        try:
            config = _make_plan(clips, config, plan_path, num_shards, protected)
            with Plan(plan_path) as plan:
                generations.check_gone(plan, output_dir)
                _remove_unfinished(output_dir)
                if not finished:
                    # Should this job stop, these would be of another.
                    for name in assembly.LISTS:
                        (output_dir / name).unlink(missing_ok=True)
                start_seconds = time.perf_counter()
                summaries = _write_shards(
                    plan, runner or ProcessPool(), output_dir
                )
                seconds = time.perf_counter() - start_seconds
                # Again: a worker of a job that was killed may have begun a
                # file before it noticed.
                _remove_unfinished(output_dir)
                lists = assembly.Lists(output_dir)
                report = lists.write(plan, summaries, config, remarks())
                problem = _problem(
                    plan, summaries, config, lists, report, terms
                )
        finally:
            plan_path.unlink(missing_ok=True)
        if problem:
            path = lists.keep_failed(finished is not None)
            raise ValueError(
                f"{problem} {path} lists what was skipped; finished shards "
                "are kept."
            )
        dataset = assembly.dataset_of(
            summaries, config, source, report["num_skipped"], num_shards
        )
        # From here on it is the finished data set of this directory.
        dataset.write(output_dir)
        lists.publish()
        _remove_others(output_dir, [s["file"] for s in summaries])
    num_reused = sum(
        s["num_records"] if s["reused"] else s["num_copied"] for s in summaries
    )
    return JobResult(dataset, report, num_reused, seconds)
