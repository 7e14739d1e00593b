"""What the cells of tables say."""

import math
import re

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
