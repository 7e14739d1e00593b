"""Arguments that are one of a few words."""


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
