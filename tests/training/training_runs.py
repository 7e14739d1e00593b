"""Runs of `train` that take seconds, as a user starts them."""

from tests import commands

SMALL = (
    "--channels=6,8,10,12",
    "--hidden_units=16",
    "--batch_size=8",
    "--num_steps=12",
    "--steps_per_epoch=4",
    "--precision=float32",
    "--num_calibration_clips=16",
    "--mixup_alpha=1",
)

# One step: for what needs a model, whatever it has learned.
TINY = (
    "--channels=6,8,10,12",
    "--hidden_units=16",
    "--batch_size=4",
    "--num_steps=1",
    "--steps_per_epoch=1",
    "--precision=float32",
    "--num_calibration_clips=4",
)


def run(*arguments):
    return commands.run("ofa_aec_tf.train", *arguments)


def check_error(result, *parts):
    """A run that had begun, and said so, ends in one line of error."""
    assert result.returncode == 2, result.stderr
    assert "Traceback" not in result.stderr
    lines = result.stderr.strip().splitlines()
    assert [line for line in lines if line.startswith("error: ")] == lines[-1:]
    for part in parts:
        assert part in lines[-1]


def check_one_line_error(result, *parts):
    assert result.returncode == 2, result.stderr
    lines = result.stderr.strip().splitlines()
    assert len(lines) == 1, result.stderr
    assert lines[0].startswith("error: ")
    for part in parts:
        assert part in lines[0]
