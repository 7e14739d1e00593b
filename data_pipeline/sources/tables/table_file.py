"""Reads tables: encodings, delimiters, headers and rows."""

import codecs
import csv
import pathlib
import re
import unicodedata
from collections import Counter
from collections.abc import Collection
from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Sequence
from typing import NamedTuple

from data_pipeline.sources.tables import cell_values

COMMENT = "#"
DELIMITERS = {"comma": ",", "semicolon": ";", "tab": "\t", "bar": "|"}

# UTF-32 first, because its mark begins with that of UTF-16.
_MARKS = {
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
    codecs.BOM_UTF8: "utf-8-sig",
}
# Enough to tell delimiters apart.
_SAMPLE_CHARACTERS = 2**16
_SAMPLE_ROWS = 100
# The first line of some of Excel's files.
_DELIMITER_LINE = re.compile(r"sep=(.)\s*")


class Table(NamedTuple):
    """An open table.

    Args:
        header: list of str. Its first row.
        line: int. Of the header.
        rows: iterator of the other rows, also empty ones, as tuples of the
            number of the line where the row ends, and its cells.
        delimiter: str.
        has_names: bool. Whether the first row has a known name of a column, so
            that it is a header.
    """

    header: list[str]
    line: int
    rows: Iterator[tuple[int, list[str]]]
    delimiter: str
    has_names: bool


def name_key(name: str) -> str:
    """Normalizes the spelling of a column's name."""
    folded = unicodedata.normalize("NFKC", name).casefold()
    return "".join(c for c in folded if c.isalnum())


def _encoding(path: pathlib.Path, kind: str) -> str:
    if not path.is_file():
        raise ValueError(f"There is no {kind} {path}.")
    with open(path, "rb") as file:
        head = file.read(1024)
    for mark, encoding in _MARKS.items():
        if head.startswith(mark):
            return encoding
    if head.startswith(b"PK\3\4"):
        raise ValueError(
            f"The {kind} {path} is a spreadsheet or another archive. Save it "
            "as CSV in UTF-8."
        )
    # Latin letters in UTF-16, which are valid UTF-8 with zeros.
    if head.count(0) * 4 > len(head):
        raise ValueError(
            f"The {kind} {path} looks like UTF-16 or UTF-32 without a byte "
            "order mark. Save it as UTF-8."
        )
    return "utf-8"


def _without_comments(lines, comment):
    """Lines, with empty ones in the place of comments outside of quotes."""
    is_quoted = False
    for line in lines:
        if not is_quoted and line.startswith(comment):
            yield "\n"
            continue
        is_quoted ^= line.count('"') % 2 == 1
        yield line


def read_cells(
    path,
    comment: str | None = None,
    kind: str = "labels file",
    delimiter: str = ",",
    num_comment_lines: int = 0,
) -> Iterator[tuple[int, list[str]]]:
    """Reads the rows of a table that are not empty lines.

    Args:
        path: path of a CSV file in UTF-8, or in UTF-16 with a byte order mark.
            Blanks before a cell are ignored.
        comment: str or None. Start of lines to leave out.
        kind: str. What the file is, for the error.
        delimiter: str of one character.
        num_comment_lines: int. Number of lines to leave out at the beginning.

    Yields:
        Tuples of the number of the line where the row ends, and its cells.

    Raises:
        ValueError: naming the line, if the file is malformed.
    """
    path = pathlib.Path(path)
    encoding = _encoding(path, kind)
    with open(path, encoding=encoding, newline="") as file:
        # Comments are emptied before parsing, because they may hold quotes, but
        # not dropped, so that line numbers stay right.
        lines: Iterable[str] = (
            "\n" if number < num_comment_lines else line
            for number, line in enumerate(file)
        )
        if comment is not None:
            lines = _without_comments(lines, comment)
        reader = _reader(lines, delimiter)
        try:
            for cells in reader:
                if cells:
                    yield reader.line_num, cells
        except csv.Error as error:
            raise ValueError(
                f"{path}, after line {reader.line_num}: not a CSV file "
                f"({error}). Close every quote."
            ) from error
        except UnicodeDecodeError as error:
            name = encoding.removesuffix("-sig").upper()
            hint = (
                "it may be in Windows-1252 or Latin-1; save it as UTF-8"
                if name == "UTF-8"
                else "save it as UTF-8"
            )
            raise ValueError(
                f"{path}, line {_line_of(path, encoding)}: not a text in "
                f"{name} ({error.reason}): {hint}."
            ) from error


def _line_of(path: pathlib.Path, encoding: str) -> int:
    """Number of the first line that cannot be decoded."""
    content = path.read_bytes()
    try:
        content.decode(encoding)
    except UnicodeDecodeError as error:
        content = content[: error.start]
    return content.count(b"\n") + 1


def _reader(lines: Iterable[str], delimiter: str):
    # strict, because a quote without an end would swallow all other rows.
    return csv.reader(
        lines, strict=True, skipinitialspace=True, delimiter=delimiter
    )


def delimiter_of(text: str) -> str:
    """Returns the delimiter that a flag names.

    Args:
        text: str. The character, or its name in `DELIMITERS`.

    Raises:
        ValueError: if it cannot be a delimiter.
    """
    delimiter = DELIMITERS.get(text.lower(), text.replace("\\t", "\t"))
    if len(delimiter) != 1 or delimiter in '"\r\n':
        raise ValueError(
            f"--delimiter is one of {', '.join(DELIMITERS)}, or a character. "
            f"Received: {text!r}"
        )
    return delimiter


def read_header(
    path, known: Collection[str], delimiter: str | None = None
) -> Table:
    """Opens a table, and finds its delimiter.

    Args:
        path: path, as for `read_cells`.
        known: collection of str. Keys of known names of columns, which help to
            find the delimiter.
        delimiter: str of one character; by default it is found.

    Returns:
        Table. The delimiter of a single column is a comma. Comments before the
        header, which begin with `#`, are left out.

    Raises:
        ValueError: as in `read_cells`; or if the file is empty, or several
            delimiters fit.
    """
    sample = _sample(path)
    num_comment_lines = _num_comment_lines(sample, known)
    sample = sample[num_comment_lines:]
    marked = _DELIMITER_LINE.fullmatch(sample[0]) if sample else None
    if not delimiter:
        delimiter = (
            marked[1] if marked else _find_delimiter(sample, path, known)
        )
    rows = read_cells(
        path, delimiter=delimiter, num_comment_lines=num_comment_lines
    )
    if marked:
        next(rows)
    for line, header in rows:
        header = [cell.strip() for cell in header]
        if any(header):
            has_names = any(name_key(cell) in known for cell in header)
            return Table(header, line, rows, delimiter, has_names)
    raise ValueError(f"The labels file {path} is empty. Expected a header.")


def _sample(path) -> list[str]:
    """Reads lines from the beginning, with marks for undecodable bytes."""
    path = pathlib.Path(path)
    encoding = _encoding(path, "labels file")
    with open(path, encoding=encoding, errors="replace", newline="") as file:
        return file.readlines(_SAMPLE_CHARACTERS)


def _num_comment_lines(lines: list[str], known: Collection[str]) -> int:
    """Counts lines before the header, which start with `#`."""
    for number, line in enumerate(lines):
        cells = re.split("[,;|\t]", line)
        if line.strip() and not (
            line.startswith(COMMENT)
            and all(name_key(cell) not in known for cell in cells)
        ):
            return number
    return 0


def _find_delimiter(lines: list[str], path, known: Collection[str]) -> str:
    fits: dict[tuple[int, float], list[str]] = {}
    for name, delimiter in DELIMITERS.items():
        rows = []
        try:
            for cells in _reader(lines, delimiter):
                if any(cell.strip() for cell in cells):
                    rows.append(cells)
                if len(rows) == _SAMPLE_ROWS:
                    break
        except csv.Error:
            # Reported with its line later, if no other delimiter fits.
            pass
        if not rows or len(rows[0]) < 2:
            continue
        num_known = sum(name_key(cell) in known for cell in rows[0])
        width = len(rows[0])
        share = sum(len(cells) == width for cells in rows) / len(rows)
        fits.setdefault((num_known, share), []).append(name)
    if not fits:
        return ","
    best = fits[max(fits)]
    if len(best) > 1:
        raise ValueError(
            f"{path}: its cells may be separated by {' or '.join(best)} "
            f"(tried: {', '.join(DELIMITERS)}). Name one with --delimiter. "
            f"Received: {lines[0]!r}"
        )
    return DELIMITERS[best[0]]


def read_table(
    path, required: Sequence[str]
) -> Iterator[tuple[int, dict[str, str]]]:
    """Reads a table with a header.

    Args:
        path: path, as for `read_cells`.
        required: sequence of str. Columns that the header must name; their case
            does not matter.

    Yields:
        Tuples of the line number and the dict from column to cell. Columns are
        named as in `required`, other columns as in the header. Empty rows are
        left out.

    Raises:
        ValueError: as in `read_cells`, or if a column is missing, a row has
            more or fewer cells than the header, or there are no rows.
    """
    key = name_key
    name_of = {key(name): name for name in required}
    table = read_header(path, name_of)
    columns = [name_of.get(key(name), name) for name in table.header]
    missing = [name for name in required if name not in columns]
    if missing:
        raise ValueError(
            f"{path} must have a header line with the columns "
            f"{','.join(required)}. Missing: {missing}. Received: {columns}"
        )
    for line, cells in full_rows(path, table):
        yield line, dict(zip(columns, cells))


def full_rows(
    path, table: Table, notes: Counter[str] | None = None
) -> Iterator[tuple[int, list[str]]]:
    """Reads rows, which must have as many cells as the header.

    Args:
        path: path of the table, for errors.
        table: Table. Its rows are consumed.
        notes: Counter or None. Counts rows that are left out: `blank_row`,
            `comment_row` (starts with `#` and does not fit the header) and
            `repeated_header` (of tables that were concatenated).

    Yields:
        Tuples of the line number and the cells, without blanks around them.

    Raises:
        ValueError: if a row has more or fewer cells than the header, or there
            are no rows.
    """
    empty = True
    width = len(table.header)
    notes = Counter() if notes is None else notes
    for line, cells in table.rows:
        cells = [cell.strip() for cell in cells]
        # Spreadsheets add empty cells at the end.
        while len(cells) > width and not cells[-1]:
            cells.pop()
        if all(map(cell_values.is_empty, cells)):
            notes["blank_row"] += 1
            continue
        if len(cells) != width and cells[0].startswith(COMMENT):
            notes["comment_row"] += 1
            continue
        if cells == table.header and table.has_names:
            notes["repeated_header"] += 1
            continue
        empty = False
        if len(cells) != width:
            raise ValueError(
                f"{path}, line {line}: expected {width} cells, as in the "
                f"header, line {table.line}: {table.header}; quote cells that "
                f"hold {table.delimiter!r}. Received: {cells}"
            )
        yield line, cells
    if empty:
        raise ValueError(f"{path} has a header but no rows.")
