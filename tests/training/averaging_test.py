"""Averages of weights, against those that NumPy makes of their history."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from ofa_aec_tf.training import averaging
from ofa_aec_tf.training.config import OptimizerConfig
from ofa_aec_tf.training.optimization import make_optimizer


def make_model():
    """A network with statistics: inputs are 3 numbers, outputs 2."""
    keras.utils.set_random_seed(0)
    model = keras.Sequential(
        [
            keras.layers.Input((3,)),
            keras.layers.BatchNormalization(momentum=0.5),
            keras.layers.Dense(2),
        ]
    )
    return model


def change_weights(model, rng):
    model.set_weights(
        [rng.random(w.shape).astype(np.float32) for w in model.get_weights()]
    )
    return model.get_weights()


def averaged_weights(average, model):
    """The weights that a validation of the average sees."""
    with average.in_model():
        return model.get_weights()


def test_mean_is_over_the_epochs_from_the_first_on():
    model, rng = make_model(), np.random.default_rng(0)
    average = averaging.EpochAverage(model, first_epoch=2)
    history = []
    for epoch in range(4):
        history.append(change_weights(model, rng))
        average.on_epoch_end(epoch)
        assert average.has_begun == (epoch > 0)
        if epoch > 0:
            means = [np.mean(w, axis=0) for w in zip(*history[1:])]
            for ours, theirs in zip(averaged_weights(average, model), means):
                np.testing.assert_allclose(ours, theirs, rtol=1e-6)
        # Training goes on from where it was.
        for ours, theirs in zip(model.get_weights(), history[-1]):
            np.testing.assert_array_equal(ours, theirs)
    average.apply()
    # Scale, shift, moving mean and variance, kernel, bias.
    assert len(means) == 6
    for ours, theirs in zip(model.get_weights(), means):
        np.testing.assert_allclose(ours, theirs, rtol=1e-6)


def test_all_that_the_mean_is_can_be_saved():
    model, rng = make_model(), np.random.default_rng(0)
    first, second = (
        averaging.EpochAverage(model, first_epoch=1) for _ in range(2)
    )
    first.on_epoch_end(0)
    change_weights(model, rng)
    for saved, restored in zip(first.variables, second.variables):
        restored.assign(saved)
    assert second.has_begun
    first.on_epoch_end(1)
    second.on_epoch_end(1)
    for ours, theirs, now in zip(
        averaged_weights(second, model),
        averaged_weights(first, model),
        model.get_weights(),
    ):
        np.testing.assert_array_equal(ours, theirs)
        assert not np.array_equal(ours, now)


def test_moving_average_is_validated_and_training_goes_on_without_it():
    model, rng = make_model(), np.random.default_rng(0)
    config = OptimizerConfig(learning_rate=0.1, ema_decay=0.8)
    optimizer = make_optimizer(config, 0.1)
    variables = model.trainable_variables
    optimizer.build(variables)
    average = averaging.MovingAverage(model, optimizer, variables, 0.8)
    expected, statistics = None, model.layers[0].moving_mean
    for _ in range(5):
        gradients = [
            tf.constant(rng.normal(size=v.shape), tf.float32) for v in variables
        ]
        optimizer.apply(gradients, variables)
        statistics.assign(statistics + 1)
        average.on_train_batch_end(0)
        values = [v.numpy() for v in variables]
        expected = (
            values
            if expected is None
            else [0.8 * e + 0.2 * v for e, v in zip(expected, values)]
        )
    # Statistics of batch normalization are no weights of the optimizer; they
    # were 1, 2, 3, 4 and 5.
    mean = 0.8**4 * 1 + 0.2 * (0.8**3 * 2 + 0.8**2 * 3 + 0.8 * 4 + 5)
    assert average.has_begun
    seen = averaged_weights(average, model)
    np.testing.assert_allclose(seen[0], expected[0], rtol=1e-5)
    np.testing.assert_allclose(seen[2], np.full(3, mean), rtol=1e-6)
    for variable, value in zip(variables, values):
        np.testing.assert_array_equal(variable.numpy(), value)
    np.testing.assert_array_equal(statistics.numpy(), np.full(3, 5.0))
    average.apply()
    average.apply()
    for variable, value in zip(variables, expected):
        np.testing.assert_allclose(variable.numpy(), value, rtol=1e-5)
    np.testing.assert_allclose(statistics.numpy(), np.full(3, mean), rtol=1e-6)
    assert len(average.variables) == 1 + 2


def test_weights_are_restored_though_a_validation_fails():
    model, rng = make_model(), np.random.default_rng(0)
    average = averaging.EpochAverage(model, first_epoch=1)
    average.on_epoch_end(0)
    before = change_weights(model, rng)
    with pytest.raises(ValueError, match="no clips"):
        with average.in_model():
            raise ValueError("no clips")
    for ours, theirs in zip(model.get_weights(), before):
        np.testing.assert_array_equal(ours, theirs)
