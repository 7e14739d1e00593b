"""Times the training step of the supernet: several subnets and a teacher.

python benchmarks/supernet_step.py --subnets=4 --dtype=bfloat16

It is the very step of `python -m ofa_aec_tf.train --stage=supernet`, in the
space [2, 2, X] with uniform sampling. The last line is a JSON object with the
speed, the peak memory and the part of the machine's matrix product peak that
is used, counted for the subnets that the timed steps drew.
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
from ofa_aec_tf.models.precision import precision_scope
from ofa_aec_tf.training.distiller import SupernetDistiller
from ofa_aec_tf.training.subnet_sampler import SubnetSampler
from ofa_aec_tf.training.teachers import NetworkTeacher

_WHAT = "supernet_step"

measurement.define_what(_WHAT)
measurement.define_flags(*measurement.NETWORK_FLAGS)
_SUBNETS = flags.DEFINE_integer(
    "subnets", 4, "Subnets of a step.", lower_bound=1
)
_EXECUTION = flags.DEFINE_enum(
    "execution",
    "slice",
    ("slice", "mask"),
    "Whether subnets compute on sliced weights or mask channels to zero.",
)


def main(_):
    """Runs the benchmark."""
    values = flags.FLAGS
    family = workload.make_family(measurement.integers("channels"))
    # Refuses clips that are too short before anything is built.
    family.complexity(None, values.frames)
    keras.utils.set_random_seed(values.seed)
    sampler = SubnetSampler(
        family.search_space(), _SUBNETS.value, "uniform", 0, values.seed
    )
    with precision_scope(values.dtype):
        teacher = workload.make_teacher(family, values.convolution)
        supernet = networks.build_supernet(
            family, _EXECUTION.value, values.convolution
        )
        distiller = SupernetDistiller(
            supernet, sampler, NetworkTeacher([teacher])
        )
    clips = workload.random_clips(
        np.random.default_rng(values.seed), values.batch, values.frames, family
    )
    seconds = measurement.time_steps(
        workload.compiled_step(distiller, clips), values.steps
    )
    peak_rss_mib = measurement.peak_rss_mib()
    macs = [
        workload.supernet_step_macs(supernet, subnets, values.frames)
        for subnets in workload.last_subnets(distiller, values.steps)
    ]
    measurement.print_json(
        {
            **workload.network_result(
                _WHAT, values, seconds, macs, peak_rss_mib
            ),
            "subnets": _SUBNETS.value,
            "execution": _EXECUTION.value,
        }
    )


if __name__ == "__main__":
    command_line.run(main)
