r"""Command: the whole way, from audio to evaluated `.tflite` files.

python -m ofa_aec_tf.pipeline --flags_dir=flags/quickstart \
    --workdir=runs/quickstart

Runs the other commands one after the other, each in a process of its own and
printed as it would be typed, with the flagfiles of one directory. Run again, it
goes on where it was: what is finished is kept, unless what it was made of has
changed.
"""

from ofa_aec_tf.command_flags import command_line
from ofa_aec_tf.command_flags import reading_flags
from ofa_aec_tf.command_flags import setting_flags
from ofa_aec_tf.experiments import pipeline_run

SETTINGS = setting_flags.define(pipeline_run.PipelineSettings)
_SKIP_CORRUPT = reading_flags.define_skip_corrupt()


def main(unused_arguments):
    """Runs the command."""
    pipeline_run.run(SETTINGS.values(skip_corrupt=_SKIP_CORRUPT.value))


if __name__ == "__main__":
    command_line.run(main)
