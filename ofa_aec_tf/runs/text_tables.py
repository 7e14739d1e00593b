"""Tables that commands print."""

from collections.abc import Iterable
from collections.abc import Sequence


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
