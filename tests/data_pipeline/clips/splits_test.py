"""Tests of dividing clips into splits."""

import collections

import pytest
from hypothesis import given
from hypothesis import settings
from hypothesis import strategies

from data_pipeline.clips import splits
from data_pipeline.clips.clip import ClipRow

# A busy machine is no fault of the code.
_PATIENT = settings(deadline=None, max_examples=50)

_NO_FOLDS = {"train": [], "validation": [], "test": []}


def _rows(ids, **fields):
    return [ClipRow(str(i), f"{i}.wav", ("dog",), **fields) for i in ids]


def _split_of(rows):
    return {row.clip_id: row.split for row in rows}


def test_folds_give_the_splits_and_the_others_are_skipped():
    rows = [row for fold in (1, 2, 3) for row in _rows([fold], fold=fold)]
    assigned = splits.by_fold(rows, {"train": [2], "test": [1]})
    assert _split_of(assigned) == {"1": "test", "2": "train"}


@pytest.mark.parametrize(
    ("fold", "folds", "message"),
    [
        (None, {"train": [1]}, r"need a fold for every clip.*\['0', '1', '2'"),
        (1, {"train": [1], "test": [1]}, "fold 1 in train and test"),
        (1, {"train": [1, 4]}, r"have the folds \[1\]. Received: \[4\]"),
    ],
)
def test_impossible_folds_are_refused(fold, folds, message):
    with pytest.raises(ValueError, match=message):
        splits.by_fold(_rows(range(4), fold=fold), folds)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("train", "train"),
        ("Training", "train"),
        ("val", "validation"),
        ("valid", "validation"),
        ("DEV", "validation"),
        (" test ", "test"),
    ],
)
def test_usual_names_of_splits_are_understood(name, expected):
    assert splits.canonical(name, "here") == expected


def test_the_hash_is_the_same_on_every_machine():
    # The first eight bytes of `printf split:a.wav | sha256sum`.
    assert splits.stable_hash("split", "a.wav") == int("3ac4398b8086176d", 16)


@_PATIENT
@given(
    strategies.sets(strategies.text(min_size=1), min_size=3, max_size=60),
    strategies.floats(0.01, 0.45),
    strategies.floats(0.01, 0.45),
)
def test_no_split_is_ever_empty(ids, validation_fraction, test_fraction):
    rows = splits.by_hash(_rows(ids), validation_fraction, test_fraction)
    assert {row.clip_id for row in rows} == ids
    assert {row.split for row in rows} == {"train", "validation", "test"}


@_PATIENT
@given(strategies.permutations(range(30)))
def test_the_order_of_the_clips_does_not_matter(order):
    expected = _split_of(splits.by_hash(_rows(range(30)), 0.2, 0.2))
    assert _split_of(splits.by_hash(_rows(order), 0.2, 0.2)) == expected


@_PATIENT
@given(strategies.sets(strategies.integers(0, 999), max_size=500))
def test_a_clip_keeps_its_split_when_others_go(removed):
    before = _split_of(splits.by_hash(_rows(range(1000)), 0.2, 0.2))
    kept = sorted(set(range(1000)) - removed)
    after = _split_of(splits.by_hash(_rows(kept), 0.2, 0.2))
    assert after == {str(i): before[str(i)] for i in kept}


def test_the_shares_are_about_the_fractions():
    rows = splits.by_hash(_rows(range(10_000)), 0.1, 0.2)
    counts = collections.Counter(row.split for row in rows)
    # Four standard deviations of a binomial share.
    assert counts["validation"] == pytest.approx(1000, abs=4 * 30)
    assert counts["test"] == pytest.approx(2000, abs=4 * 40)


@_PATIENT
@given(
    strategies.lists(strategies.integers(0, 9), min_size=30, max_size=60),
    strategies.floats(0.05, 0.4),
)
def test_a_group_stays_in_one_split(groups, fraction):
    # Every group is there, so that there are enough of them.
    groups = [*range(10), *groups]
    rows = [
        ClipRow(str(i), "x.wav", ("dog",), group=str(group))
        for i, group in enumerate(groups)
    ]
    of_group = collections.defaultdict(set)
    for row in splits.by_hash(rows, fraction, fraction):
        of_group[row.group].add(row.split)
    assert all(len(found) == 1 for found in of_group.values())


def test_a_fraction_of_zero_leaves_the_split_out():
    rows = splits.by_hash(_rows(range(50)), 0.2, 0)
    assert {row.split for row in rows} == {"train", "validation"}


def test_fewer_clips_than_splits_are_refused_with_a_way_out():
    with pytest.raises(ValueError, match="3 splits.*: 2.*--test_fraction=0"):
        splits.by_hash(_rows(range(2)), 0.1, 0.1)


@pytest.mark.parametrize(
    "fractions", [(0.5, 0.5), (-0.1, 0.1), (0.0, 1.0), (0.1, float("nan"))]
)
def test_fractions_that_leave_nothing_are_refused(fractions):
    with pytest.raises(ValueError, match="sum must be below 1"):
        splits.by_hash(_rows(range(50)), *fractions)


def test_folds_go_before_the_split_column():
    rows = _rows([1], split="test", fold=1)
    assigned = splits.assign(rows, {**_NO_FOLDS, "train": [1]}, 0.1, 0.1)
    assert _split_of(assigned) == {"1": "train"}


def test_a_split_column_goes_before_the_hash():
    rows = _rows(range(3), split="train") + _rows(range(3, 9), split="test")
    assigned = splits.assign(rows, _NO_FOLDS, 0.1, 0.1)
    assert assigned == rows


def test_a_split_column_with_gaps_is_refused():
    rows = _rows(range(3), split="train") + _rows([7])
    with pytest.raises(ValueError, match=r"or none.*\['7'\] \(1 clips\)"):
        splits.assign(rows, _NO_FOLDS, 0.1, 0.1)


def test_clips_without_any_for_training_are_refused():
    with pytest.raises(ValueError, match="No clip is for training"):
        splits.assign(_rows([1], split="test"), _NO_FOLDS, 0.1, 0.1)


def test_folds_that_nobody_chose_are_not_ignored():
    rows = [
        ClipRow(f"clip{i}", f"{i}.wav", ("a",), fold=1 + i % 3)
        for i in range(9)
    ]
    none = {"train": [], "validation": [], "test": []}
    with pytest.raises(ValueError, match="--train_folds, --validation_folds"):
        splits.assign(rows, none, 0.1, 0.1)


def test_folds_are_kept_where_a_group_crosses_them():
    rows = [
        *_rows([1], fold=1, group="g"),
        *_rows([2], fold=2, group="g"),
        *_rows([3], fold=3, group="h"),
        *_rows([4], fold=3),
    ]
    folds = {"train": [3], "validation": [1], "test": [2]}
    assigned = splits.by_fold(rows, folds)
    assert _split_of(assigned) == {
        "1": "validation",
        "2": "test",
        "3": "train",
        "4": "train",
    }
    assert splits.crossing_groups(assigned) == ["g"]
    together = splits.by_fold(rows, {"train": [1, 2, 3]})
    assert splits.crossing_groups(together) == []


@pytest.mark.parametrize(
    ("present", "expected"),
    [
        ({3, 10, 1, 2}, ([1, 2], [3], [10])),
        ({1, 2, 3}, ([1], [2], [3])),
        ({4, 7}, ([4], [], [7])),
        ({4}, ([], [], [])),
        ((), ([], [], [])),
    ],
)
def test_the_last_fold_tests_and_the_one_before_validates(present, expected):
    assert tuple(splits.last_folds(present).values()) == expected


def test_a_group_may_be_skipped_in_part():
    rows = [*_rows([1], fold=1, group="g"), *_rows([2], fold=2, group="g")]
    assigned = splits.by_fold(rows, {"train": [1]})
    assert _split_of(assigned) == {"1": "train"}


def test_a_split_column_is_kept_where_a_group_crosses_it():
    rows = [
        *_rows([1, 2], split="train", group="g"),
        *_rows([3], split="train", group="h"),
        *_rows([4], split="test"),
        *_rows([5], split="validation", group="g"),
    ]
    assigned = splits.assign(rows, _NO_FOLDS, 0.1, 0.1)
    assert assigned == rows
    assert splits.crossing_groups(assigned) == ["g"]


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("audio/train/a.wav", "train"),
        ("audio/validate/x/a.wav", "validation"),
        ("Development_Set/Training_Set/BV/a.wav", "train"),
        ("Validation-set/a.wav", "validation"),
        ("train/Eval/a.wav", "test"),
        ("training data/a.wav", None),
        ("test.wav", None),
    ],
)
def test_folders_name_splits(path, expected):
    assert splits.of_folders(path) == expected


def test_a_group_alone_goes_where_its_hash_says():
    # `printf split:ab | sha256sum` begins at 0.55687 of the range.
    assert splits.train_or_validation("ab", 0.5569) == "validation"
    assert splits.train_or_validation("ab", 0.5568) == "train"
    assert splits.train_or_validation("ab", 0) == "train"
