"""Times what the search does with each subnet: calibration and validation.

python benchmarks/candidate_evaluation.py --batch=32 --steps=8

Each step calibrates the batch normalization of another subnet of a supernet
and scores it on validation clips. Clips are random and in memory; a clip that
calibrates counts like one that validates. The last line is a JSON object;
`seconds_mean` is what a search over many subnets pays for each.
"""

import statistics

import measurement
from absl import flags

from ofa_aec_tf.command_flags import command_line

# What else imports TensorFlow comes after the quiet import of it.
# isort: split
import keras
import numpy as np
import workload

from ofa_aec_tf.data.class_map import ClassMap
from ofa_aec_tf.data.dataset_info import MULTI_LABEL
from ofa_aec_tf.evaluation import staged_evaluation
from ofa_aec_tf.families import networks
from ofa_aec_tf.models.precision import precision_scope
from ofa_aec_tf.nas.subnet_evaluator import make_subnet_evaluator

_WHAT = "candidate_evaluation"

measurement.define_what(_WHAT)
measurement.define_flags(*measurement.NETWORK_FLAGS)
_NUM_CALIBRATION_CLIPS = flags.DEFINE_integer(
    "num_calibration_clips", 64, "Clips that calibrate.", lower_bound=1
)
_NUM_VALIDATION_CLIPS = flags.DEFINE_integer(
    "num_validation_clips", 128, "Clips that validate.", lower_bound=1
)
_ORDER = flags.DEFINE_enum(
    "order",
    "stages",
    ("stages", "random"),
    "Subnets one after the other as a search evaluates them, so that they "
    "share stages, or in no order.",
)
_CACHE_GIB = flags.DEFINE_float(
    "cache_gib", 4.0, "Memory for shared activations.", lower_bound=0
)


def _distinct_subnets(space, count, rng):
    """Random subnets of a space, no two alike."""
    if count > space.num_subnets:
        raise ValueError(
            f"The space has {space.num_subnets} subnets, and "
            f"{measurement.NUM_WARMUP_STEPS} are evaluated before those that "
            f"are timed. Use fewer --steps. Received: {count} subnets"
        )
    subnets = {}
    while len(subnets) < count:
        subnets.setdefault(space.sample(rng))
    return list(subnets)


def main(_):
    """Runs the benchmark."""
    values = flags.FLAGS
    family = workload.make_family(measurement.integers("channels"))
    rng = np.random.default_rng(values.seed)
    subnets = _distinct_subnets(
        family.search_space(), measurement.NUM_WARMUP_STEPS + values.steps, rng
    )
    if _ORDER.value == "stages":
        # The middle of the search, not the part with the smallest subnets.
        order = staged_evaluation.stage_order(networks.build_supernet(family))
        in_order = sorted(family.search_space().enumerate(), key=order)
        first = (len(in_order) - len(subnets)) // 2
        subnets = in_order[first : first + len(subnets)]
    macs = [family.complexity(s, values.frames).macs for s in subnets]
    keras.utils.set_random_seed(values.seed)
    with precision_scope(values.dtype):
        supernet = networks.build_supernet(family, algorithm=values.convolution)
    num_clips = _NUM_CALIBRATION_CLIPS.value + _NUM_VALIDATION_CLIPS.value
    clips = workload.random_clips(rng, num_clips, values.frames, family)
    calibration = slice(_NUM_CALIBRATION_CLIPS.value)
    validation = slice(_NUM_CALIBRATION_CLIPS.value, None)
    evaluate_subnet = make_subnet_evaluator(
        supernet,
        clips["log_mel"][calibration],
        clips["log_mel"][validation],
        clips["labels"][validation],
        ClassMap(tuple(f"class {n}" for n in range(family.num_classes))),
        MULTI_LABEL,
        values.batch,
        int(_CACHE_GIB.value * 2**30),
    )
    remaining = iter(subnets)
    seconds = measurement.time_steps(
        lambda: evaluate_subnet(next(remaining)), values.steps
    )
    peak_rss_mib = measurement.peak_rss_mib()
    measurement.print_json(
        {
            **workload.network_result(
                _WHAT,
                values,
                seconds,
                macs[measurement.NUM_WARMUP_STEPS :],
                peak_rss_mib,
                num_clips,
            ),
            "seconds_mean": statistics.mean(seconds),
            "order": _ORDER.value,
            "cache_gib": _CACHE_GIB.value,
            "num_calibration_clips": _NUM_CALIBRATION_CLIPS.value,
            "num_validation_clips": _NUM_VALIDATION_CLIPS.value,
        }
    )


if __name__ == "__main__":
    command_line.run(main)
