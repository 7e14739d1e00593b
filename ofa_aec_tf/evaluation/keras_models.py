"""Keras models, loaded from files and as functions to logits."""

import tensorflow as tf

from ofa_aec_tf.evaluation import batch_norm_calibration
from ofa_aec_tf.families.networks import load_model
from ofa_aec_tf.models.logits import logits_model
from ofa_aec_tf.models.logits import ranking_logits
from ofa_aec_tf.models.logits import score_activation
from ofa_aec_tf.models.supernet import Supernet


def load_network(path):
    """Loads a plain network from log-mel spectrograms to scores.

    Args:
        path: path of a `.keras` file of stock Keras layers, as materialize
            and the teacher stage of train write them.

    Returns:
        keras.Model, not compiled, with one input of shape (batch, num_frames,
        num_mel_bins) and one output of shape (batch, num_classes).

    Raises:
        ValueError: if the file is missing or broken, or holds something else,
            such as a supernet.
    """
    model = load_model(path)
    shapes = [
        getattr(model, f"{end}_shape", None) for end in ("input", "output")
    ]
    ranks = [len(s) if isinstance(s, tuple) else None for s in shapes]
    if ranks != [3, 2]:
        raise ValueError(
            f"{path} must hold a network from (batch, num_frames, "
            "num_mel_bins) to (batch, num_classes). Received: a "
            f"{type(model).__name__} from {shapes[0]} to {shapes[1]}. If it is "
            "a supernet, take a subnet from it with `python -m "
            "ofa_aec_tf.materialize`."
        )
    return model


def is_supernet(model):
    """Whether a model is a supernet, whose subnets need calibration."""
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
        # TensorFlow counts the traces of all networks together, and warns at
        # the fifth. Concrete functions are not counted.
        function = traced.get_concrete_function(
            tf.TensorSpec((None, *log_mel.shape[1:]), tf.float32)
        )
        return function(tf.convert_to_tensor(log_mel))

    return predict


def subnet_predictor(supernet, subnet, calibration_clips, batch_size):
    """The logits of a subnet, with batch normalization calibrated for it.

    Args:
        supernet: Supernet.
        subnet: Subnet of its family's space.
        calibration_clips: float32 array of shape (num_clips, num_frames,
            num_mel_bins), from the training split.
        batch_size: int. Clips in a batch.

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
