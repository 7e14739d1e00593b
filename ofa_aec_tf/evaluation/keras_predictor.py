"""Keras models as the functions to logits that the evaluator takes."""

import tensorflow as tf

from ofa_aec_tf.evaluation import batch_norm_calibration
from ofa_aec_tf.models.logits import logits_model
from ofa_aec_tf.models.logits import ranking_logits
from ofa_aec_tf.models.logits import score_activation
from ofa_aec_tf.models.supernet import Supernet


def is_supernet(model):
    """Whether a model holds subnets that need calibration."""
    return isinstance(model, Supernet)


def network_predictor(model):
    """The logits of a plain network, whose own outputs are scores.

    Args:
        model: keras.Model with a layer named `logits`.

    Returns:
        Function from log-mel spectrograms, float32 of shape (batch,
        num_frames, num_mel_bins), to logits of shape (batch, num_classes),
        as `ranking_logits` returns them.
    """
    logits = logits_model(model)
    activation = score_activation(model)

    @tf.function(jit_compile=False)
    def traced(log_mel):
        return ranking_logits(logits(log_mel, training=False), activation)

    def predict(log_mel):
        # A call that traces counts as one more trace of the same function for
        # each network, and TensorFlow warns of the fifth.
        function = traced.get_concrete_function(
            tf.TensorSpec((None, *log_mel.shape[1:]), tf.float32)
        )
        return function(tf.convert_to_tensor(log_mel))

    return predict


def subnet_predictor(supernet, subnet, calibration_clips, batch_size):
    """The logits of a subnet, with statistics estimated for it.

    Args:
        supernet: Supernet.
        subnet: Subnet of its family's space.
        calibration_clips: float32 array of shape (num_clips, num_frames,
            num_mel_bins), from the training split.
        batch_size: int. Clips a step.

    Returns:
        Function from log-mel spectrograms to logits.
    """
    moments = batch_norm_calibration.calibrate(
        supernet,
        subnet,
        batch_norm_calibration.split_into_batches(
            calibration_clips, batch_size
        ),
    )
    return lambda log_mel: ranking_logits(
        supernet.predict_logits(log_mel, subnet, moments, batch_size),
        supernet.family.score_activation,
    )
