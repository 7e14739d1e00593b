"""Checks of arguments: one of a few words, a number within bounds."""

import dataclasses
import math


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
