"""Flags that commands of many steps have in common."""

from absl import flags

from ofa_aec_tf.command_flags import path_flags

# Flags then belong to the command that asks for them.
flags.disclaim_key_flags()


def define_workdir():
    """Defines --workdir, and returns it."""
    return path_flags.define_path(
        "workdir", None, "Where everything goes.", required=True
    )


def define_jobs():
    """Defines --jobs, and returns it."""
    return flags.DEFINE_integer(
        "jobs",
        1,
        "Steps to run at a time, each on its share of the cores. Small "
        "networks don't train faster on several; what steps print then goes to "
        "log.txt in their directories.",
        lower_bound=1,
    )


def distinct_numbers(flag) -> list[int]:
    """The whole numbers of a flag that is a list.

    Args:
        flag: what `flags.DEFINE_list` has returned.

    Raises:
        ValueError: for anything else, and for a number that is there twice.
    """
    try:
        numbers = [int(text) for text in flag.value]
    except ValueError:
        numbers = []
    if not numbers or min(numbers) < 0 or len(set(numbers)) < len(numbers):
        raise ValueError(
            f"--{flag.name} is a list of distinct whole numbers such as "
            f"0,1,2. Received: {','.join(flag.value)}"
        )
    return numbers
