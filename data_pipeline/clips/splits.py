"""Splits: which names they have, and which clip goes into which."""

import dataclasses
import hashlib
import re
from collections.abc import Collection
from collections.abc import Iterable
from collections.abc import Mapping
from collections.abc import Sequence

from data_pipeline.clips.clip import ClipRow
from ofa_aec_tf.data.dataset_info import SPLITS

TRAIN, VALIDATION, TEST = SPLITS

_SYNONYMS = {
    "training": TRAIN,
    "val": VALIDATION,
    "valid": VALIDATION,
    "validate": VALIDATION,
    "dev": VALIDATION,
    "testing": TEST,
    "eval": TEST,
    "evaluate": TEST,
    "evaluation": TEST,
}
# End of folder names such as `Training_Set`.
_FOLDER_TAIL = re.compile(r"[-_ ]?set$")


def canonical(name: str, where: str) -> str:
    """Returns the split that a labels file means by `name`.

    Args:
        name: str, such as `"train"` or `"val"`, in any case.
        where: str. Named in the error.

    Raises:
        ValueError: if there is no such split.
    """
    lower = name.strip().lower()
    split = _SYNONYMS.get(lower, lower)
    if split not in SPLITS:
        raise ValueError(
            f"{where}: `split` must be one of {list(SPLITS)} (or "
            f"{', '.join(_SYNONYMS)}). Received: {name!r}"
        )
    return split


def is_split(name: str) -> bool:
    """Whether `canonical` knows the name."""
    lower = name.strip().lower()
    return _SYNONYMS.get(lower, lower) in SPLITS


def stable_hash(purpose: str, text: str) -> int:
    """Hashes a text to 64 bits, which are the same on any machine.

    Args:
        purpose: str. Hashes for different purposes are independent.
        text: str.
    """
    digest = hashlib.sha256(f"{purpose}:{text}".encode()).digest()
    return int.from_bytes(digest[:8], "big")


def of_folders(path: str) -> str | None:
    """Finds the split that a folder names, such as `audio/train`.

    Args:
        path: str. Of a file, with `/`, relative to the directory of the audio.

    Returns:
        str, of the last folder that names one; or None.
    """
    *folders, _ = path.split("/")
    for folder in reversed(folders):
        name = _FOLDER_TAIL.sub("", folder.lower())
        if is_split(name):
            return canonical(name, path)
    return None


def crossing_groups(rows: Iterable[ClipRow]) -> list[str]:
    """Finds groups whose clips are in several splits.

    Args:
        rows: iterable of ClipRow with splits.

    Returns:
        list of str, sorted.
    """
    splits_of_group: dict[str, set[str | None]] = {}
    for row in rows:
        if row.group is not None:
            splits_of_group.setdefault(row.group, set()).add(row.split)
    return sorted(g for g, found in splits_of_group.items() if len(found) > 1)


def by_fold(
    rows: Sequence[ClipRow], folds: Mapping[str, Sequence[int]]
) -> list[ClipRow]:
    """Assigns splits by fold, and drops clips of the other folds.

    Folds are kept as published, even if a group is in several of them.

    Args:
        rows: sequence of ClipRow, all with a fold.
        folds: dict from split name to its folds.

    Returns:
        list of ClipRow with splits.

    Raises:
        ValueError: if a row has no fold, a fold is in two splits, or a fold
            has no clips.
    """
    without = [row.clip_id for row in rows if row.fold is None]
    if without:
        raise ValueError(
            "--train_folds and its like need a fold for every clip: a `fold` "
            f"column in the labels file. Received none for {without[:3]} "
            f"({len(without)} clips)"
        )
    split_of_fold: dict[int, str] = {}
    for split, of_split in folds.items():
        for fold in of_split:
            if fold in split_of_fold:
                raise ValueError(
                    "A fold must be in one split only. Received: fold "
                    f"{fold} in {split_of_fold[fold]} and {split}"
                )
            split_of_fold[fold] = split
    present = sorted({row.fold for row in rows})
    absent = sorted(set(split_of_fold) - set(present))
    if absent:
        raise ValueError(
            f"The clips have the folds {present}. Received: {absent}"
        )
    return [
        dataclasses.replace(row, split=split_of_fold[row.fold])
        for row in rows
        if row.fold in split_of_fold
    ]


def last_folds(present: Collection[int]) -> dict[str, list[int]]:
    """Assigns the last fold to testing, and the one before to validation.

    Args:
        present: collection of int. The folds that have clips.

    Returns:
        dict from split name to its folds. Two folds train and test; with fewer,
        all splits are empty.
    """
    *train, test = sorted(present) or [None]
    if not train:
        return {split: [] for split in SPLITS}
    validation = [train.pop()] if len(train) > 1 else []
    return {TRAIN: train, VALIDATION: validation, TEST: [test]}


def check_fractions(validation_fraction: float, test_fraction: float) -> None:
    """Checks that the fractions leave something for training.

    Args:
        validation_fraction: float.
        test_fraction: float.

    Raises:
        ValueError: if they do not.
    """
    fractions = (validation_fraction, test_fraction)
    if not (min(fractions) >= 0 and sum(fractions) < 1):
        raise ValueError(
            "--validation_fraction and --test_fraction must not be negative, "
            "and their sum must be below 1. "
            f"Received: {validation_fraction} and {test_fraction}"
        )


def _is_below(group: str, fraction: float) -> bool:
    return stable_hash("split", group) < fraction * 2**64


def train_or_validation(group: str, validation_fraction: float) -> str:
    """Assigns a group to a split by a hash of its name.

    For sources too large for `by_hash`, which needs all groups.

    Args:
        group: str.
        validation_fraction: float. Expected share of the groups.

    Returns:
        str, `"train"` or `"validation"`.
    """
    return VALIDATION if _is_below(group, validation_fraction) else TRAIN


def by_hash(
    rows: Sequence[ClipRow], validation_fraction: float, test_fraction: float
) -> list[ClipRow]:
    """Assigns splits by a hash of the group, or of the clip if it has none.

    A clip keeps its split when others come or go. If a split would be empty in
    a small set, the group with the nearest hash moves there.

    Args:
        rows: sequence of ClipRow.
        validation_fraction: float. Expected share of the groups.
        test_fraction: float. Likewise; 0 for no such split.

    Returns:
        list of ClipRow with splits.

    Raises:
        ValueError: if the fractions leave nothing for training, or there are
            fewer groups than splits.
    """
    check_fractions(validation_fraction, test_fraction)
    fractions = {TEST: test_fraction, VALIDATION: validation_fraction}
    groups = sorted(
        {row.group or row.clip_id for row in rows},
        key=lambda group: (stable_hash("split", group), group),
    )
    num_splits = 1 + sum(fraction > 0 for fraction in fractions.values())
    if len(groups) < num_splits:
        raise ValueError(
            f"{num_splits} splits need at least as many clips (or groups of "
            f"clips). Received: {len(groups)}. Add clips, or leave splits out "
            "with --validation_fraction=0 or --test_fraction=0."
        )
    split_of_group: dict[str, str] = {}
    upper_fraction = 0.0
    still_needed = num_splits
    remaining = list(groups)
    for split, fraction in fractions.items():
        if not fraction:
            continue
        upper_fraction += fraction
        num_below = sum(_is_below(group, upper_fraction) for group in remaining)
        still_needed -= 1
        # At least one, and leave at least one for each of the other splits.
        num_taken = min(max(1, num_below), len(remaining) - still_needed)
        for group in remaining[:num_taken]:
            split_of_group[group] = split
        remaining = remaining[num_taken:]
    return [
        dataclasses.replace(
            row, split=split_of_group.get(row.group or row.clip_id, TRAIN)
        )
        for row in rows
    ]


def assign(
    rows: Sequence[ClipRow],
    folds: Mapping[str, Sequence[int]],
    validation_fraction: float,
    test_fraction: float,
) -> list[ClipRow]:
    """Assigns every row to a split: by fold, as the source says, or by hash.

    Only a hash keeps groups together. Folds and splits of the source stay as
    published; `crossing_groups` finds the groups in several of them.

    Args:
        rows: sequence of ClipRow.
        folds: dict from split name to its folds; all empty if the user chose
            none.
        validation_fraction: float, for `by_hash`.
        test_fraction: float, for `by_hash`.

    Returns:
        list of ClipRow with splits.

    Raises:
        ValueError: if no clip is for training, only some clips have a split
            in the source, folds are there but not chosen, or as in `by_fold`
            and `by_hash`.
    """
    if any(folds.values()):
        rows = by_fold(rows, folds)
    elif any(row.split for row in rows):
        without = [row.clip_id for row in rows if not row.split]
        if without:
            raise ValueError(
                "Either every clip has a split (in the labels file, or by its "
                "folder) or none. "
                f"Received none for {without[:3]} ({len(without)} clips)"
            )
    elif any(row.fold is not None and row.group is None for row in rows):
        raise ValueError(
            "The clips have folds, which keep related ones together. "
            "Say which are for what with --train_folds, --validation_folds "
            "and --test_folds. Received: none of them"
        )
    else:
        rows = by_hash(rows, validation_fraction, test_fraction)
    if not any(row.split == TRAIN for row in rows):
        raise ValueError(
            "No clip is for training. Name folds with --train_folds, or use "
            "`train` in the `split` column of the labels file."
        )
    return list(rows)
