"""Flags of every command that reads a preprocessed data set."""

from absl import flags

# So that the flags belong to the command, whose --help lists them.
flags.disclaim_key_flags()


def define_skip_corrupt():
    """Defines `--skip_corrupt`.

    Returns:
        The absl FlagHolder of a bool.
    """
    return flags.DEFINE_bool(
        "skip_corrupt",
        False,
        "Skip damaged records and report how many, instead of ending with an "
        "error at the first. All records of a split are read once to find "
        "them.",
    )
