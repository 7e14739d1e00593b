"""Flags of every command that estimates batch normalization of subnets."""

from absl import flags

# Flags then belong to the command that asks for them, whose --help lists them.
flags.disclaim_key_flags()


def define_calibration(seed_help: str = "Seed of the calibration clips."):
    """Defines `--num_calibration_clips`, `--batch_size` and `--seed`.

    Args:
        seed_help: str. What the seed is for.

    Returns:
        Their absl FlagHolders of int, in this order.
    """
    return (
        flags.DEFINE_integer(
            "num_calibration_clips",
            256,
            "Training clips that estimate a subnet's batch normalization.",
            lower_bound=1,
        ),
        flags.DEFINE_integer("batch_size", 32, "Clips a step.", lower_bound=1),
        flags.DEFINE_integer(
            "seed", 0, seed_help, lower_bound=0, upper_bound=2**31 - 1
        ),
    )
