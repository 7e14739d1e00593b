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
    """Validates moving averages of the weights, and those are saved.

    The optimizer keeps those of what it trains. Statistics of batch
    normalization, which it does not know, have the same average here: those
    of the last steps belong to other weights than the average.

    `keras.callbacks.SwapEMAWeights` is no help: it swaps by adding and
    subtracting, which rounds, and a checkpoint would have to know which of
    the two are in the model.

    Args:
        model: keras.Model.
        optimizer: keras.optimizers.Optimizer with `use_ema`.
        variables: list of keras.Variable. Those that it was built for.
        validation: callback of `ofa_aec_tf.training.callbacks`.
        decay: float. Of the statistics, a batch.

    Attributes:
        variables: list of tf.Variable. What has to be saved of it beside the
            optimizer.
    """

    def __init__(self, model, optimizer, variables, validation, decay):
        super().__init__()
        self._optimizer = optimizer
        self._weights = variables
        self._validation = validation
        self._decay = decay
        self._statistics = [
            weight.value
            for weight in model.non_trainable_weights
            if weight.dtype == "float32"
        ]
        self._averages = [
            tf.Variable(tf.zeros_like(value), trainable=False)
            for value in self._statistics
        ]
        self._has_begun = tf.Variable(False, trainable=False)
        self.variables = []
        if self._statistics:
            self.variables = [self._has_begun, *self._averages]

    def on_train_batch_end(self, batch, logs=None):
        """Adds the statistics to their averages."""
        if self._statistics:
            self._update()

    @tf.function(jit_compile=False)
    def _update(self):
        # The first are their own average, as with the optimizer's.
        decay = tf.where(self._has_begun, self._decay, 0.0)
        for average, value in zip(self._averages, self._statistics):
            average.assign(decay * average + (1.0 - decay) * value)
        self._has_begun.assign(True)

    def on_epoch_end(self, epoch, logs=None):
        """Validates the averages."""
        with _restored([*self._weights, *self._statistics]):
            self.apply()
            self._validation.log_metrics(logs)

    def apply(self):
        """Gives the averages to the model."""
        self._optimizer.finalize_variable_values(self._weights)
        if self._has_begun:
            for value, average in zip(self._statistics, self._averages):
                value.assign(average)
