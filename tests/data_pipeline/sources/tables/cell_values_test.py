"""Tests of what the tables of all sources have in common."""

import pytest
from hypothesis import given
from hypothesis import settings
from hypothesis import strategies

from data_pipeline.clips.clip import format_seconds
from data_pipeline.sources.tables import cell_values
from data_pipeline.sources.tables import table_file

# A busy machine is no fault of the code.
_PATIENT = settings(deadline=None, max_examples=50)

_NAMES = strategies.text(
    strategies.characters(exclude_characters=";", exclude_categories=["Cs"]),
    min_size=1,
).map(str.strip)


@_PATIENT
@given(strategies.lists(_NAMES.filter(bool), unique=True))
def test_labels_that_were_joined_are_parsed(names):
    assert cell_values.parse_labels(";".join(names)) == tuple(names)


@_PATIENT
@given(strategies.text())
def test_parsed_labels_are_clean_whatever_the_cell(text):
    names = cell_values.parse_labels(text)
    assert len(set(names)) == len(names)
    assert all(name and name == name.strip() for name in names)
    assert not any(";" in name for name in names)


@pytest.mark.parametrize(
    ("text", "expected"),
    [("30.000", 30.0), (" 2.5 ", 2.5), ("0", 0.0), ("1e2", 100.0)],
)
def test_times_are_numbers(text, expected):
    assert cell_values.parse_seconds(text) == expected


def test_a_negative_zero_is_zero():
    assert str(cell_values.parse_seconds("-0")) == "0.0"


@pytest.mark.parametrize("text", ["", "-1", "nan", "inf", "1e999", "1:30"])
def test_other_texts_are_no_times(text):
    assert cell_values.parse_seconds(text) is None


@pytest.mark.parametrize(
    ("seconds", "text"), [(30.0, "30"), (2.5, "2.5"), (0.0, "0")]
)
def test_times_are_written_shortly(seconds, text):
    assert format_seconds(seconds) == text


@_PATIENT
@given(strategies.floats(0, 1e9))
def test_a_written_time_is_the_same_time(seconds):
    assert cell_values.parse_seconds(format_seconds(seconds)) == seconds


def test_lines_are_counted_with_comments_and_line_breaks_in_cells(tmp_path):
    path = tmp_path / "table.csv"
    path.write_text('# has a "\n\na,b\n"c\nd",e\n# end\nf,g')
    assert list(table_file.read_cells(path, comment="#")) == [
        (3, ["a", "b"]),
        (5, ["c\nd", "e"]),
        (7, ["f", "g"]),
    ]


def test_without_comments_no_line_is_skipped(tmp_path):
    path = tmp_path / "table.csv"
    path.write_text("#1.wav,dog\n")
    assert list(table_file.read_cells(path)) == [(1, ["#1.wav", "dog"])]


def test_an_endless_cell_is_refused_with_its_line(tmp_path):
    path = tmp_path / "table.csv"
    path.write_text("a,b\n" + "c" * 200_000)
    with pytest.raises(ValueError, match="after line 2: not a CSV.*limit"):
        list(table_file.read_cells(path))
