"""Annotation files: when events are heard in a recording.

They may be Raven's selection tables, Audacity's label files, those of
URBAN-SED, the tables of DCASE's few-shot task, and others with similar names of
columns.
"""

import csv
import dataclasses
import pathlib
import re
from collections.abc import Iterator
from collections.abc import Sequence

from data_pipeline.clips import class_names
from data_pipeline.clips.clip import SkippedRow
from data_pipeline.sources.tables import cell_values
from data_pipeline.sources.tables import column_names
from data_pipeline.sources.tables.table_file import name_key

SUFFIXES = (".txt", ".tsv", ".csv")

# Keys of names (`name_key`). The first that is found is used.
_BEGIN = ("begintimes", "starttime", *column_names.STARTS)
_END = ("endtimes", "endtime", *column_names.ENDS, "offset")
# Paths before names, which may not be unique.
_FILE = ("beginfile", "beginpath", "audiofilename", *column_names.FILES)
# Start in the file, if begin times count on from file to file.
_FILE_OFFSET = ("fileoffsets",)
_LABEL = (
    *("species", "annotation", "annotations", "label", "labels", "class"),
    *column_names.LABELS,
    *("calltype", "eventlabels"),
)
_POSITIVE, _NEGATIVE, _UNKNOWN = "pos", "neg", "unk"
_STATES = {_POSITIVE, _NEGATIVE, _UNKNOWN}
_SEPARATED = re.compile(r"\s*[,;]\s*|\s+")


@dataclasses.dataclass(frozen=True)
class Event:
    """A sound event.

    Args:
        filename: str or None. The recording, if the table names it.
        start_seconds: float. In the recording.
        end_seconds: float. Likewise; may equal the start.
        labels: tuple of str. Its classes.
        uncertain: bool. Whether it may be of other classes, too.
        where: str. File and line, for messages.
    """

    filename: str | None
    start_seconds: float
    end_seconds: float
    labels: tuple[str, ...]
    uncertain: bool
    where: str


def read_events(
    path: pathlib.Path, label_column: str | None = None
) -> list[Event | SkippedRow] | None:
    """Reads the events of an annotation file.

    Args:
        path: path of a text file.
        label_column: str or None. Column of the labels in tables with a header;
            by default one with a usual name.

    Returns:
        list of Event, and of SkippedRow with the code `bad_segment` for rows
        with invalid times; None if it is not an annotation file. An empty file
        has no events.

    Raises:
        ValueError: if there is no column of labels.
    """
    lines = [
        (number, line)
        for number, line in enumerate(_text(path).splitlines(), 1)
        # After a backslash, Audacity writes frequencies of the event above.
        if line.strip() and not line.startswith("\\")
    ]
    if not lines:
        return []
    (_, header), *rest = lines
    table = _Table.of_header(path, header)
    if table is not None:
        return list(table.events(rest, label_column))
    if _seconds(_cells(header)[0]) is None:
        return None
    return [_of_cells(path, number, _cells(line)) for number, line in lines]


def _text(path: pathlib.Path) -> str:
    content = path.read_bytes()
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        return content.decode("utf-16", errors="replace")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        # Of Windows and older programs. Every byte is a character.
        return content.decode("latin-1")


def _seconds(text: str) -> float | None:
    # There may be a decimal comma.
    return cell_values.parse_seconds(text.strip().replace(",", "."))


def _cells(line: str) -> list[str]:
    """Begin, end and label of a line without a header."""
    if "\t" in line:
        cells = line.split("\t", 2)
    else:
        cells = _SEPARATED.split(line.strip(), 2)
    return [*cells, "", ""][:3]


def _of_cells(path, number, cells) -> Event | SkippedRow:
    begin, end, label = cells
    return _event(f"{path}, line {number}", path, None, begin, end, label)


def _event(
    where, path, filename, begin, end, label, offset=None, uncertain=False
) -> Event | SkippedRow:
    start_seconds, end_seconds = _seconds(begin), _seconds(end)
    if (
        start_seconds is None
        or end_seconds is None
        or end_seconds < start_seconds
    ):
        return SkippedRow(
            where,
            filename or path.name,
            "bad_segment",
            f"{where}: an event needs 0 <= begin <= end. Received: {begin!r} "
            f"and {end!r}",
        )
    if offset is not None:
        end_seconds += offset - start_seconds
        start_seconds = offset
    names = (
        class_names.clean(name, where)
        for name in cell_values.parse_labels(label)
    )
    labels = tuple(dict.fromkeys(name for name in names if name))
    return Event(
        filename,
        start_seconds,
        end_seconds,
        labels,
        # Without a name it may be anything.
        uncertain or not labels,
        where,
    )


@dataclasses.dataclass(frozen=True)
class _Table:
    """A table with a header."""

    path: pathlib.Path
    delimiter: str
    columns: tuple[str, ...]

    @classmethod
    def of_header(cls, path, line: str) -> "_Table | None":
        """Makes the table, or None if the header has no begin and end."""
        delimiter = next((d for d in "\t;" if d in line), ",")
        columns = tuple(cell.strip() for cell in _split(line, delimiter))
        table = cls(path, delimiter, columns)
        if table._find(_BEGIN) is None or table._find(_END) is None:
            return None
        return table

    def _find(self, names: Sequence[str]) -> int | None:
        """Index of the first of these columns, by keys of names."""
        keys = [name_key(column) for column in self.columns]
        return next((keys.index(name) for name in names if name in keys), None)

    def events(
        self, lines: Sequence[tuple[int, str]], label_column: str | None
    ) -> Iterator[Event | SkippedRow]:
        """The events of the lines after the header."""
        rows = []
        for number, line in lines:
            cells = [cell.strip() for cell in _split(line, self.delimiter)]
            cells += [""] * (len(self.columns) - len(cells))
            if any(cells):
                rows.append((f"{self.path}, line {number}", cells))
        states = self._state_columns([cells for _, cells in rows])
        label = None
        if rows and (label_column or not states):
            label = self._label(label_column)
        for where, cells in rows:
            if label is not None:
                yield self._event(where, cells, cells[label])
            else:
                yield from self._of_states(where, cells, states)

    def _label(self, label_column: str | None) -> int:
        names = _LABEL if label_column is None else (name_key(label_column),)
        label = self._find(names)
        if label is None:
            raise ValueError(
                f"{self.path} has no column of labels"
                f"{f' {label_column}' if label_column else ''}. Received: "
                f"{list(self.columns)}. Name one with "
                "--annotation_label_column."
            )
        return label

    def _state_columns(self, rows: Sequence[Sequence[str]]) -> list[int]:
        """Columns with POS, NEG or UNK in every row, one for each class."""
        return [
            number
            for number in range(len(self.columns))
            if rows and all(cells[number].lower() in _STATES for cells in rows)
        ]

    def _of_states(
        self, where, cells, states: Sequence[int]
    ) -> Iterator[Event | SkippedRow]:
        by_state: dict[str, list[str]] = {state: [] for state in _STATES}
        for number in states:
            by_state[cells[number].lower()].append(self.columns[number])
        if by_state[_POSITIVE] or by_state[_UNKNOWN]:
            yield self._event(
                where,
                cells,
                cell_values.LABEL_SEPARATOR.join(by_state[_POSITIVE]),
                bool(by_state[_UNKNOWN]),
            )

    def _event(
        self, where, cells, label: str, uncertain: bool = False
    ) -> Event | SkippedRow:
        def cell(names):
            number = self._find(names)
            return None if number is None else cells[number]

        filename = cell(_FILE) or None
        if filename and not any((cell(_BEGIN), cell(_END), label)):
            # Nothing is heard in this recording.
            return Event(filename, 0.0, 0.0, (), False, where)
        offset = cell(_FILE_OFFSET)
        return _event(
            where,
            self.path,
            filename,
            cell(_BEGIN),
            cell(_END),
            label,
            _seconds(offset) if offset else None,
            uncertain,
        )


def _split(line: str, delimiter: str) -> list[str]:
    # Raven does not quote, so that a quote may be a sign for inches.
    quoting = csv.QUOTE_NONE if delimiter == "\t" else csv.QUOTE_MINIMAL
    return next(csv.reader([line], delimiter=delimiter, quoting=quoting), [])
