"""What a data set holds, and what its owner should know about it.

Everything comes from the side-cars of the shards, read one after the other, so
that a finished data set says the same as the job that wrote it.
"""

import dataclasses
import math
import unicodedata
from collections import Counter
from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence

import numpy as np

from data_pipeline.clips import class_names
from data_pipeline.clips.clip import CROPPED
from data_pipeline.clips.splits import stable_hash
from ofa_aec_tf import audio
from ofa_aec_tf.data import dataset_info

SideCars = Callable[[], Iterable[Mapping]]

TRAIN = dataset_info.SPLITS[0]
# Metrics of fewer clips are too uncertain.
MIN_EVALUATED = 50

# If more of the clips is padding, or more of the audio is unused, another
# length is suggested.
_MAX_WASTED_FRACTION = 0.25
# Longer ones are recordings to be cut rather than clips.
_MAX_SUGGESTED_SECONDS = 30.0
_NUM_NAMED = 5


def named(names: Sequence[str]) -> str:
    """How many names there are, and some of them."""
    more = ", ..." if len(names) > _NUM_NAMED else ""
    return f"{len(names)} ({', '.join(names[:_NUM_NAMED])}{more})"


@dataclasses.dataclass
class _Counts:
    """Counts of one pass over the side-cars.

    Args:
        num_clips: Counter by split.
        clips: dict from split to an int array of shape (num_classes,).
        seconds: likewise, of audio; float.
        num_negatives: int. Clips without labels.
        cropped_seconds: float.
        durations: float array of shape (num_known,), in seconds.
    """

    num_clips: Counter
    clips: dict[str, np.ndarray]
    seconds: dict[str, np.ndarray]
    num_negatives: int
    cropped_seconds: float
    durations: np.ndarray


def _count(
    side_cars: Iterable[Mapping], num_classes: int, clip_seconds: float
) -> _Counts:
    counts = _Counts(
        Counter(),
        {split: np.zeros(num_classes, int) for split in dataset_info.SPLITS},
        {split: np.zeros(num_classes) for split in dataset_info.SPLITS},
        0,
        0.0,
        np.zeros(0),
    )
    durations = []
    for side_car in side_cars:
        split, labels = side_car["split"], side_car["labels"]
        clips = side_car.get("clips", {})
        seconds = clips.get("seconds", [None] * len(labels))
        cropped = set(side_car.get("notes", {}).get(CROPPED, ()))
        counts.num_clips[split] += len(labels)
        for clip_id, of_clip, length in zip(
            clips.get("ids", [None] * len(labels)), labels, seconds
        ):
            counts.num_negatives += not of_clip
            counts.clips[split][of_clip] += 1
            counts.seconds[split][of_clip] += (
                clip_seconds if length is None else min(length, clip_seconds)
            )
            if clip_id in cropped:
                counts.cropped_seconds += length - clip_seconds
        durations.append([s for s in seconds if s is not None])
    if durations:
        counts.durations = np.concatenate(durations)
    return counts


def _durations(seconds: np.ndarray, clip_seconds: float) -> dict | None:
    """Distribution of the lengths of the audio, and a suggested clip length."""
    if not len(seconds):
        return None
    used = np.minimum(seconds, clip_seconds).sum()
    padded = 1 - used / (clip_seconds * len(seconds))
    unused = 1 - used / seconds.sum()
    median, upper = np.percentile(seconds, (50, 90))
    suggested = None
    if max(padded, unused) > _MAX_WASTED_FRACTION:
        # Rounded up to tenths, so that nine of ten clips are not cropped.
        tenths = max(1, math.ceil(round(10 * upper, 3)))
        if tenths / 10 != clip_seconds:
            suggested = tenths / 10
    return {
        "min_seconds": round(float(seconds.min()), 3),
        "median_seconds": round(float(median), 3),
        "p90_seconds": round(float(upper), 3),
        "max_seconds": round(float(seconds.max()), 3),
        "padded_fraction": round(float(padded), 4),
        "unused_fraction": round(float(unused), 4),
        "suggested_clip_seconds": suggested,
    }


def _repeated(
    side_cars: SideCars, column: Callable[[Mapping], Sequence[str | None]]
) -> list[list[dict]]:
    """Finds clips with equal values; reads twice to save memory.

    Args:
        side_cars: function that returns them, each time anew.
        column: function from a side-car to a value for each of its clips; None
            equals nothing.

    Returns:
        list of groups, of dicts with `split` and `clip_id`.
    """

    def hashed(value):
        return stable_hash("equal", value)

    seen = [
        np.array(
            [hashed(v) for v in column(side_car) if v is not None], np.uint64
        )
        for side_car in side_cars()
    ]
    values, counts = np.unique(
        np.concatenate(seen) if seen else [], return_counts=True
    )
    suspects = set(values[counts > 1].tolist())
    groups: dict[str, list[dict]] = {}
    for side_car in side_cars() if suspects else ():
        ids = side_car.get("clips", {}).get("ids", ())
        for clip_id, value in zip(ids, column(side_car)):
            if value is not None and hashed(value) in suspects:
                groups.setdefault(value, []).append(
                    {"split": side_car["split"], "clip_id": clip_id}
                )
    return [group for group in groups.values() if len(group) > 1]


def _contents(side_car: Mapping) -> list[str | None]:
    """Hashes of the features, None for silence."""
    if "clips" not in side_car:
        return []
    silent = set(side_car.get("notes", {}).get(audio.SILENT, ()))
    clips = side_car["clips"]
    return [
        None if clip_id in silent else digest
        for clip_id, digest in zip(clips["ids"], clips["digests"])
    ]


def _folded_ids(side_car: Mapping) -> list[str]:
    """Ids without differences that people overlook."""
    return [
        unicodedata.normalize("NFKC", clip_id).casefold()
        for clip_id in side_car.get("clips", {}).get("ids", ())
    ]


def _crosses_splits(group: Sequence[Mapping]) -> bool:
    return len({clip["split"] for clip in group}) > 1


def describe(
    side_cars: SideCars, names: Sequence[str], clip_seconds: float
) -> dict:
    """Describes a data set, for `report.json`.

    Args:
        side_cars: function that returns an iterable of the side-cars of all
            shards, each time anew.
        names: sequence of str. The classes.
        clip_seconds: float.

    Returns:
        dict of JSON types: `splits` (clips), `classes` (by class and split
        `clips` and `minutes` of audio), `num_negatives` (clips without
        labels), `cropped_seconds`, `durations`, `equal_content` and
        `similar_ids` (groups of clips), and `warnings`, a sentence each.
    """
    counts = _count(side_cars(), len(names), clip_seconds)
    splits = [s for s in dataset_info.SPLITS if s in counts.num_clips]
    equal = _repeated(side_cars, _contents)
    described = {
        "splits": {split: counts.num_clips[split] for split in splits},
        "classes": {
            name: {
                split: {
                    "clips": int(counts.clips[split][index]),
                    "minutes": round(
                        float(counts.seconds[split][index]) / 60, 2
                    ),
                }
                for split in splits
            }
            for index, name in enumerate(names)
        },
        "num_negatives": counts.num_negatives,
        "cropped_seconds": round(counts.cropped_seconds, 3),
        "durations": _durations(counts.durations, clip_seconds),
        "equal_content": [group for group in equal if _crosses_splits(group)],
        "similar_ids": _repeated(side_cars, _folded_ids),
    }
    return {**described, "warnings": list(_warnings(described, clip_seconds))}


def without_clips(described: Mapping, split: str) -> list[str]:
    """Classes without clips in a split."""
    return [
        name
        for name, by_split in described["classes"].items()
        if not by_split[split]["clips"]
    ]


def _named_groups(groups: Sequence[Sequence[Mapping]]) -> str:
    return named(
        [
            " = ".join(
                f"{clip['clip_id']} in {clip['split']}" for clip in group
            )
            for group in groups
        ]
    )


def _warnings(described: Mapping, clip_seconds: float) -> Iterator[str]:
    names = list(described["classes"])
    if len(names) == 1:
        yield (
            f"there is one class only, {names[0]}: no metric can tell good "
            "from bad scores"
        )
    for split, num_clips in described["splits"].items():
        absent = without_clips(described, split)
        if split == TRAIN:
            continue
        if absent:
            yield (
                f"classes without a {split} clip: {named(absent)}; no metric "
                "is of them"
            )
        if num_clips < MIN_EVALUATED:
            yield (
                f"the {split} split has {num_clips} clips, too few for a "
                f"figure: have {MIN_EVALUATED} or more"
            )
    yield from class_names.remarks(names)
    if described["equal_content"]:
        yield (
            "clips of equal content are in more than one split: "
            f"{_named_groups(described['equal_content'])}. Give them one "
            "`group`, or leave all but one out"
        )
    if described["similar_ids"]:
        yield (
            "ids differ by case or form only: "
            f"{_named_groups(described['similar_ids'])}"
        )
    durations = described["durations"]
    if durations and durations["suggested_clip_seconds"]:
        yield _length_advice(durations, clip_seconds)


def _length_advice(durations: Mapping, clip_seconds: float) -> str:
    suggested = durations["suggested_clip_seconds"]
    wasted = []
    for key, what in (
        ("padded_fraction", "of the clips is silence added to their ends"),
        ("unused_fraction", "of the audio is behind the ends of the clips"),
    ):
        if durations[key] > _MAX_WASTED_FRACTION:
            wasted.append(f"{durations[key]:.1%} {what}")
    advice = f"--clip_seconds={suggested:g} takes 90 % of them whole"
    if suggested > _MAX_SUGGESTED_SECONDS:
        advice = "--segment_seconds cuts long recordings into clips"
    return (
        f"with --clip_seconds={clip_seconds:g} {' and '.join(wasted)}: {advice}"
    )
