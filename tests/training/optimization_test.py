"""The learning rate of a run, and the settings of its optimizer."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from ofa_aec_tf.training.config import OptimizerConfig
from ofa_aec_tf.training.optimization import learning_rate
from ofa_aec_tf.training.optimization import make_optimizer

COSINE = {"learning_rate": 1e-3, "schedule": "cosine", "warmup_steps": 5}


def rates(steps, **changes):
    config = OptimizerConfig(**{**COSINE, **changes})
    schedule = learning_rate(config, num_steps=100, steps_per_epoch=10)
    if isinstance(schedule, float):
        return [schedule] * len(steps)
    return [float(schedule(step)) for step in steps]


def test_cosine_with_warm_up():
    expected = [0.0, 0.2e-3, 1e-3]
    np.testing.assert_allclose(rates([0, 1, 5]), expected, atol=1e-9)
    # Half of the remaining 95 steps, and all of them.
    np.testing.assert_allclose(rates([52.5, 100]), [0.5e-3, 0.0], atol=1e-8)


def test_constant_with_and_without_warm_up():
    np.testing.assert_allclose(
        rates([0, 1, 5, 50, 100], schedule="constant"),
        [0.0, 0.2e-3, 1e-3, 1e-3, 1e-3],
        rtol=1e-6,
    )
    assert rates([0, 99], schedule="constant", warmup_steps=0) == [1e-3, 1e-3]


def test_cosine_without_warm_up():
    np.testing.assert_allclose(
        rates([0, 50, 100], warmup_steps=0), [1e-3, 0.5e-3, 0], atol=1e-8
    )


def test_gradients_are_clipped_where_asked_for():
    clipped = make_optimizer(OptimizerConfig(clip_norm=2.0), 1e-3)
    assert clipped.global_clipnorm == 2.0
    assert make_optimizer(OptimizerConfig(), 1e-3).global_clipnorm is None


def test_steps_halve_the_rate_after_epochs():
    # Epochs of 10 steps; the first three and then every two.
    settings = {
        "schedule": "step",
        "warmup_steps": 0,
        "decay_start_epoch": 3,
        "decay_every_epochs": 2,
    }
    np.testing.assert_allclose(
        rates([0, 29, 30, 49, 50, 69, 70, 89, 90, 99], **settings),
        np.array([1, 1, 0.5, 0.5, 0.25, 0.25, 0.125, 0.125, 0.0625, 0.0625])
        * 1e-3,
        rtol=1e-6,
    )
    third = rates([29, 30, 50], decay_factor=0.1, **settings)
    np.testing.assert_allclose(third, [1e-3, 1e-4, 1e-5], rtol=1e-6)


@pytest.mark.parametrize("schedule", ["step", "plateau"])
def test_other_schedules_warm_up_too(schedule):
    np.testing.assert_allclose(
        rates([0, 1, 4, 5, 29], schedule=schedule, decay_start_epoch=3),
        [0.0, 0.2e-3, 0.8e-3, 1e-3, 1e-3],
        rtol=1e-6,
    )


def test_a_lowered_rate_is_warmed_up_as_well():
    config = OptimizerConfig(schedule="plateau", warmup_steps=4)
    schedule = learning_rate(config, num_steps=100, steps_per_epoch=10)
    schedule.peak.assign(schedule.peak * 0.5)
    np.testing.assert_allclose(
        [float(schedule(step)) for step in (1, 4, 50)],
        [0.125e-3, 0.5e-3, 0.5e-3],
    )


def test_a_traced_step_sees_the_lowered_rate():
    config = OptimizerConfig(schedule="plateau", learning_rate=0.1)
    schedule = learning_rate(config, num_steps=100, steps_per_epoch=10)
    optimizer = make_optimizer(config, schedule)
    weight = keras.Variable(np.zeros(1, np.float32))
    optimizer.build([weight])
    apply = tf.function(lambda: optimizer.apply([tf.ones(1)], [weight]))
    apply()
    first = weight.numpy()[0]
    schedule.peak.assign(0.01)
    apply()
    # Equal gradients: each update of Adam is as large as the rate.
    np.testing.assert_allclose(
        [first, weight.numpy()[0] - first], [-0.1, -0.01], rtol=1e-4
    )


def run_adam(gradients, rate=0.1, start=2.0, **settings):
    """The values of a weight after each of some gradients."""
    optimizer = make_optimizer(OptimizerConfig(**settings), rate)
    weight = keras.Variable(np.array([start], np.float32))
    optimizer.build([weight])
    values = []
    for gradient in gradients:
        optimizer.apply([tf.constant([gradient], tf.float32)], [weight])
        values.append(float(weight.numpy()[0]))
    return values


def test_adam_adds_decay_to_gradients_as_pytorch_does():
    gradients = [0.3, -0.2, 0.5, 0.1]
    weight, mean, square, expected = 2.0, 0.0, 0.0, []
    for step, gradient in enumerate(gradients, 1):
        gradient += 0.4 * weight
        mean = 0.95 * mean + 0.05 * gradient
        square = 0.999 * square + 0.001 * gradient**2
        root = np.sqrt(square / (1 - 0.999**step))
        weight -= 0.1 * mean / (1 - 0.95**step) / root
        expected.append(weight)
    ours = run_adam(gradients, beta_1=0.95, weight_decay=0.4)
    np.testing.assert_allclose(ours, expected, rtol=1e-4)
    assert abs(run_adam(gradients, beta_1=0.95)[-1] - ours[-1]) > 0.01


def test_accumulated_gradients_are_their_mean_of_every_few():
    gradients = [0.3, -0.5, 0.1, 0.7, 0.2, -0.4]
    means = np.reshape(gradients, (2, 3)).mean(1)
    values = run_adam(gradients, accumulation_steps=3, weight_decay=0.1)
    expected = run_adam(means, weight_decay=0.1)
    np.testing.assert_allclose(values[2::3], expected, rtol=1e-6)
    assert values[:2] == [2.0, 2.0] and values[3:5] == [values[2]] * 2


def test_schedules_count_steps_not_updates():
    config = OptimizerConfig(
        learning_rate=0.1, warmup_steps=10, accumulation_steps=2
    )
    schedule = learning_rate(config, num_steps=100, steps_per_epoch=10)
    # Equal gradients: updates are as large as the rates of steps 1 and 3,
    # those of the second batch of each.
    values = run_adam([1.0] * 4, schedule, 0.0, accumulation_steps=2)
    np.testing.assert_allclose(values, [0, -0.01, -0.01, -0.04], atol=1e-5)


@pytest.mark.parametrize(
    ("field", "value", "match"),
    [
        ("schedule", "linear", "`schedule` must be one of .*cosine"),
        ("learning_rate", 0.0, "`learning_rate` must be more than 0"),
        ("warmup_steps", -1, "`warmup_steps` must be at least 0"),
        ("clip_norm", -0.5, "`clip_norm` must be at least 0"),
        ("decay_factor", 1.0, "`decay_factor` must be less than 1"),
        ("decay_start_epoch", 0, "`decay_start_epoch` must be at least 1"),
        ("decay_every_epochs", 0, "`decay_every_epochs` must be at least 1"),
        ("plateau_patience", 0, "`plateau_patience` must be at least 1"),
        ("beta_1", 1.0, "`beta_1` must be less than 1"),
        ("ema_decay", 1.0, "`ema_decay` must be less than 1"),
        ("weight_decay", -1.0, "`weight_decay` must be at least 0"),
        ("accumulation_steps", 0, "`accumulation_steps` must be at least 1"),
    ],
)
def test_a_wrong_setting_is_named(field, value, match):
    with pytest.raises(ValueError, match=match):
        OptimizerConfig(**{field: value})
