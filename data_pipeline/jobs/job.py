"""A job: when its data set is finished, and what it may replace."""

import dataclasses
import os
import pathlib
import re
import shutil
import sqlite3
import time
from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Mapping

import tqdm

from data_pipeline.clips.clip import Clip
from data_pipeline.clips.clip import SkippedRow
from data_pipeline.jobs import guards
from data_pipeline.jobs import lists as job_lists
from data_pipeline.jobs.dataset import dataset_of
from data_pipeline.runners.runner import ProcessPool
from data_pipeline.runners.runner import Runner
from data_pipeline.shards import plan as plans
from data_pipeline.shards.config import PreprocessConfig
from data_pipeline.shards.earlier import SHARD_SUFFIX
from ofa_aec_tf.checks import settings
from ofa_aec_tf.checks.settings import setting
from ofa_aec_tf.data import dataset_info
from ofa_aec_tf.data import records
from ofa_aec_tf.runs import workdir

PLAN = ".plan.sqlite"

# Data sets of earlier versions have no hash in the names.
_SHARD = (
    rf"({'|'.join(dataset_info.SPLITS)})-\d{{5}}-of-\d{{5}}(-[0-9a-f]+)?"
    rf"{re.escape(SHARD_SUFFIX)}"
)
_LISTS = (*job_lists.LISTS, job_lists.FAILED_DEAD_LETTERS)
_NAMES = "|".join(map(re.escape, (*_LISTS, dataset_info.FILE_NAME)))
_OUR_FILES = re.compile(rf"{_SHARD}(\.json)?|{_NAMES}")
# What a killed job was writing, under a hidden name.
_UNFINISHED_FILES = re.compile(
    rf"\.({_SHARD}(\.json)?|{_NAMES})\..+|{re.escape(PLAN)}\..+"
)


@dataclasses.dataclass(frozen=True)
class Terms(settings.Settings):
    """How many files a job writes, and on which terms it may finish.

    Args:
        may_lose_classes: bool. Whether all clips of a class may be skipped.
    """

    num_shards: int | None = setting(
        None,
        "TFRecord files of each split. By default one for about "
        f"{plans.CLIPS_PER_SHARD} clips, and at least {plans.MIN_SHARDS}; "
        "fewer where they would hold less than "
        f"{plans.MIN_CLIPS_PER_SHARD} clips.",
        at_least=1,
    )
    max_bad_fraction: float = setting(
        0.05,
        "The job fails, after all its lists are written, if a larger share of "
        "the clips had to be skipped.",
        at_least=0,
        at_most=1,
    )
    overwrite: bool = setting(
        False,
        "Whether to replace a finished data set in --output_dir by one of "
        "another source, of other settings, or without some of its clips.",
    )
    may_lose_classes: bool = False


@dataclasses.dataclass(frozen=True)
class JobResult:
    """What a job did.

    Args:
        dataset: DatasetInfo, as written.
        report: dict, as `Lists.write` returns it.
        num_reused: int. Clips that an earlier job had decoded already.
        seconds: float. Wall time of writing the shards.
    """

    dataset: dataset_info.DatasetInfo
    report: dict
    num_reused: int
    seconds: float


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
    kept = {dataset_info.FILE_NAME, *job_lists.LISTS}
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
        with plans.PlanBuilder(unfinished, config.label_type) as builder:
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


def run(
    clips: Iterable[Clip | SkippedRow],
    config: PreprocessConfig,
    output_dir,
    source: Mapping,
    terms: Terms = Terms(),
    runner: Runner | None = None,
    remarks: Callable[[], Mapping] = dict,
) -> JobResult:
    """Preprocesses clips into a directory.

    What earlier jobs have written there is kept or copied if its content would
    be the same. A finished data set stays as it is until the new one is
    complete, and is then replaced at once.

    Args:
        clips: iterable of Clip with splits, and of SkippedRow; read once.
        config: PreprocessConfig.
        output_dir: path of the directory; created if missing.
        source: dict of JSON types. Where the clips came from, for people.
        terms: Terms.
        runner: Runner, by default this process.
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
    guards.check_output(output_dir)
    output_dir = pathlib.Path(output_dir)
    output_dir.mkdir(parents=True, exist_ok=True)
    plan_path = output_dir / PLAN
    num_shards = terms.num_shards
    with workdir.lock(output_dir):
        finished = guards.read_finished(output_dir, terms.overwrite)
        protected = None if terms.overwrite else finished
        if protected:
            guards.check_settings(
                protected, config, source, num_shards, output_dir
            )
        try:
            config = _make_plan(clips, config, plan_path, num_shards, protected)
            with plans.Plan(plan_path) as plan:
                guards.check_gone(plan, output_dir)
                _remove_unfinished(output_dir)
                if not finished:
                    # If this job stops, the lists of another must not remain.
                    for name in job_lists.LISTS:
                        (output_dir / name).unlink(missing_ok=True)
                start_seconds = time.perf_counter()
                summaries = _write_shards(
                    plan, runner or ProcessPool(), output_dir
                )
                seconds = time.perf_counter() - start_seconds
                # Again, as a worker of a job that was killed may have begun a
                # file before it ended.
                _remove_unfinished(output_dir)
                lists = job_lists.Lists(output_dir)
                report = lists.write(plan, summaries, config, remarks())
                problem = guards.problem_of(
                    plan, summaries, lists, report, config, terms
                )
        finally:
            plan_path.unlink(missing_ok=True)
        if problem:
            path = lists.keep_failed(finished is not None)
            raise ValueError(
                f"{problem} {path} lists what was skipped; finished shards "
                "are kept."
            )
        dataset = dataset_of(
            summaries, config, source, report["num_skipped"], num_shards
        )
        # From here on, it is the finished data set of this directory.
        dataset.write(output_dir)
        lists.publish()
        _remove_others(output_dir, [s["file"] for s in summaries])
    num_reused = sum(
        s["num_records"] if s["reused"] else s["num_copied"] for s in summaries
    )
    return JobResult(dataset, report, num_reused, seconds)
