"""Scores subnets of a trained supernet, without any further training."""

import numpy as np
import tensorflow as tf

from ofa_aec_tf.checks.argument_checks import check_choice
from ofa_aec_tf.evaluation import batch_norm_calibration
from ofa_aec_tf.evaluation import evaluator
from ofa_aec_tf.evaluation import staged_evaluation
from ofa_aec_tf.models.logits import ranking_logits

# What can go wrong with one subnet and not with the next: outputs that are
# not finite, memory that does not suffice.
RECOVERABLE_ERRORS = (ValueError, tf.errors.OpError)
# Whose batch normalization statistics a subnet is evaluated with.
OWN, LARGEST = "own", "largest"
CALIBRATIONS = (OWN, LARGEST)

# What a trial keeps; values of single classes would swell the database.
_SUMMARY = ("mAP", "mAUC", "d_prime", "accuracy", "num_clips")


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
            num_mel_bins), training clips, from which each subnet gets batch
            normalization statistics of its own.
        log_mel: float32 array of shape (num_clips, num_frames, num_mel_bins),
            the clips that subnets are compared on, never training clips.
        labels: array of 0 and 1 of shape (num_clips, num_classes).
        class_map: ClassMap.
        label_type: `"multi_label"` or `"single_label"`.
        batch_size: int. Clips a step.
        cache_bytes: int. Memory for activations that subnets share.
        calibration: one of `CALIBRATIONS`. Whether each subnet gets statistics
            of its own, or all those of the largest.

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
        largest_moments = batch_norm_calibration.calibrate(
            supernet,
            supernet.family.search_space().largest(),
            batch_norm_calibration.split_into_batches(
                calibration_clips, batch_size
            ),
        )

        def predict_logits(subnet):
            return supernet.predict_logits(
                log_mel, subnet, largest_moments, batch_size
            )

    def evaluate_subnet(subnet):
        metrics = evaluator.evaluate_scores(
            np.asarray(
                ranking_logits(
                    predict_logits(subnet), supernet.family.score_activation
                )
            ),
            labels,
            class_map,
            label_type,
        )
        return {name: metrics[name] for name in _SUMMARY}

    return evaluate_subnet
