"""Averages of the weights of a run, which are what it saves.

Both stand in for the validation, which they call.
"""

import contextlib

import keras
import tensorflow as tf


@contextlib.contextmanager
def _restored(variables):
    """Gives variables their values back when the context ends."""
    values = [variable.numpy() for variable in variables]
    try:
        yield
    finally:
        for variable, value in zip(variables, values):
            variable.assign(value)


class EpochAverage(keras.callbacks.Callback):
    """The mean of the weights after each of the last epochs.

    It validates the weights as they are, and then the mean, whose metrics go
    to the logs beside the others; they are NaN before its first epoch.

    Args:
        model: keras.Model. All its weights are averaged, the statistics of
            batch normalization too.
        validation: callback of `ofa_aec_tf.training.callbacks`.
        first_epoch: int. Counted from 1.

    Attributes:
        variables: list of tf.Variable. What has to be saved of it.

    Reference: PSLA (arXiv 2102.01243), section "weight averaging".
    """

    def __init__(self, model, validation, first_epoch):
        super().__init__()
        self._weights = [weight.value for weight in model.weights]
        self._validation = validation
        self._first_epoch = first_epoch
        self._count = tf.Variable(0.0, trainable=False)
        self._means = [
            tf.Variable(tf.zeros_like(weight), trainable=False)
            for weight in self._weights
        ]
        self.variables = [self._count, *self._means]

    def on_epoch_end(self, epoch, logs=None):
        """Validates the weights, adds them to the mean, and validates it."""
        self._validation.log_metrics(logs)
        if epoch + 1 < self._first_epoch:
            names = [name for name in logs if name.startswith("val_")]
            for name in names:
                logs[name.replace("val_", "val_averaged_")] = float("nan")
            return
        self._count.assign_add(1.0)
        for mean, weight in zip(self._means, self._weights):
            mean.assign_add((weight - mean) / self._count)
        with _restored(self._weights):
            self.apply()
            self._validation.log_metrics(logs, "val_averaged_")

    def apply(self):
        """Gives the mean to the model."""
        for weight, mean in zip(self._weights, self._means):
            weight.assign(mean)


class MovingAverage(keras.callbacks.Callback):
    """Validates the moving average of the weights that the optimizer keeps.

    Statistics of batch normalization, which the optimizer does not know, stay
    as they are: they are moving averages themselves.

    `keras.callbacks.SwapEMAWeights` is no help: it swaps by adding and
    subtracting, which rounds, and a checkpoint would have to know which of
    the two are in the model.

    Args:
        optimizer: keras.optimizers.Optimizer with `use_ema`.
        variables: list of keras.Variable. Those that it was built for.
        validation: callback of `ofa_aec_tf.training.callbacks`.

    Attributes:
        variables: empty list. The optimizer has them all.
    """

    def __init__(self, optimizer, variables, validation):
        super().__init__()
        self._optimizer = optimizer
        self._weights = variables
        self._validation = validation
        self.variables = []

    def on_epoch_end(self, epoch, logs=None):
        """Validates the average."""
        with _restored(self._weights):
            self.apply()
            self._validation.log_metrics(logs)

    def apply(self):
        """Gives the average to the model."""
        self._optimizer.finalize_variable_values(self._weights)
