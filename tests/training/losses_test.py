"""The losses against numbers written from their formulas in NumPy."""

import keras
import numpy as np
import pytest
import scipy.special
import tensorflow as tf

from ofa_aec_tf.training import losses
from ofa_aec_tf.training.config import LABELS_ONLY
from ofa_aec_tf.training.config import TEACHER_ONLY
from ofa_aec_tf.training.config import LossConfig

LOGITS = np.array([[2.0, -1.0, 0.3], [0.5, 0.0, -4.0]], np.float32)
TEACHERS = np.array(
    [
        [[1.5, -2.0, 0.1], [-0.4, 3.0, 0.0]],
        [[0.2, -1.0, 2.0], [5.0, -0.1, 1.0]],
    ],
    np.float32,
)
LABELS = {
    "sigmoid": np.array([[1, 0, 1], [0, 0, 0]], np.float32),
    "softmax": np.array([[1, 0, 0], [0, 0, 1]], np.float32),
}


def scores_of(logits, activation):
    if activation == "sigmoid":
        return 1 / (1 + np.exp(-logits))
    shares = np.exp(logits)
    return shares / shares.sum(axis=-1, keepdims=True)


def reference(labels, teachers, logits, activation, label_weight, temperature):
    """lambda * L_g + (1 - lambda) * KL(teacher / tau || student)."""
    student = scores_of(logits.astype(np.float64), activation)
    teacher = np.mean(
        [
            scores_of(t.astype(np.float64) / temperature, activation)
            for t in teachers
        ],
        axis=0,
    )
    if activation == "sigmoid":
        on_labels = -np.mean(
            labels * np.log(student) + (1 - labels) * np.log(1 - student)
        )
        divergence = np.mean(
            teacher * np.log(teacher / student)
            + (1 - teacher) * np.log((1 - teacher) / (1 - student))
        )
        entropy = np.mean(
            -teacher * np.log(teacher) - (1 - teacher) * np.log(1 - teacher)
        )
    else:
        on_labels = -np.mean(np.sum(labels * np.log(student), axis=-1))
        divergence = np.mean(
            np.sum(teacher * np.log(teacher / student), axis=-1)
        )
        entropy = np.mean(-np.sum(teacher * np.log(teacher), axis=-1))
    mixed = label_weight * on_labels + (1 - label_weight) * divergence
    return mixed, (1 - label_weight) * entropy


@pytest.mark.parametrize("activation", ["sigmoid", "softmax"])
@pytest.mark.parametrize("label_weight", [0.0, 0.5, 1.0])
@pytest.mark.parametrize("temperature", [1.0, 2.0, 4.0])
@pytest.mark.parametrize("num_teachers", [1, 2])
def test_losses_are_those_of_the_formula(
    activation, label_weight, temperature, num_teachers
):
    teachers = TEACHERS[:num_teachers]
    expected, entropy = reference(
        LABELS[activation],
        teachers,
        LOGITS,
        activation,
        label_weight,
        temperature,
    )
    config = LossConfig(label_weight, temperature)
    found = losses.distillation_losses(
        LABELS[activation],
        losses.teacher_scores(list(teachers), config, activation),
        LOGITS,
        config,
        activation,
    )
    # The loss is larger by what the teacher itself is unsure of.
    np.testing.assert_allclose(found["loss"], expected + entropy, rtol=1e-6)
    if label_weight < 1:
        divergence, _ = reference(
            LABELS[activation], teachers, LOGITS, activation, 0.0, temperature
        )
        np.testing.assert_allclose(
            found["kl_divergence"], divergence, rtol=1e-5
        )


@pytest.mark.parametrize("activation", ["sigmoid", "softmax"])
def test_the_divergence_has_the_gradients_of_the_loss(activation):
    config = LossConfig(0.0, 2.0)
    logits, teachers = tf.constant(LOGITS), tf.constant(TEACHERS)
    with tf.GradientTape(persistent=True) as tape:
        tape.watch([logits, teachers])
        parts = losses.distillation_losses(
            None,
            losses.teacher_scores(tf.unstack(teachers), config, activation),
            logits,
            config,
            activation,
        )
    assert tape.gradient(parts["loss"], teachers) is None
    gradients = [
        tape.gradient(parts[name], logits).numpy()
        for name in ("loss", "kl_divergence")
    ]
    np.testing.assert_allclose(*gradients, atol=1e-7)
    assert np.abs(gradients[0]).max() > 0.01


@pytest.mark.parametrize("activation", ["sigmoid", "softmax"])
def test_a_teacher_that_is_sure_has_no_entropy(activation):
    certain = tf.constant(LABELS[activation])
    assert (losses.entropy(certain, activation).numpy() == 0).all()
    parts = losses.distillation_losses(
        None, certain, 40 * (2 * certain - 1), LossConfig(0.0), activation
    )
    np.testing.assert_allclose(parts["kl_divergence"], 0, atol=1e-6)


@pytest.mark.parametrize("activation", ["sigmoid", "softmax"])
def test_smoothing_is_that_of_keras(activation):
    labels = LABELS[activation]
    config = LossConfig(1.0, label_smoothing=0.1)
    loss = losses.distillation_losses(labels, None, LOGITS, config, activation)
    loss_class = {
        "sigmoid": keras.losses.BinaryCrossentropy,
        "softmax": keras.losses.CategoricalCrossentropy,
    }[activation]
    expected = loss_class(from_logits=True, label_smoothing=0.1)(labels, LOGITS)
    np.testing.assert_allclose(loss["loss"], expected, rtol=1e-6)


def test_clips_without_a_teacher_learn_their_labels_only():
    config = LossConfig(0.5)
    targets = scipy.special.expit(TEACHERS[0])
    unknown = targets.copy()
    unknown[1] = 0.9
    both = [
        losses.distillation_losses(
            LABELS["sigmoid"],
            some,
            LOGITS,
            config,
            is_taught=tf.constant([True, False]),
        )
        for some in (targets, unknown)
    ]
    assert float(both[0]["loss"]) == float(both[1]["loss"])
    alone = losses.distillation_losses(
        LABELS["sigmoid"][:1], targets[:1], LOGITS[:1], config
    )
    np.testing.assert_allclose(
        both[0]["distillation_loss"], alone["distillation_loss"], rtol=1e-6
    )
    none = losses.distillation_losses(
        LABELS["sigmoid"],
        targets,
        LOGITS,
        config,
        is_taught=tf.constant([False, False]),
    )
    assert float(none["distillation_loss"]) == 0
    np.testing.assert_allclose(none["loss"], 0.5 * none["label_loss"])


def test_parts_of_weight_zero_are_not_there():
    labels, targets = LABELS["sigmoid"], scipy.special.expit(TEACHERS[0])
    assert set(
        losses.distillation_losses(labels, targets, LOGITS, TEACHER_ONLY)
    ) == {"loss", "distillation_loss", "kl_divergence"}
    assert set(
        losses.distillation_losses(labels, None, LOGITS, LABELS_ONLY)
    ) == {"loss", "label_loss"}


@pytest.mark.parametrize("activation", ["sigmoid", "softmax"])
def test_large_logits_stay_finite(activation):
    config = LossConfig(0.5)
    parts = losses.distillation_losses(
        LABELS[activation],
        losses.teacher_scores([TEACHERS[0] * 1e4], config, activation),
        LOGITS * 1e4,
        config,
        activation,
    )
    assert np.isfinite([float(value) for value in parts.values()]).all()


@pytest.mark.parametrize(
    ("field", "value", "match"),
    [
        ("label_weight", 1.5, "`label_weight` must be at most 1.*1.5"),
        ("temperature", 0.0, "`temperature` must be more than 0"),
        ("temperature", float("nan"), "`temperature` must be a finite number"),
        ("label_smoothing", 1.0, "`label_smoothing` must be less than 1"),
    ],
)
def test_a_wrong_setting_is_named(field, value, match):
    with pytest.raises(ValueError, match=match):
        LossConfig(**{field: value})
