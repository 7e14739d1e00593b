"""Losses on labels and on the scores of teachers.

    loss = label_weight * L(scores, labels)
           + (1 - label_weight) * D(scores, teacher's scores)

Scores are sigmoids with the binary cross-entropy for several classes a clip,
or a softmax with the cross-entropy for one. D is the same cross-entropy. The
Kullback-Leibler divergence of CMKD, which is reported beside it, is smaller by
the entropy of the teacher's scores and has the same gradients. The temperature
divides the teacher's logits only; the loss is not scaled by its square.

Reference: OFA-AEC, equation 2 (`label_weight` 0 and sigmoids); CMKD (arXiv
2203.06760), section 2.4 (`label_weight` 0.5).
"""

from collections.abc import Sequence

import tensorflow as tf

from ofa_aec_tf.models.score_activations import SIGMOID
from ofa_aec_tf.training.config import LossConfig


def scores(logits: tf.Tensor, score_activation: str) -> tf.Tensor:
    """Scores of logits, in float32.

    Args:
        logits: tensor of shape (..., num_classes).
        score_activation: one of `SCORE_ACTIVATIONS`.
    """
    logits = tf.cast(logits, tf.float32)
    if score_activation == SIGMOID:
        return tf.sigmoid(logits)
    return tf.nn.softmax(logits)


def teacher_scores(
    logits: Sequence[tf.Tensor], config: LossConfig, score_activation: str
) -> tf.Tensor:
    """The targets that teachers set: the mean of their scores.

    Args:
        logits: sequence of tensors of shape (batch, num_classes), one per
            teacher.
        config: LossConfig.
        score_activation: one of `SCORE_ACTIVATIONS`.

    Returns:
        float32 tensor of shape (batch, num_classes), without gradient.
    """
    each = [
        scores(tf.cast(one, tf.float32) / config.temperature, score_activation)
        for one in logits
    ]
    return tf.stop_gradient(tf.add_n(each) / len(each))


def cross_entropy(
    targets: tf.Tensor, logits: tf.Tensor, score_activation: str
) -> tf.Tensor:
    """The cross-entropy of each clip.

    Args:
        targets: float32 tensor of shape (batch, num_classes), probabilities:
            labels, mixed labels or a teacher's scores.
        logits: float32 tensor of the same shape.
        score_activation: one of `SCORE_ACTIVATIONS`.

    Returns:
        float32 tensor of shape (batch,): the mean over the classes with
        sigmoids, the sum over them with a softmax.
    """
    if score_activation == SIGMOID:
        return tf.reduce_mean(
            tf.nn.sigmoid_cross_entropy_with_logits(targets, logits), axis=-1
        )
    return tf.nn.softmax_cross_entropy_with_logits(targets, logits)


def entropy(targets: tf.Tensor, score_activation: str) -> tf.Tensor:
    """The entropy of each clip's targets, the lower bound of its loss.

    Args:
        targets: as for `cross_entropy`.
        score_activation: one of `SCORE_ACTIVATIONS`.

    Returns:
        float32 tensor of shape (batch,).
    """
    surprise = -tf.math.xlogy(targets, targets)
    if score_activation == SIGMOID:
        surprise -= tf.math.xlogy(1 - targets, 1 - targets)
        return tf.reduce_mean(surprise, axis=-1)
    return tf.reduce_sum(surprise, axis=-1)


def smoothed(
    labels: tf.Tensor, label_smoothing: float, score_activation: str
) -> tf.Tensor:
    """Smoothed labels, as in Keras's losses.

    Args:
        labels: float32 tensor of shape (batch, num_classes).
        label_smoothing: float in [0, 1). How far labels are moved towards a
            uniform distribution.
        score_activation: one of `SCORE_ACTIVATIONS`.
    """
    uniform = 0.5
    if score_activation != SIGMOID:
        uniform = 1 / tf.cast(tf.shape(labels)[-1], tf.float32)
    return labels + label_smoothing * (uniform - labels)


def distillation_losses(
    labels: tf.Tensor,
    targets: tf.Tensor | None,
    logits: tf.Tensor,
    config: LossConfig,
    score_activation: str = SIGMOID,
    is_taught: tf.Tensor | None = None,
) -> dict[str, tf.Tensor]:
    """The parts of the training loss and their weighted sum.

    Args:
        labels: float32 tensor of shape (batch, num_classes).
        targets: tensor of the same shape, what `teacher_scores` returns, or
            None without a teacher.
        logits: float32 tensor of the same shape.
        config: LossConfig.
        score_activation: one of `SCORE_ACTIVATIONS`.
        is_taught: bool tensor of shape (batch,), False for clips without
            targets, which the distillation loss, a mean, leaves out. None
            means that all clips have targets.

    Returns:
        dict with the scalars `loss`, and, where their weight is not 0,
        `label_loss` and `distillation_loss`. With the latter come
        `kl_divergence`, which is 0 if the student's scores are the teacher's,
        and, with `is_taught`, `taught_share`, the share of such clips.
    """
    parts = {}
    total = tf.constant(0.0)
    if config.label_weight > 0:
        parts["label_loss"] = tf.reduce_mean(
            cross_entropy(
                smoothed(labels, config.label_smoothing, score_activation),
                logits,
                score_activation,
            )
        )
        total += config.label_weight * parts["label_loss"]
    if config.label_weight < 1:
        each = cross_entropy(targets, logits, score_activation)
        parts["distillation_loss"] = _mean_of(each, is_taught)
        parts["kl_divergence"] = _mean_of(
            each - entropy(targets, score_activation), is_taught
        )
        if is_taught is not None:
            parts["taught_share"] = tf.reduce_mean(
                tf.cast(is_taught, tf.float32)
            )
        total += (1 - config.label_weight) * parts["distillation_loss"]
    return {"loss": total, **parts}


def _mean_of(values, included):
    if included is None:
        return tf.reduce_mean(values)
    included = tf.cast(included, tf.float32)
    # Without any value it is 0, and has no gradient.
    return tf.math.divide_no_nan(
        tf.reduce_sum(values * included), tf.reduce_sum(included)
    )
