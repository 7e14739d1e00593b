r"""Command: the paper's tables and figures, from one flagfile.

python -m ofa_aec_tf.reproduce --flagfile=flags/paper/esc10.cfg \
    --audio_dir=ESC10 --workdir=runs/paper/esc10

Runs what the experiments need, each thing once, and writes the report again
after everything that was measured. Run again after an interruption, it goes on
where it was.
"""

from ofa_aec_tf.command_flags import command_line
from ofa_aec_tf.command_flags import setting_flags
from ofa_aec_tf.experiments import reproduction

SETTINGS = setting_flags.define(reproduction.ReproductionSettings)


def main(unused_arguments):
    """Runs the command."""
    print(f"wrote {reproduction.run(SETTINGS.values())}")


if __name__ == "__main__":
    command_line.run(main)
