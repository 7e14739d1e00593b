"""Values of the cells of tables."""

import math
import re

LABEL_SEPARATOR = ";"

_INTEGER = re.compile(r"([+-]?[0-9]{1,18})(\.0*)?")


def is_empty(cell: str) -> bool:
    """Whether a cell has no value, also as pandas and R write it."""
    return cell.casefold() in (
        *("", "nan", "<na>", "na", "n/a", "#n/a", "none", "null"),
    )


def parse_labels(text: str, separator: str = LABEL_SEPARATOR) -> tuple:
    """Parses the class names of a cell.

    Args:
        text: str. Names with separators; blanks around them are ignored.
        separator: str.

    Returns:
        tuple of str, each name once, in the order of the cell.
    """
    names = (name.strip() for name in text.split(separator))
    return tuple(dict.fromkeys(name for name in names if name))


def parse_integer(text: str, column: str, where: str) -> int:
    """Parses an integer.

    Args:
        text: str, such as `3`, or `3.0` from a column with empty cells.
        column: str. Named in the error.
        where: str. Likewise.

    Raises:
        ValueError: if it is not an integer.
    """
    match = _INTEGER.fullmatch(text.strip())
    if not match:
        raise ValueError(
            f"{where}: `{column}` must be an integer. Received: {text!r}"
        )
    return int(match[1])


def parse_seconds(text: str) -> float | None:
    """Parses a time; None if it is not a finite number from 0 on."""
    try:
        seconds = float(text)
    except ValueError:
        return None
    # abs: for "-0".
    return abs(seconds) if 0 <= seconds < math.inf else None
