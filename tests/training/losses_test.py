"""The distillation loss against numbers written from its formula."""

import math

import numpy as np
import pytest

from ofa_aec_tf.training.losses import distillation_losses

LABELS = np.array([[1.0, 0.0], [0.0, 1.0]], np.float32)
TEACHER = np.array([[0.9, 0.2], [0.4, 0.5]], np.float32)
LOGITS = np.array([[2.0, -1.0], [0.5, 0.0]], np.float32)


def cross_entropy(targets, logits):
    """Written out clip by clip and class by class."""
    total = 0.0
    for target, logit in zip(targets.flat, logits.flat):
        score = 1 / (1 + math.exp(-logit))
        total -= target * math.log(score)
        total -= (1 - target) * math.log(1 - score)
    return total / targets.size


@pytest.mark.parametrize("label_weight", [0.0, 0.25, 1.0])
def test_loss_is_the_weighted_sum_of_both_cross_entropies(label_weight):
    losses = distillation_losses(LABELS, TEACHER, LOGITS, label_weight)
    expected = label_weight * cross_entropy(LABELS, LOGITS)
    expected += (1 - label_weight) * cross_entropy(TEACHER, LOGITS)
    np.testing.assert_allclose(losses["loss"], expected, rtol=1e-6)


def test_parts_of_weight_zero_are_not_there():
    assert set(distillation_losses(LABELS, TEACHER, LOGITS, 0.0)) == {
        "loss",
        "distillation_loss",
    }
    assert set(distillation_losses(LABELS, None, LOGITS, 1.0)) == {
        "loss",
        "label_loss",
    }


def test_large_logits_stay_finite():
    losses = distillation_losses(LABELS, TEACHER, LOGITS * 1e4, 0.5)
    assert np.isfinite(losses["loss"])
