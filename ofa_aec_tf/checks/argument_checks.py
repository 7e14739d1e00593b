"""Checks of arguments: a word of a few, a number in bounds, a line of text."""

import dataclasses
import math
import unicodedata

# Controls, line and paragraph separators, halves of characters.
_NOT_IN_LINES = ("Cc", "Zl", "Zp", "Cs")


def check_choice(name, value, choices):
    """Returns a value that is one of those allowed.

    Args:
        name: str. The argument, as the message names it.
        value: what was given.
        choices: sequence of what is allowed.

    Returns:
        `value`.

    Raises:
        ValueError: if it is none of `choices`.
    """
    if value not in choices:
        raise ValueError(
            f"`{name}` must be one of {choices}. Received: {name}={value!r}"
        )
    return value


def check_is_finite(values):
    """Refuses NaN and infinity, which no comparison with a bound finds.

    Args:
        values: dataclass.

    Raises:
        ValueError: naming the first field that holds one.
    """
    for field in dataclasses.fields(values):
        value = getattr(values, field.name)
        if isinstance(value, float) and not math.isfinite(value):
            raise ValueError(
                f"`{field.name}` must be a finite number. "
                f"Received: {field.name}={value}"
            )


def check_at_least(values, smallest):
    """Refuses numbers that are too small.

    Args:
        values: object with the numbers as attributes.
        smallest: dict from names of attributes to the least they may be.

    Raises:
        ValueError: naming the first that is smaller.
    """
    for name, bound in smallest.items():
        if getattr(values, name) < bound:
            raise ValueError(
                f"`{name}` must be at least {bound}. "
                f"Received: {name}={getattr(values, name)}"
            )


def check_below_one(values, *names):
    """Refuses shares and rates that are not in [0, 1).

    Args:
        values: object with the numbers as attributes.
        *names: str, of the attributes.

    Raises:
        ValueError: naming the first that is not.
    """
    for name in names:
        if not 0 <= getattr(values, name) < 1:
            raise ValueError(
                f"`{name}` must be in [0, 1). "
                f"Received: {name}={getattr(values, name)}"
            )


def is_line(text):
    """Whether a text can be a line of a file: not empty, without controls."""
    return bool(text) and not any(
        unicodedata.category(character) in _NOT_IN_LINES for character in text
    )


def check_class_names(names):
    """Refuses names that cannot be lines of `labels.txt`.

    Args:
        names: iterable of str.

    Raises:
        ValueError: naming them.
    """
    broken = [name for name in names if not is_line(name)]
    if broken:
        raise ValueError(
            "A class name is a line of text, without line breaks and control "
            f"characters. Received: {broken[:5]}. Rename these classes."
        )
