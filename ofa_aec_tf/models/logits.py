"""The end of every plain network: a layer named `logits`, and scores."""

import math

import keras
import tensorflow as tf

from ofa_aec_tf.models.score_activations import SCORE_ACTIVATIONS
from ofa_aec_tf.models.score_activations import SOFTMAX

LOGITS_LAYER = "logits"
SCORES_LAYER = "scores"


def classify(x, num_classes, activation, **options):
    """Adds the classifier: logits of features, and scores of logits.

    Both are in float32 under any policy: rare classes need small
    probabilities.

    Args:
        x: KerasTensor of shape (batch, features).
        num_classes: int.
        activation: one of `SCORE_ACTIVATIONS`.
        **options: further arguments of the dense layer.

    Returns:
        KerasTensor of shape (batch, num_classes).
    """
    x = keras.layers.Dense(
        num_classes, dtype="float32", name=LOGITS_LAYER, **options
    )(x)
    return keras.layers.Activation(
        activation, dtype="float32", name=SCORES_LAYER
    )(x)


def logits_model(model):
    """The same network, shared weights, with logits as its output.

    Args:
        model: keras.Model with a layer named `logits`.

    Returns:
        keras.Model.

    Raises:
        ValueError: if there is no such layer.
    """
    return keras.Model(model.input, model.get_layer(LOGITS_LAYER).output)


def score_activation(model):
    """The activation that turns the logits of a network into scores.

    Args:
        model: keras.Model that ends in the layer `logits` and an activation.

    Returns:
        One of `SCORE_ACTIVATIONS`.

    Raises:
        ValueError: if it ends in anything else.
    """
    last = model.layers[-1]
    activation = getattr(last, "activation", None)
    if isinstance(last, keras.layers.Softmax):
        activation = keras.activations.softmax
    name = getattr(activation, "__name__", None)
    if (
        len(model.layers) < 2
        or model.layers[-2].name != LOGITS_LAYER
        or name not in SCORE_ACTIVATIONS
    ):
        raise ValueError(
            f"A network must end in the layer `{LOGITS_LAYER}` and its sigmoid "
            "or softmax. Received: one that ends in "
            f"{[layer.name for layer in model.layers[-2:]]}"
        )
    return name


def ranking_logits(logits, activation):
    """Converts logits so that their sigmoid is the score.

    They then rank clips as scores do. A single logit of a softmax doesn't.

    Args:
        logits: tensor or array of shape (..., num_classes).
        activation: one of `SCORE_ACTIVATIONS`, from logits to scores.

    Returns:
        Those of a sigmoid as they are, else a float32 tensor.
    """
    if activation != SOFTMAX:
        return logits
    logits = tf.cast(logits, tf.float32)
    log_scores = tf.nn.log_softmax(logits)
    is_largest = tf.one_hot(
        tf.argmax(logits, axis=-1), logits.shape[-1], True, False, dtype=tf.bool
    )
    # log(p / (1 - p)). Only the largest score can be next to 1, where 1 - p is
    # nothing in float32: there it is summed over the other classes.
    others = tf.reduce_logsumexp(
        tf.where(is_largest, -float("inf"), logits), axis=-1, keepdims=True
    )
    at_most_half = tf.minimum(log_scores, -math.log(2))
    return tf.where(
        is_largest,
        logits - others,
        log_scores - tf.math.log1p(-tf.exp(at_most_half)),
    )
