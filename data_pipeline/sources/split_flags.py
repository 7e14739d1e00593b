"""Flags that divide clips into splits."""

from collections import Counter
from collections.abc import Mapping
from collections.abc import Sequence

from absl import flags

from data_pipeline.clips import splits
from data_pipeline.clips.clip import ClipRow
from data_pipeline.clips.clip import SkippedRow
from ofa_aec_tf.data import dataset_info

# Of the record of a data set.
_CROSSING_GROUPS = "crossing_groups"
# Of long lists of names.
_NUM_NAMED = 5

_TRAIN_FOLDS = flags.DEFINE_list(
    "train_folds",
    [],
    "Folds for training. By default, of urbansound8k all but the last two, of "
    "which the first validates and the second tests.",
)
_VALIDATION_FOLDS = flags.DEFINE_list(
    "validation_folds", [], "Folds for validation."
)
_TEST_FOLDS = flags.DEFINE_list("test_folds", [], "Folds for testing.")
VALIDATION_FRACTION = flags.DEFINE_float(
    "validation_fraction",
    0.1,
    "Share of the clips (or groups of clips; audioset: videos) for "
    "validation, chosen by a hash of their names, where there are neither "
    "folds nor a split column.",
)
TEST_FRACTION = flags.DEFINE_float(
    "test_fraction", 0.1, "Share of the clips for testing, likewise."
)

FOLDS = (_TRAIN_FOLDS, _VALIDATION_FOLDS, _TEST_FOLDS)


def _folds(flag) -> list[int]:
    try:
        return [int(text) for text in flag.value]
    except ValueError:
        raise ValueError(
            f"--{flag.name} must be integers, such as --{flag.name}=1,2. "
            f"Received: {','.join(flag.value)}"
        ) from None


def chosen_folds() -> dict[str, list[int]]:
    """The folds that the flags name.

    Returns:
        dict from split name to its folds.

    Raises:
        ValueError: if one is no number.
    """
    return {
        split: _folds(flag) for split, flag in zip(dataset_info.SPLITS, FOLDS)
    }


def with_splits(
    rows: Sequence[ClipRow | SkippedRow],
    folds: Mapping[str, Sequence[int]],
    notes: Counter,
    has_usual_folds: bool,
) -> tuple[list[ClipRow | SkippedRow], dict, list[str]]:
    """Gives clips the splits that the flags ask for.

    Args:
        rows: sequence of ClipRow and SkippedRow.
        folds: dict, as `chosen_folds` returns it.
        notes: Counter. `crossing_group` and `other_fold` are counted there.
        has_usual_folds: bool. Whether folds are used without being asked for.

    Returns:
        tuple of all rows, those that are clips with splits; of what the record
        of the data set says of them, a dict of JSON types; and of sentences
        for people.

    Raises:
        ValueError: if no row is a clip, or the flags do not fit them.
    """
    skipped = [row for row in rows if isinstance(row, SkippedRow)]
    clips = [row for row in rows if not isinstance(row, SkippedRow)]
    if skipped and not clips:
        codes = Counter(row.code for row in skipped)
        raise ValueError(
            f"None of {len(skipped)} rows can be used: {dict(codes)}. The "
            f"first: {skipped[0].filename}: {skipped[0].reason}"
        )
    fractions = (VALIDATION_FRACTION, TEST_FRACTION)
    chosen = [flag for flag in fractions if flag.value != flag.default]
    present = {row.fold for row in clips} - {None}
    if has_usual_folds and not chosen and not any(folds.values()):
        folds = splits.last_folds(present)
    if chosen and (any(folds.values()) or any(row.split for row in clips)):
        raise ValueError(
            f"--{chosen[0].name} is for clips without folds and without splits "
            "of their own. Leave it out."
        )
    divided = splits.assign(
        clips, folds, VALIDATION_FRACTION.value, TEST_FRACTION.value
    )
    remarks: list[str] = []
    facts = _crossing_groups(divided, notes, remarks)
    if not any(folds.values()):
        if present:
            is_split = any(row.split for row in clips)
            remarks.append(
                "the folds are not used: "
                + ("there are splits, too" if is_split else "no flag names any")
            )
        return skipped + divided, facts, remarks
    if any(row.split for row in clips):
        remarks.append("the splits are not used: the flags choose folds")
    others = sorted(present.difference(*folds.values()))
    if others:
        facts[dataset_info.OTHER_FOLDS] = others
        notes["other_fold"] = len(clips) - len(divided)
        remarks.append(
            f"{notes['other_fold']} clips are not used: no flag names their "
            f"folds, {', '.join(map(str, others))}"
        )
    return skipped + divided, facts, remarks


def _crossing_groups(
    clips: Sequence[ClipRow], notes: Counter, remarks: list[str]
) -> dict:
    crossing = splits.crossing_groups(clips)
    if not crossing:
        return {}
    notes["crossing_group"] = len(crossing)
    remarks.append(
        "groups with clips in several splits, which are kept as they were "
        f"published: {len(crossing)}, such as "
        f"{', '.join(crossing[:_NUM_NAMED])}"
    )
    return {_CROSSING_GROUPS: crossing}
