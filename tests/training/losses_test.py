"""The losses against numbers written from their formulas in NumPy."""

import keras
import numpy as np
import pytest
import scipy.special
import tensorflow as tf

from ofa_aec_tf.training import losses
from ofa_aec_tf.training.losses import LossConfig

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
    found = {}
    for kind in losses.DISTILLATION_LOSSES:
        config = LossConfig(label_weight, kind, temperature)
        found[kind] = losses.distillation_losses(
            LABELS[activation],
            losses.teacher_scores(list(teachers), config, activation),
            LOGITS,
            config,
            activation,
        )["loss"]
    np.testing.assert_allclose(found["kl_divergence"], expected, rtol=1e-6)
    # OFA-AEC's: larger by what the teacher itself is unsure of.
    np.testing.assert_allclose(
        found["cross_entropy"], expected + entropy, rtol=1e-6
    )


@pytest.mark.parametrize("activation", ["sigmoid", "softmax"])
def test_both_distillation_losses_have_the_same_gradients(activation):
    gradients = []
    for kind in losses.DISTILLATION_LOSSES:
        config = LossConfig(0.0, kind, 2.0)
        logits = tf.constant(LOGITS)
        teachers = tf.constant(TEACHERS)
        with tf.GradientTape(persistent=True) as tape:
            tape.watch([logits, teachers])
            loss = losses.distillation_losses(
                None,
                losses.teacher_scores(tf.unstack(teachers), config, activation),
                logits,
                config,
                activation,
            )["loss"]
        assert tape.gradient(loss, teachers) is None
        gradients.append(tape.gradient(loss, logits).numpy())
    np.testing.assert_allclose(*gradients, atol=1e-7)
    assert np.abs(gradients[0]).max() > 0.01


@pytest.mark.parametrize("activation", ["sigmoid", "softmax"])
def test_a_teacher_that_is_sure_has_no_entropy(activation):
    certain = tf.constant(LABELS[activation])
    assert (losses.entropy(certain, activation).numpy() == 0).all()
    config = LossConfig(0.0, losses.KL_DIVERGENCE)
    loss = losses.distillation_losses(
        None, certain, 40 * (2 * certain - 1), config, activation
    )["loss"]
    np.testing.assert_allclose(loss, 0, atol=1e-6)


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
        losses.distillation_losses(labels, targets, LOGITS, losses.TEACHER_ONLY)
    ) == {"loss", "distillation_loss"}
    assert set(
        losses.distillation_losses(labels, None, LOGITS, losses.LABELS_ONLY)
    ) == {"loss", "label_loss"}


@pytest.mark.parametrize("activation", ["sigmoid", "softmax"])
@pytest.mark.parametrize("kind", losses.DISTILLATION_LOSSES)
def test_large_logits_stay_finite(activation, kind):
    config = LossConfig(0.5, kind)
    loss = losses.distillation_losses(
        LABELS[activation],
        losses.teacher_scores([TEACHERS[0] * 1e4], config, activation),
        LOGITS * 1e4,
        config,
        activation,
    )["loss"]
    assert np.isfinite(loss)


@pytest.mark.parametrize(
    ("field", "value", "match"),
    [
        ("label_weight", 1.5, r"`label_weight` must be in \[0, 1\].*1.5"),
        ("distillation_loss", "mse", "`distillation_loss` must be one of"),
        ("temperature", 0.0, "`temperature` must be positive"),
        ("label_smoothing", 1.0, r"`label_smoothing` must be in \[0, 1\)"),
    ],
)
def test_a_wrong_setting_is_named(field, value, match):
    with pytest.raises(ValueError, match=match):
        LossConfig(**{field: value})
