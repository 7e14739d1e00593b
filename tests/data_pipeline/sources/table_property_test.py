"""A thousand tables: what was written is read, or refused in one line."""

import csv
import io
import unicodedata

import pytest
from hypothesis import HealthCheck
from hypothesis import given
from hypothesis import settings
from hypothesis import strategies

from data_pipeline.clips.clip import ClipRow
from data_pipeline.clips.clip import SkippedRow
from data_pipeline.sources.csv_file import CsvSettings

_SETTINGS = settings(
    deadline=None,
    max_examples=500,
    # A table is large beside what hypothesis is used to.
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)

_FILES = ("a.wav", "deep/b.flac", "Grünspecht 1.ogg", "c, d; e.mp3", "7.wav")
_CLASSES = ("dog", "wild cat", "Grünspecht", 'a "quoted" one', "Speech, male")
_DELIMITERS = (",", ";", "\t", "|")
_LINE_ENDS = ("\n", "\r\n", "\r")
_ENCODINGS = ("utf-8", "utf-8-sig", "utf-16", "utf-16-be", "utf-32")
_FORMS = ("NFC", "NFD")


@pytest.fixture(scope="module")
def directory(tmp_path_factory):
    path = tmp_path_factory.mktemp("audio")
    for name in _FILES:
        (path / name).parent.mkdir(exist_ok=True)
        (path / name).touch()
    return path


def _written(rows, delimiter, line_end, encoding, quoting=csv.QUOTE_MINIMAL):
    text = io.StringIO(newline="")
    csv.writer(
        text, delimiter=delimiter, lineterminator=line_end, quoting=quoting
    ).writerows(rows)
    # Those two only with a mark of which one it is.
    mark = "\ufeff" if encoding == "utf-16-be" else ""
    return (mark + text.getvalue()).encode(encoding, "surrogatepass")


def _read(directory, content):
    table = directory.parent / "table.csv"
    table.write_bytes(content)
    return CsvSettings(audio_dir=directory, labels_csv=table).open()


_BLANK = strategies.sampled_from(("", " ", "  "))
_ROW = strategies.tuples(
    strategies.sampled_from(_FILES),
    strategies.sampled_from(_FORMS),
    strategies.lists(strategies.sampled_from(_CLASSES), unique=True),
    strategies.sampled_from(_FORMS),
)


@_SETTINGS
@given(
    rows=strategies.lists(_ROW, min_size=1, max_size=8),
    header=strategies.tuples(
        strategies.sampled_from(("filename", "File Name", "fname", "PATH")),
        strategies.sampled_from(("labels", " Label", "category", "Class")),
        strategies.sampled_from(("Split", "subset", "partition ")),
        strategies.sampled_from(("", "note", "length", "Größe")),
    ),
    order=strategies.permutations(range(4)),
    blanks=strategies.lists(strategies.integers(1, 9), max_size=3),
    pad=_BLANK,
    written_as=strategies.tuples(
        strategies.sampled_from(_DELIMITERS),
        strategies.sampled_from(_LINE_ENDS),
        strategies.sampled_from(_ENCODINGS),
        strategies.sampled_from((csv.QUOTE_MINIMAL, csv.QUOTE_ALL)),
    ),
)
def test_what_was_written_is_read(
    directory, rows, header, order, blanks, pad, written_as
):
    table = [[header[i] for i in order]]
    expected = {}
    for file, form, labels, form_of_labels in rows:
        cells = (
            unicodedata.normalize(form, file),
            pad + unicodedata.normalize(form_of_labels, "; ".join(labels)),
            "Val" + pad,
            "x",
        )
        table.append([cells[i] for i in order])
        expected.setdefault(file, {}).update(dict.fromkeys(labels))
    for place in blanks:
        table.insert(place, ["", pad, "", ""])
    source = _read(directory, _written(table, *written_as))
    found = {row.path: row for row in source.rows}
    assert {path: (row.labels, row.split) for path, row in found.items()} == {
        str(directory / file): (tuple(labels), "validation")
        for file, labels in expected.items()
    }
    num_rows = len(rows) - len(expected)
    notes = source.notes
    assert notes["united_labels"] + notes["repeated_row"] == num_rows
    assert notes["blank_row"] == len(blanks)
    assert source.unused_columns == (
        header[3] or f"column {order.index(3) + 1}",
    )


_NAMES = strategies.one_of(
    strategies.sampled_from(
        ("filename", "labels", "Fold", "split", "start", "end_seconds", "dog")
    ),
    strategies.text(max_size=5),
)
_HEADERS = strategies.one_of(
    strategies.lists(_NAMES, min_size=1, max_size=6),
    *[
        strategies.lists(names, max_size=4, unique=True).map(
            lambda others: ["filename", "labels", *others]
        )
        for names in (
            strategies.sampled_from(("fold", "split", "start", "end_seconds")),
            strategies.sampled_from(("group", "subset", "note", "dog", "")),
        )
    ],
)
_CELLS = strategies.one_of(
    strategies.sampled_from(("", "nan", "0", "1", "1.0", "train", "-1", "[]")),
    strategies.sampled_from((*_FILES, *_CLASSES, "../x", "/x", "a\\b", "7")),
    strategies.text(max_size=8),
)


@_SETTINGS
@given(
    header=_HEADERS,
    rows=strategies.lists(
        strategies.lists(_CELLS, min_size=1, max_size=6),
        min_size=1,
        max_size=6,
    ),
    is_even=strategies.sampled_from((True, True, True, False)),
    delimiter=strategies.sampled_from((*_DELIMITERS, *_DELIMITERS, ":", " ")),
    line_end=strategies.sampled_from(_LINE_ENDS),
    encoding=strategies.sampled_from((*_ENCODINGS, "utf-16-le", "utf-7")),
    num_lost=strategies.sampled_from((0,) * 9 + (1, 5)),
    noise=strategies.binary(max_size=3),
)
def test_any_table_is_read_or_refused_in_one_line(
    directory,
    header,
    rows,
    is_even,
    delimiter,
    line_end,
    encoding,
    num_lost,
    noise,
):
    if is_even:
        rows = [(row + [""] * len(header))[: len(header)] for row in rows]
    content = _written([header, *rows], delimiter, line_end, encoding)
    content = content[: len(content) - num_lost]
    if num_lost:
        content += noise
    try:
        found = list(_read(directory, content).rows)
    except ValueError as error:
        assert len(str(error).splitlines()) == 1
        return
    assert found
    for row in found:
        assert isinstance(row, (ClipRow, SkippedRow))
        assert row.split in (None, "train", "validation", "test")
        assert all(label and label.strip() == label for label in row.labels)
        if isinstance(row, ClipRow):
            assert row.path.startswith(f"{directory}/")
            assert row.start_seconds >= 0
            assert row.end_seconds is None or (
                row.end_seconds > row.start_seconds
            )
