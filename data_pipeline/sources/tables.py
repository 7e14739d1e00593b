"""CSV files as people and programs write them."""

import csv
import math
import pathlib
from collections import Counter
from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Sequence

from data_pipeline.clips import ClipRow
from data_pipeline.clips import SkippedRow

LABEL_SEPARATOR = ";"


def parse_labels(text: str, separator: str = LABEL_SEPARATOR) -> tuple:
    """Class names of a cell of a labels file.

    Args:
        text: str. Names with separators; blanks around them do not count.
        separator: str.

    Returns:
        tuple of str, each name once, in the order of the cell.
    """
    names = (name.strip() for name in text.split(separator))
    return tuple(dict.fromkeys(name for name in names if name))


def parse_integer(text: str, column: str, where: str) -> int:
    """The integer of a cell.

    Args:
        text: str.
        column: str. Named in the error.
        where: str. Likewise.

    Raises:
        ValueError: if it is none.
    """
    try:
        return int(text)
    except ValueError:
        raise ValueError(
            f"{where}: `{column}` must be an integer. Received: {text!r}"
        ) from None


def parse_seconds(text: str) -> float | None:
    """The time of a cell, or None if it is no finite number from 0 on."""
    try:
        seconds = float(text)
    except ValueError:
        return None
    # abs: for "-0".
    return abs(seconds) if 0 <= seconds < math.inf else None


def format_seconds(seconds: float) -> str:
    """Shortest text for a time, such as `30` or `2.5`."""
    return repr(seconds).removesuffix(".0")


def read_cells(
    path, comment: str | None = None, kind: str = "labels file"
) -> Iterator[tuple[int, list[str]]]:
    """Rows of a CSV file that are not empty.

    Args:
        path: path of a CSV file in UTF-8. Blanks before a cell do not count.
        comment: str or None. Lines that begin with it are left out.
        kind: str. What the file is, for the error.

    Yields:
        Tuples of the number of the line where the row ends, and its cells.

    Raises:
        ValueError: naming the line, if it is not such a file.
    """
    path = pathlib.Path(path)
    if not path.is_file():
        raise ValueError(f"There is no {kind} {path}.")
    # utf-8-sig: spreadsheets put a byte order mark before the first column.
    with open(path, encoding="utf-8-sig", newline="") as file:
        lines: Iterable[str] = file
        if comment is not None:
            # Emptied before the parser sees them, as a comment may hold
            # quotes; not dropped, so that lines are counted.
            lines = ("\n" if ln.startswith(comment) else ln for ln in file)
        # strict: a quote that is never closed would swallow the other rows.
        reader = csv.reader(lines, strict=True, skipinitialspace=True)
        try:
            for cells in reader:
                if cells:
                    yield reader.line_num, cells
        except (csv.Error, UnicodeDecodeError) as error:
            raise ValueError(
                f"{path}, after line {reader.line_num}: not a CSV file in "
                f"UTF-8 ({error}). Close every quote and save it as UTF-8."
            ) from error


def read_table(
    path, required: Sequence[str]
) -> Iterator[tuple[int, dict[str, str]]]:
    """Rows of a CSV file with a header.

    Args:
        path: path, as for `read_cells`.
        required: sequence of str. Columns that the header must name.

    Yields:
        Tuples of the line number and the dict from column to cell.

    Raises:
        ValueError: as in `read_cells`, or if a column is missing, a row has
            more or fewer cells than the header, or there are no rows.
    """
    rows = read_cells(path)
    _, header = next(rows, (0, []))
    columns = [name.strip() for name in header]
    missing = [name for name in required if name not in columns]
    if missing:
        raise ValueError(
            f"{path} must have a header line with the columns "
            f"{','.join(required)}. Missing: {missing}. Received: {columns}"
        )
    empty = True
    for line, cells in rows:
        empty = False
        if len(cells) != len(columns):
            raise ValueError(
                f"{path}, line {line}: expected {len(columns)} cells, as in "
                "the header; quote cells that hold commas. "
                f"Received: {cells}"
            )
        yield line, dict(zip(columns, cells))
    if empty:
        raise ValueError(f"{path} has a header but no rows.")


def check_distinct(rows: Iterable[ClipRow | SkippedRow], where) -> None:
    """Checks that no clip is there twice.

    Args:
        rows: iterable of ClipRow and SkippedRow.
        where: path of their table, for the error.

    Raises:
        ValueError: naming the clips.
    """
    ids = {}
    counts: Counter[tuple[str, float]] = Counter()
    for row in rows:
        if isinstance(row, ClipRow):
            place = row.path, row.start_seconds
            ids.setdefault(place, row.clip_id)
            counts[place] += 1
    repeated = sorted(ids[place] for place, n in counts.items() if n > 1)
    if repeated:
        raise ValueError(
            f"{where} must name every file once, with all its labels in one "
            f"row (separated by {LABEL_SEPARATOR!r}). Received several times: "
            f"{repeated[:5]} ({len(repeated)} files)"
        )
