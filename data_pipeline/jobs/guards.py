"""Why a job may not put its data set into a directory."""

import os
import pathlib
from collections import Counter
from collections import defaultdict
from collections.abc import Mapping
from collections.abc import Sequence

import numpy as np

from data_pipeline.clips.clip import NOT_CLIPS
from data_pipeline.jobs.lists import Lists
from data_pipeline.shards.config import PreprocessConfig
from data_pipeline.shards.plan import Plan
from data_pipeline.sources import registry
from ofa_aec_tf.data import dataset_info
from ofa_aec_tf.data.dataset_info import DatasetInfo

# Settings that may change, beside paths: they only add clips, or follow from
# them. Clips that are lost are found one by one.
_MAY_CHANGE = ("allow_symlinks", dataset_info.OTHER_FOLDS)
_NUM_NAMED = 3


def check_output(output_dir) -> None:
    """Checks that a directory exists or can be made, without making it.

    Args:
        output_dir: path of the directory.

    Raises:
        ValueError: naming what is in its way.
    """
    path = pathlib.Path(os.path.abspath(output_dir))
    nearest = next(p for p in (path, *path.parents) if os.path.lexists(p))
    problem = None
    if not nearest.is_dir():
        problem = "is not a directory"
    elif not os.access(nearest, os.W_OK):
        problem = "cannot be written to"
    if problem:
        raise ValueError(
            "--output_dir must be a directory, or one that can be made, to "
            f"write in. Received: --output_dir={output_dir}, but {nearest} "
            f"{problem}."
        )


def read_finished(output_dir, overwrite: bool) -> DatasetInfo | None:
    """Reads the finished data set of a directory, if there is one.

    Args:
        output_dir: path of the directory.
        overwrite: bool. Whether to ignore one that cannot be read.

    Raises:
        ValueError: if it cannot be read.
    """
    if not (pathlib.Path(output_dir) / dataset_info.FILE_NAME).is_file():
        return None
    try:
        return DatasetInfo.read(output_dir)
    except ValueError as error:
        if overwrite:
            return None
        raise ValueError(
            f"{error} With --overwrite it is replaced; or choose another "
            "--output_dir."
        ) from error


def _settings(described, source, num_shards) -> dict:
    settings = {
        **source,
        **described.frontend.to_json(),
        "clip_seconds": described.clip_seconds,
        "label_type": described.label_type,
        "num_shards": num_shards,
    }
    for name in (*registry.path_settings(), *_MAY_CHANGE):
        settings.pop(name, None)
    return settings


def check_settings(
    finished: DatasetInfo,
    config: PreprocessConfig,
    source: Mapping,
    num_shards: int | None,
    output_dir,
) -> None:
    """Refuses to replace a data set that was made with other settings.

    Args:
        finished: DatasetInfo of the finished data set.
        config: PreprocessConfig of the job.
        source: dict of JSON types. Where its clips come from.
        num_shards: int or None, as asked for.
        output_dir: path of the directory.

    Raises:
        ValueError: naming what differs.
    """
    old = _settings(finished, finished.source, finished.num_shards)
    new = _settings(config, source, num_shards)
    text = "; ".join(
        f"{name} was {old.get(name)!r} and is now {new.get(name)!r}"
        for name in sorted(set(old) | set(new))
        if old.get(name) != new.get(name)
    )
    if text:
        raise ValueError(
            f"{output_dir} holds a finished data set of other settings: "
            f"{text}. Use the same settings, choose another --output_dir, or "
            "replace it with --overwrite."
        )


def _lost(codes: Mapping[str, str], output_dir) -> str | None:
    """Describes what a finished data set would lose, given codes by clip id."""
    if not codes:
        return None
    lost: dict[str, list[str]] = defaultdict(list)
    for clip_id, code in codes.items():
        lost[code].append(clip_id)
    reasons = []
    for code, clip_ids in sorted(lost.items()):
        named = ", ".join(clip_ids[:_NUM_NAMED])
        more = ", ..." if len(clip_ids) > _NUM_NAMED else ""
        reasons.append(f"{len(clip_ids)} {code} ({named}{more})")
    return (
        f"{len(codes)} clips of the finished data set in {output_dir} would be "
        f"lost: {'; '.join(reasons)}. Bring them back, or replace it by a "
        "smaller one with --overwrite."
    )


def check_gone(plan: Plan, output_dir) -> None:
    """Refuses a plan that lacks clips of the finished data set.

    Args:
        plan: Plan, with what earlier jobs have left.
        output_dir: path of the directory.

    Raises:
        ValueError: naming how many, some, and why.
    """
    codes = dict.fromkeys(plan.earlier(output_dir).gone(), "not in the source")
    for row in plan.skipped() if codes else ():
        if row.clip_id in codes:
            codes[row.clip_id] = row.code
    problem = _lost(codes, output_dir)
    if problem:
        raise ValueError(problem)


def problem_of(
    plan: Plan,
    summaries: Sequence[Mapping],
    lists: Lists,
    report: Mapping,
    config: PreprocessConfig,
    terms,
) -> str | None:
    """Describes why the shards may not become the data set, if so.

    Args:
        plan: Plan, with what earlier jobs have left.
        summaries: sequence of dict, as `shard_task.run` returns them.
        lists: Lists, as written.
        report: dict, as `lists.write` returns it.
        config: PreprocessConfig, with classes.
        terms: `job.Terms`.
    """
    earlier = plan.earlier(lists.directory)
    skipped = {
        letter["clip_id"]: letter["code"]
        for letter in lists.dead_letters()
        if earlier.is_finished(letter["clip_id"])
    }
    problem = (
        _lost(skipped, lists.directory)
        or _empty_split(summaries, lists)
        or _too_many_skipped(report, lists, terms.max_bad_fraction)
    )
    if problem or terms.may_lose_classes:
        return problem
    return _lost_classes(plan, summaries, config)


def _empty_split(summaries, lists) -> str | None:
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
        advice = (
            " Check --audio_dir and the file names in the labels file."
            if "missing" in codes
            else ""
        )
        return (
            f"No clip of the split {split!r} can be used: {dict(codes)}. "
            f"The first: {first['filename']}: {first['reason']}.{advice}"
        )
    return None


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


def _lost_classes(plan, summaries, config) -> str | None:
    counts = np.sum([s["class_counts"] for s in summaries], axis=0)
    kept = {n for n, count in zip(config.class_map.names, counts) if count}
    lost = sorted(plan.label_names() - kept)
    if not lost:
        return None
    return (
        f"All clips of {len(lost)} classes were skipped: {lost[:10]}. Bring "
        "their files back, or take the classes out of the source."
    )
