"""Times the whole front of a supernet against single subnets cut out of it.

python benchmarks/search_front.py --supernet=supernet.keras --data_dir=DATA

The first is what `search` does: every subnet of the supernet is calibrated and
scored on the validation split, with what subnets share computed once. The
second is what one would do without it: some subnets are calibrated one by one,
cut out as plain networks and scored. They take turns. The last line is a JSON
object with the seconds of both and `ratio`, of the front to all single subnets.
"""

import statistics
import time

import measurement
from absl import flags

from ofa_aec_tf.command_flags import command_line

# What else imports TensorFlow comes after the quiet import of it.
# isort: split
import numpy as np

from ofa_aec_tf.data import input_pipeline
from ofa_aec_tf.data.dataset_info import DatasetInfo
from ofa_aec_tf.evaluation import batch_norm_calibration
from ofa_aec_tf.evaluation import evaluator
from ofa_aec_tf.evaluation import keras_models
from ofa_aec_tf.evaluation import staged_evaluation
from ofa_aec_tf.families.materialization import materialize_subnet
from ofa_aec_tf.families.networks import load_supernet
from ofa_aec_tf.nas.subnet_evaluator import make_subnet_evaluator

_WHAT = "search_front"

measurement.define_what(_WHAT)
measurement.define_flags("seed")
_SUPERNET = flags.DEFINE_string("supernet", None, "A file.", required=True)
_DATA_DIR = flags.DEFINE_string(
    "data_dir", None, "Directory of data_pipeline.preprocess.", required=True
)
_NUM_SINGLE = flags.DEFINE_integer(
    "num_single", 5, "Subnets that are cut out.", lower_bound=1
)
_NUM_CALIBRATION_CLIPS = flags.DEFINE_integer(
    "num_calibration_clips",
    256,
    "Training clips that calibrate.",
    lower_bound=1,
)
_BATCH_SIZE = flags.DEFINE_integer(
    "batch_size", 32, "Clips a step.", lower_bound=1
)
_CACHE_GIB = flags.DEFINE_float(
    "cache_gib", 4.0, "Memory for shared activations.", lower_bound=0
)


def _seconds(function, *arguments):
    start = time.perf_counter()
    function(*arguments)
    return time.perf_counter() - start


def main(_):
    """Runs the benchmark."""
    dataset = DatasetInfo.read(_DATA_DIR.value)
    supernet = load_supernet(_SUPERNET.value)
    space = supernet.family.search_space()
    calibration_clips, _, _ = input_pipeline.load_split(
        _DATA_DIR.value,
        dataset,
        "train",
        max_clips=_NUM_CALIBRATION_CLIPS.value,
        seed=flags.FLAGS.seed,
    )
    log_mel, labels, _ = input_pipeline.load_split(
        _DATA_DIR.value, dataset, "validation"
    )
    evaluate_subnet = make_subnet_evaluator(
        supernet,
        calibration_clips,
        log_mel,
        labels,
        dataset.class_map,
        dataset.label_type,
        _BATCH_SIZE.value,
        int(_CACHE_GIB.value * 2**30),
    )
    batches = batch_norm_calibration.split_into_batches(
        calibration_clips, _BATCH_SIZE.value
    )

    def evaluate_alone(subnet):
        moments = batch_norm_calibration.calibrate(supernet, subnet, batches)
        model = materialize_subnet(supernet, subnet, moments)
        evaluator.evaluate_scores(
            keras_models.network_predictor(model)(log_mel),
            labels,
            dataset.class_map,
            dataset.label_type,
        )

    subnets = sorted(
        space.enumerate(), key=staged_evaluation.stage_order(supernet)
    )
    rng = np.random.default_rng(flags.FLAGS.seed)
    single = [space.sample(rng) for _ in range(_NUM_SINGLE.value)]
    # Traces of what both use are no part of either.
    for evaluate in (evaluate_subnet, evaluate_alone):
        evaluate(space.largest())
    front_seconds, single_seconds = [], []
    for number, part in enumerate(
        np.array_split(np.arange(len(subnets)), len(single))
    ):
        front_seconds += [
            _seconds(evaluate_subnet, subnets[index]) for index in part
        ]
        single_seconds.append(_seconds(evaluate_alone, single[number]))
    measurement.print_json(
        {
            "engine": measurement.engine(),
            "what": _WHAT,
            "num_subnets": len(subnets),
            "front_seconds": sum(front_seconds),
            "seconds_a_subnet": statistics.mean(front_seconds),
            "num_single": len(single),
            "single_seconds": sum(single_seconds),
            "ratio": sum(front_seconds) / sum(single_seconds),
            "num_calibration_clips": len(calibration_clips),
            "num_validation_clips": len(log_mel),
            "peak_rss_mib": measurement.peak_rss_mib(),
        }
    )


if __name__ == "__main__":
    command_line.run(main)
