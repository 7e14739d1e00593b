"""What values of JSON files are: anyone may have written or damaged them."""

import math
import pathlib
from collections.abc import Callable
from collections.abc import Mapping

# An hour: above that no window fits into memory.
_MAX_CLIP_SECONDS = 3600
# Of bytes, records, samples; more is no number of a file.
_MAX_COUNT = 2**53
_NO_NAMES = ("", ".", "..")


def is_number(value) -> bool:
    """Whether it is a finite number, and no bool."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    try:
        return math.isfinite(float(value))
    except OverflowError:
        return False


def is_numbers(value) -> bool:
    """Whether it is a sequence of finite numbers."""
    return isinstance(value, list | tuple) and all(map(is_number, value))


def is_count(value) -> bool:
    """Whether it is an int that counts something."""
    return type(value) is int and 0 <= value <= _MAX_COUNT


def is_counts(value) -> bool:
    """Whether it is a sequence of such."""
    return isinstance(value, list | tuple) and all(map(is_count, value))


def is_mapping(value) -> bool:
    """Whether it is an object of JSON."""
    return isinstance(value, Mapping)


def is_names(value) -> bool:
    """Whether it is a sequence of str."""
    return isinstance(value, list | tuple) and all(
        isinstance(name, str) for name in value
    )


def is_clip_seconds(value) -> bool:
    """Whether it is the length of a clip."""
    return is_number(value) and 0 < value <= _MAX_CLIP_SECONDS


def is_file_name(value) -> bool:
    """Whether it names a file of the directory that the JSON file is in."""
    return (
        isinstance(value, str)
        and "\0" not in value
        and value not in _NO_NAMES
        and pathlib.PurePath(value).name == value
    )


def check(values, kinds: Mapping[str, Callable], place: str) -> None:
    """Refuses an object that lacks a key, or has something else there.

    Args:
        values: what should be an object.
        kinds: dict from keys to functions that say whether a value is right.
        place: str. Where it is in its file, before the name of a key.

    Raises:
        ValueError: naming the first that is wrong.
    """
    if not isinstance(values, Mapping):
        raise ValueError(
            f"`{place.rstrip('.')}` is no object, but {shortened(values)}"
        )
    for key, is_right in kinds.items():
        if key not in values:
            raise ValueError(f"`{place}{key}` is missing")
        if not is_right(values[key]):
            raise ValueError(
                f"`{place}{key}` is of another kind: {shortened(values[key])}"
            )


def shortened(value) -> str:
    """A value as a message names it."""
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:80]}…"
