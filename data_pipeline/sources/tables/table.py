"""Tables of clips, and what their cells say."""

import math
import re
from collections import Counter
from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Sequence

from data_pipeline.clips.clip import ClipRow
from data_pipeline.clips.clip import SkippedRow
from data_pipeline.sources.tables import table_file
from data_pipeline.sources.tables.table_file import Table
from data_pipeline.sources.tables.table_file import read_cells as read_cells

LABEL_SEPARATOR = ";"

_INTEGER = re.compile(r"([+-]?[0-9]{1,18})(\.0*)?")


def is_empty(cell: str) -> bool:
    """Whether a cell says nothing, also in the words of pandas and R."""
    return cell.casefold() in (
        *("", "nan", "<na>", "na", "n/a", "#n/a", "none", "null"),
    )


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
        text: str, such as `3`, or `3.0` as of a column with gaps.
        column: str. Named in the error.
        where: str. Likewise.

    Raises:
        ValueError: if it is none.
    """
    match = _INTEGER.fullmatch(text.strip())
    if not match:
        raise ValueError(
            f"{where}: `{column}` must be an integer. Received: {text!r}"
        )
    return int(match[1])


def parse_seconds(text: str) -> float | None:
    """The time of a cell, or None if it is no finite number from 0 on."""
    try:
        seconds = float(text)
    except ValueError:
        return None
    # abs: for "-0".
    return abs(seconds) if 0 <= seconds < math.inf else None


def read_table(
    path, required: Sequence[str]
) -> Iterator[tuple[int, dict[str, str]]]:
    """Rows of a table with a header.

    Args:
        path: path, as for `read_cells`.
        required: sequence of str. Columns that the header must name, in any
            case.

    Yields:
        Tuples of the line number and the dict from column to cell; columns
        are called as in `required`, the others as in the header. Rows without
        any content are left out.

    Raises:
        ValueError: as in `read_cells`, or if a column is missing, a row has
            more or fewer cells than the header, or there are no rows.
    """
    key = table_file.name_key
    name_of = {key(name): name for name in required}
    table = table_file.read_header(path, name_of)
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
    """Rows of a table that have as many cells as its header.

    Args:
        path: path of the table, for errors.
        table: Table. Its rows are used up.
        notes: Counter or None. `blank_row` is counted there for a row without
            any content, `comment_row` for one that begins with `#` and has
            other cells, and `repeated_header` for the header once more, as of
            tables that were joined; all of them are left out.

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
        # Spreadsheets end rows with them.
        while len(cells) > width and not cells[-1]:
            cells.pop()
        if all(map(is_empty, cells)):
            notes["blank_row"] += 1
            continue
        if len(cells) != width and cells[0].startswith(table_file.COMMENT):
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
