"""Times the training step of one network, CNN10 on labels alone.

python benchmarks/teacher_train.py --dtype=bfloat16 --batch=8 --frames=501

It is the very step of `python -m ofa_aec_tf.train --stage=teacher`. The last
line is a JSON object with the speed, the peak memory and the part of the
machine's matrix product peak that is used.
"""

import measurement
from absl import flags

from ofa_aec_tf.command_flags import command_line

# What else imports TensorFlow comes after the quiet import of it.
# isort: split
import keras
import numpy as np
import workload

from ofa_aec_tf.families import networks
from ofa_aec_tf.models.logits import logits_model
from ofa_aec_tf.models.precision import precision_scope
from ofa_aec_tf.training.distiller import NetworkDistiller

_WHAT = "teacher_train"

measurement.define_what(_WHAT)
measurement.define_flags(*measurement.NETWORK_FLAGS, "xla")


def main(_):
    """Runs the benchmark."""
    values = flags.FLAGS
    family = workload.make_family(measurement.integers("channels"))
    macs = family.complexity(None, values.frames).macs
    keras.utils.set_random_seed(values.seed)
    with precision_scope(values.dtype):
        network = networks.builders(family).build_training_twin(
            algorithm=values.convolution
        )
        distiller = NetworkDistiller(logits_model(network))
    clips = workload.random_clips(
        np.random.default_rng(values.seed), values.batch, values.frames, family
    )
    seconds = measurement.time_steps(
        workload.compiled_step(distiller, clips, values.xla), values.steps
    )
    peak_rss_mib = measurement.peak_rss_mib()
    measurement.print_json(
        workload.network_result(
            _WHAT,
            values,
            seconds,
            [workload.TRAINING_FACTOR * macs] * values.steps,
            peak_rss_mib,
        )
    )


if __name__ == "__main__":
    command_line.run(main)
