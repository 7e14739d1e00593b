"""Tests of tables of classes."""

import collections

import pytest

from data_pipeline.sources.tables.label_names import LabelNames

_ENTRIES = [
    (2, ["1", "/m/05zppz", "Male speech, man speaking"]),
    (3, ["0", " /m/09x0r", "Speech "]),
    (4, ["10", "/t/dd00088", "Gush"]),
]


def _names(entries=_ENTRIES):
    return LabelNames(entries, "classes.csv")


def test_names_are_in_the_order_of_their_indices():
    assert _names().class_names == (
        "Speech",
        "Male speech, man speaking",
        "Gush",
    )


def test_identifiers_become_names_once():
    notes = collections.Counter()
    identifiers = ("/t/dd00088", "/m/09x0r", "/t/dd00088")
    assert _names().known(identifiers, notes) == ("Gush", "Speech")
    assert not notes


def test_rows_that_keep_some_of_their_labels_are_counted(caplog):
    names, notes = _names(), collections.Counter()
    assert names.known(("/m/x", "/m/09x0r", "/m/y"), notes) == ("Speech",)
    assert names.known(("/m/09x0r", "/m/x"), notes) == ("Speech",)
    assert notes == {"unknown_label": 2}
    assert names.known(("/m/x",), notes) == ()
    assert names.known((), notes) == ()
    assert notes == {"unknown_label": 2}
    # Each in one line, however many rows have it.
    assert caplog.text.count("label /m/x is not in classes.csv") == 1
    assert caplog.text.count("label /m/y is not in classes.csv") == 1


@pytest.mark.parametrize(
    ("entries", "message"),
    [
        ([], "classes.csv names no classes"),
        ([(1, ["index", "mid", "name"])], "line 1: `index` must be an integer"),
        ([(1, ["0", "/m/a"])], r"line 1: expected an index.*\['0', '/m/a'\]"),
        ([(1, ["0", " ", "a"])], "line 1: expected an index, an identifier"),
        ([(1, ["0", "/a", "a"]), (2, ["0", "/b", "b"])], "line 2: the index 0"),
        ([(1, ["0", "/a", "a"]), (2, ["1", "/a", "b"])], "2 times: '/a'"),
        ([(1, ["0", "/a", "a"]), (2, ["1", "/b", "a"])], "2 times: 'a'"),
        ([(1, ["0", "/a", "a"]), (2, ["1", "/b", "\u200ba"])], "2 times: 'a'"),
        ([(1, ["0", "/a", "a\nb"])], "line 1: a class name is a line of text"),
    ],
)
def test_broken_tables_are_refused(entries, message):
    with pytest.raises(ValueError, match=message):
        _names(entries)
