"""Scores subnets of a trained supernet, without any further training."""

from collections.abc import Callable

import keras
import numpy as np
import tensorflow as tf

from ofa_aec_tf.checks.argument_checks import check_choice
from ofa_aec_tf.deployment.tflite import converter
from ofa_aec_tf.deployment.tflite import runner
from ofa_aec_tf.evaluation import batch_norm_calibration
from ofa_aec_tf.evaluation import evaluator
from ofa_aec_tf.evaluation import metrics
from ofa_aec_tf.evaluation import staged_evaluation
from ofa_aec_tf.families.materialization import materialize_subnet
from ofa_aec_tf.models.logits import ranking_logits
from ofa_aec_tf.nas.objectives import FLOAT_QUALITY
from ofa_aec_tf.search_space.space import Subnet

# What may go wrong with one subnet and not with the next: outputs that are
# not finite, too little memory.
RECOVERABLE_ERRORS = (ValueError, tf.errors.OpError)
# Whose batch normalization statistics a subnet is evaluated with.
OWN, LARGEST = "own", "largest"
CALIBRATIONS = (OWN, LARGEST)

# What a trial stores; values of single classes would bloat the database.
_SUMMARY = (FLOAT_QUALITY, "mAUC", "d_prime", "accuracy", "num_clips")


def make_subnet_evaluator(
    supernet,
    calibration_clips,
    log_mel,
    labels,
    class_map,
    label_type,
    batch_size,
    cache_bytes,
    calibration=OWN,
):
    """The function that a search calls for each subnet.

    Args:
        supernet: Supernet.
        calibration_clips: float32 array of shape (num_clips, num_frames,
            num_mel_bins), training clips, which each subnet's own batch
            normalization statistics are estimated from.
        log_mel: float32 array of shape (num_clips, num_frames, num_mel_bins),
            the clips that subnets are compared on, never training clips.
        labels: array of 0 and 1 of shape (num_clips, num_classes).
        class_map: ClassMap.
        label_type: `"multi_label"` or `"single_label"`.
        batch_size: int. Clips a step.
        cache_bytes: int. Memory for activations that subnets share.
        calibration: one of `CALIBRATIONS`: each subnet's own statistics, or
            those of the largest subnet for all.

    Returns:
        Function from a Subnet to a dict with `mAP`, `mAUC`, `d_prime`,
        `accuracy` and `num_clips`.
    """
    check_choice("calibration", calibration, CALIBRATIONS)
    if calibration == OWN:
        predict_logits = staged_evaluation.StagedEvaluation(
            supernet, calibration_clips, log_mel, batch_size, cache_bytes
        ).predict_logits
    else:
        largest_moments = _make_calibrate(
            supernet, calibration_clips, batch_size, calibration
        )(supernet.family.search_space().largest())

        def predict_logits(subnet):
            return supernet.predict_logits(
                log_mel, subnet, largest_moments, batch_size
            )

    def evaluate_subnet(subnet):
        logits = ranking_logits(
            predict_logits(subnet), supernet.family.score_activation
        )
        found = evaluator.evaluate_scores(
            np.asarray(logits), labels, class_map, label_type
        )
        return {name: found[name] for name in _SUMMARY}

    return evaluate_subnet


def _make_calibrate(supernet, calibration_clips, batch_size, calibration):
    """Function from a subnet to its batch normalization statistics."""
    batches = batch_norm_calibration.split_into_batches(
        calibration_clips, batch_size
    )

    def calibrate(subnet):
        if calibration == LARGEST:
            subnet = supernet.family.search_space().largest()
        return batch_norm_calibration.calibrate(supernet, subnet, batches)

    return calibrate


def make_materialize(
    supernet, calibration_clips, batch_size, calibration=OWN
) -> Callable[[Subnet], keras.Model]:
    """A function that cuts subnets out as plain Keras models.

    Args:
        supernet: Supernet.
        calibration_clips, batch_size, calibration: as for
            `make_subnet_evaluator`.

    Returns:
        Function from a Subnet to a keras.Model in float32.
    """
    calibrate = _make_calibrate(
        supernet, calibration_clips, batch_size, calibration
    )

    def materialize(subnet):
        return converter.float32_model(
            materialize_subnet(supernet, subnet, calibrate(subnet))
        )

    return materialize


def make_int8_evaluator(
    materialize: Callable[[Subnet], keras.Model],
    calibration_clips,
    log_mel,
    labels,
    class_map,
    label_type,
) -> Callable[[Subnet], float | None]:
    """A function from a subnet to the mAP of its int8 file.

    The subnet is cut out, converted as `export` does, and run by LiteRT.

    Args:
        materialize: function, as `make_materialize` returns it.
        calibration_clips: float32 array of shape (num_clips, num_frames,
            num_mel_bins), training clips, which the ranges of the activations
            are estimated from.
        log_mel, labels, class_map, label_type: as for
            `make_subnet_evaluator`.

    Returns:
        Function from a Subnet to a float, or None where mAP is undefined.
    """
    _, num_frames, num_mel_bins = log_mel.shape

    def evaluate_int8(subnet):
        content = converter.convert(
            materialize(subnet),
            num_frames,
            num_mel_bins,
            converter.INT8,
            calibration_clips,
        )
        scores = runner.TFLiteModel(content).predict(log_mel)
        return evaluator.evaluate_scores(
            metrics.scores_to_logits(scores), labels, class_map, label_type
        )[FLOAT_QUALITY]

    return evaluate_int8
