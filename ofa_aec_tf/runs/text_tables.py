"""Tables that commands print."""

from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Mapping
from collections.abc import Sequence

NO_VALUE = "-"


def aligned(rows: Iterable[Sequence]) -> str:
    """Lines of text, the first column to the left and the others to the right.

    Args:
        rows: iterable of sequences of one length, the cells as `str` shows
            them. The first may be the headers.
    """
    cells = [[str(cell) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*cells)]
    return "\n".join(
        "  ".join(
            cell.rjust(width) if column else cell.ljust(width)
            for column, (cell, width) in enumerate(zip(row, widths))
        ).rstrip()
        for row in cells
    )


def table(
    rows: Iterable[Mapping],
    columns: Sequence[tuple[str, str, str | Callable[..., str]]],
) -> str:
    """Aligned columns of values by name, with a dash where there is none.

    Args:
        rows: iterable of dicts.
        columns: sequence of tuples: a header, the key of its values, and their
            format as `format` takes it, or a function from a value to text.
    """
    cells = [[header for header, _, _ in columns]]
    for row in rows:
        values = [(row.get(key), form) for _, key, form in columns]
        cells.append([_text(value, form) for value, form in values])
    return aligned(cells)


def _text(value, form) -> str:
    if value is None:
        return NO_VALUE
    return form(value) if callable(form) else format(value, form)
