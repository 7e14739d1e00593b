"""Whether a job may put its data set in the place of a finished one."""

import pathlib
from collections.abc import Iterator
from collections.abc import Mapping

from data_pipeline.shards.config import PreprocessConfig
from data_pipeline.shards.plan import Plan
from ofa_aec_tf.data import dataset_info
from ofa_aec_tf.data.dataset_info import DatasetInfo

# What may change in the record of the source: where things are, what follows
# from the rows, and what lets in more of them. Lost clips are found one by one.
_NO_SETTINGS = (
    "audio_dir",
    "annotations_dir",
    "labels_csv",
    "class_labels_csv",
    "train_segments",
    "validation_segments",
    "evaluation_segments",
    "blacklist",
    "allow_symlinks",
    dataset_info.OTHER_FOLDS,
)
_NUM_NAMED = 3


def read_finished(output_dir, overwrite: bool) -> DatasetInfo | None:
    """The finished data set of a directory, if there is one.

    Args:
        output_dir: path of the directory.
        overwrite: bool. Whether one that cannot be read does not count.

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


def _settings(frontend, clip_seconds, label_type, num_shards, source) -> dict:
    settings = {
        **source,
        **frontend.to_json(),
        "clip_seconds": clip_seconds,
        "label_type": label_type,
        "num_shards": num_shards,
    }
    return {k: v for k, v in settings.items() if k not in _NO_SETTINGS}


def _differences(old: Mapping, new: Mapping) -> Iterator[str]:
    for name in sorted(set(old) | set(new)):
        if old.get(name) != new.get(name):
            yield (f"{name} was {old.get(name)!r} and is now {new.get(name)!r}")


def check_settings(
    finished: DatasetInfo,
    config: PreprocessConfig,
    source: Mapping,
    num_shards: int | None,
    output_dir,
) -> None:
    """Refuses to replace a data set by one that was not asked for alike.

    Args:
        finished: DatasetInfo of the finished data set.
        config: PreprocessConfig of the job.
        source: dict of JSON types. Where its clips come from.
        num_shards: int or None, as asked for.
        output_dir: path of the directory.

    Raises:
        ValueError: naming what differs.
    """
    found = _differences(
        _settings(
            finished.frontend,
            finished.clip_seconds,
            finished.label_type,
            finished.num_shards,
            finished.source,
        ),
        _settings(
            config.frontend,
            config.clip_seconds,
            config.label_type,
            num_shards,
            source,
        ),
    )
    text = "; ".join(found)
    if text:
        raise ValueError(
            f"{output_dir} holds a finished data set of other settings: "
            f"{text}. Use the same settings, choose another --output_dir, or "
            "replace it with --overwrite."
        )


def _refuse_lost(lost: Mapping[str, list[str]], output_dir) -> str:
    reasons = []
    for code, clip_ids in sorted(lost.items()):
        named = ", ".join(clip_ids[:_NUM_NAMED])
        more = ", ..." if len(clip_ids) > _NUM_NAMED else ""
        reasons.append(f"{len(clip_ids)} {code} ({named}{more})")
    number = sum(map(len, lost.values()))
    return (
        f"{number} clips of the finished data set in {output_dir} would be "
        f"lost: {'; '.join(reasons)}. Bring them back, or replace it by a "
        "smaller one with --overwrite."
    )


def check_gone(plan: Plan, output_dir) -> None:
    """Refuses a plan without some clips of the finished data set.

    Args:
        plan: Plan, with what earlier jobs have left.
        output_dir: path of the directory.

    Raises:
        ValueError: naming how many, some, and why.
    """
    gone = plan.earlier(output_dir).gone()
    if not gone:
        return
    codes = dict.fromkeys(gone, "not in the source")
    for row in plan.skipped():
        if row.clip_id in codes:
            codes[row.clip_id] = row.code
    lost: dict[str, list[str]] = {}
    for clip_id, code in codes.items():
        lost.setdefault(code, []).append(clip_id)
    raise ValueError(_refuse_lost(lost, output_dir))


def lost_clips(plan: Plan, dead_letters, output_dir) -> str | None:
    """What clips of the finished data set were skipped now, as an error.

    Args:
        plan: Plan, with what earlier jobs have left.
        dead_letters: iterable of dict, of the job.
        output_dir: path of the directory.
    """
    earlier = plan.earlier(output_dir)
    lost: dict[str, list[str]] = {}
    for letter in dead_letters:
        if earlier.is_finished(letter["clip_id"]):
            lost.setdefault(letter["code"], []).append(letter["clip_id"])
    return _refuse_lost(lost, output_dir) if lost else None
