"""Checks of arguments: one of several choices, a line of text."""

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
