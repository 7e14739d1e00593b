"""Averages of weights, against those that NumPy makes of their history."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from ofa_aec_tf.training import averaging
from ofa_aec_tf.training.optimization import OptimizerConfig
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


class FirstWeight:
    """A validation whose metric is the model's first weight."""

    def __init__(self, model):
        self.seen = []
        self._model = model

    def log_metrics(self, logs, prefix="val_"):
        self.seen.append(self._model.get_weights())
        logs[f"{prefix}mAP"] = float(self._model.get_weights()[0][0])


def change_weights(model, rng):
    model.set_weights(
        [rng.random(w.shape).astype(np.float32) for w in model.get_weights()]
    )
    return model.get_weights()


def test_mean_is_over_the_epochs_from_the_first_on():
    model, rng = make_model(), np.random.default_rng(0)
    validation = FirstWeight(model)
    average = averaging.EpochAverage(model, validation, first_epoch=2)
    history, rows = [], []
    for epoch in range(4):
        history.append(change_weights(model, rng))
        rows.append({"loss": 1.0})
        average.on_epoch_end(epoch, rows[-1])
        # Training goes on from where it was.
        for ours, theirs in zip(model.get_weights(), history[-1]):
            np.testing.assert_array_equal(ours, theirs)
    assert np.isnan(rows[0]["val_averaged_mAP"])
    for epoch in range(4):
        assert rows[epoch]["val_mAP"] == history[epoch][0][0]
    for epoch in (1, 2, 3):
        np.testing.assert_allclose(
            rows[epoch]["val_averaged_mAP"],
            np.mean([weights[0][0] for weights in history[1 : epoch + 1]]),
            rtol=1e-6,
        )
    average.apply()
    expected = [np.mean(weights, axis=0) for weights in zip(*history[1:])]
    # Scale, shift, moving mean and variance, kernel, bias.
    assert len(expected) == 6
    for ours, theirs in zip(model.get_weights(), expected):
        np.testing.assert_allclose(ours, theirs, rtol=1e-6)


def test_all_that_the_mean_is_can_be_saved():
    model, rng = make_model(), np.random.default_rng(0)
    first, second = (
        averaging.EpochAverage(model, FirstWeight(model), first_epoch=1)
        for _ in range(2)
    )
    first.on_epoch_end(0, {})
    change_weights(model, rng)
    for saved, restored in zip(first.variables, second.variables):
        restored.assign(saved)
    logs = [{}, {}]
    first.on_epoch_end(1, logs[0])
    second.on_epoch_end(1, logs[1])
    assert logs[0] == logs[1]
    assert logs[0]["val_averaged_mAP"] != logs[0]["val_mAP"]


def test_moving_average_is_validated_and_training_goes_on_without_it():
    model, rng = make_model(), np.random.default_rng(0)
    config = OptimizerConfig(learning_rate=0.1, ema_decay=0.8)
    optimizer = make_optimizer(config, 0.1)
    variables = model.trainable_variables
    optimizer.build(variables)
    validation = FirstWeight(model)
    average = averaging.MovingAverage(
        model, optimizer, variables, validation, 0.8
    )
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
    logs = {}
    average.on_epoch_end(0, logs)
    np.testing.assert_allclose(logs["val_mAP"], expected[0][0], rtol=1e-5)
    for variable, value in zip(variables, values):
        np.testing.assert_array_equal(variable.numpy(), value)
    np.testing.assert_array_equal(statistics.numpy(), np.full(3, 5.0))
    average.apply()
    average.apply()
    for variable, value in zip(variables, expected):
        np.testing.assert_allclose(variable.numpy(), value, rtol=1e-5)
    # Statistics of batch normalization are no weights of the optimizer; they
    # were 1, 2, 3, 4 and 5.
    mean = 0.8**4 * 1 + 0.2 * (0.8**3 * 2 + 0.8**2 * 3 + 0.8 * 4 + 5)
    np.testing.assert_allclose(statistics.numpy(), np.full(3, mean), rtol=1e-6)
    # All validated together, the average statistics too.
    np.testing.assert_allclose(validation.seen[0][2], statistics, rtol=1e-6)
    assert len(average.variables) == 1 + 2


def test_weights_are_restored_though_a_validation_fails():
    model = make_model()
    before = model.get_weights()

    class Failing(FirstWeight):
        def log_metrics(self, logs, prefix="val_"):
            super().log_metrics(logs, prefix)
            if prefix == "val_averaged_":
                raise ValueError("no clips")

    average = averaging.EpochAverage(model, Failing(model), first_epoch=1)
    average.variables[1].assign(average.variables[1] + 9)
    with pytest.raises(ValueError, match="no clips"):
        average.on_epoch_end(0, {})
    for ours, theirs in zip(model.get_weights(), before):
        np.testing.assert_array_equal(ours, theirs)
