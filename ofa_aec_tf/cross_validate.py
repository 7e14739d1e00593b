r"""Command: networks over all folds of a data set, and what teaches what.

python -m ofa_aec_tf.cross_validate --flagfile=flags/esc10/folds.cfg \
    --audio_dir=ESC10 --workdir=runs/esc10/folds

Each fold tests what all others have trained. The report is written again after
everything that was measured. Run again after an interruption, it goes on where
it was.
"""

from ofa_aec_tf.command_flags import command_line
from ofa_aec_tf.command_flags import setting_flags
from ofa_aec_tf.experiments import cross_validation

SETTINGS = setting_flags.define(cross_validation.CrossValidationSettings)


def main(unused_arguments):
    """Runs the command."""
    print(f"wrote {cross_validation.run(SETTINGS.values())}")


if __name__ == "__main__":
    command_line.run(main)
