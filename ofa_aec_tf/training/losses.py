"""Losses of multi-label classification and distillation."""

import tensorflow as tf


def binary_cross_entropy(targets, logits):
    """Mean over clips and classes of the binary cross-entropy.

    Args:
        targets: float32 tensor of shape (batch, num_classes), probabilities
            in [0, 1]: labels, mixed labels or a teacher's scores.
        logits: float32 tensor of the same shape.

    Returns:
        Scalar float32 tensor.
    """
    return tf.reduce_mean(
        tf.nn.sigmoid_cross_entropy_with_logits(targets, logits)
    )


def distillation_losses(labels, teacher_scores, logits, label_weight):
    """The parts of the training loss and their weighted sum.

    Args:
        labels: float32 tensor of shape (batch, num_classes).
        teacher_scores: tensor of the same shape, the teacher's
            probabilities, or None where there is no teacher.
        logits: float32 tensor of the same shape.
        label_weight: float in [0, 1]. Weight of the labels; the teacher has
            the rest. 0 is OFA-AEC's loss, 0.5 is CMKD's.

    Returns:
        dict with the scalars `loss`, and `label_loss` and
        `distillation_loss` where their weight is not 0.
    """
    parts = {}
    total = tf.constant(0.0)
    if label_weight > 0:
        parts["label_loss"] = binary_cross_entropy(labels, logits)
        total += label_weight * parts["label_loss"]
    if label_weight < 1:
        parts["distillation_loss"] = binary_cross_entropy(
            teacher_scores, logits
        )
        total += (1 - label_weight) * parts["distillation_loss"]
    return {"loss": total, **parts}
