"""Times the teacher, CNN10 in inference, as distillation runs it.

python benchmarks/teacher_forward.py --dtype=bfloat16 --batch=8 --frames=501

The last line is a JSON object with the speed, the peak memory and the part of
the machine's matrix product peak that is used.
"""

import measurement
from absl import flags

from ofa_aec_tf.command_flags import command_line

# What else imports TensorFlow comes after the quiet import of it.
# isort: split
import keras
import numpy as np
import tensorflow as tf
import workload

from ofa_aec_tf.models.precision import precision_scope

_WHAT = "teacher_forward"

measurement.define_what(_WHAT)
measurement.define_flags(*measurement.NETWORK_FLAGS, "xla")


def main(_):
    """Runs the benchmark."""
    values = flags.FLAGS
    family = workload.make_family(measurement.integers("channels"))
    macs = family.complexity(None, values.frames).macs
    keras.utils.set_random_seed(values.seed)
    with precision_scope(values.dtype):
        teacher = workload.make_teacher(family, values.convolution)
    clips = workload.random_clips(
        np.random.default_rng(values.seed), values.batch, values.frames, family
    )
    log_mel = tf.constant(clips["log_mel"])
    forward = tf.function(teacher, jit_compile=values.xla)
    seconds = measurement.time_steps(
        lambda: forward(log_mel).numpy(), values.steps
    )
    peak_rss_mib = measurement.peak_rss_mib()
    measurement.print_json(
        workload.network_result(
            _WHAT, values, seconds, [macs] * values.steps, peak_rss_mib
        )
    )


if __name__ == "__main__":
    command_line.run(main)
