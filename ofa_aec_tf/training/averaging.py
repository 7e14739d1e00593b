"""Averages of the weights of a run, which are saved in their place.

Training continues with the weights themselves. The model gets their average
for its validation, and at the end of the run.
"""

import contextlib

import keras
import tensorflow as tf


class _Average(keras.callbacks.Callback):
    """An average of the variables of a model.

    A subclass has `apply`, which assigns the average to them.

    Args:
        averaged: list of variables.

    Attributes:
        variables: list of tf.Variable. What a checkpoint has to hold of it.
    """

    def __init__(self, averaged):
        super().__init__()
        self._averaged = averaged
        self.variables = []

    @contextlib.contextmanager
    def in_model(self):
        """Gives the average to the model for as long as the context lasts."""
        values = [variable.numpy() for variable in self._averaged]
        try:
            self.apply()
            yield
        finally:
            for variable, value in zip(self._averaged, values):
                variable.assign(value)


class EpochAverage(_Average):
    """The mean of the weights after each of the last epochs.

    Args:
        model: keras.Model. All its weights are averaged, the statistics of
            batch normalization too.
        first_epoch: int. Counted from 1.

    Reference: PSLA (arXiv 2102.01243), section "weight averaging".
    """

    def __init__(self, model, first_epoch):
        super().__init__([weight.value for weight in model.weights])
        self._first_epoch = first_epoch
        self._count = tf.Variable(0.0, trainable=False)
        self._means = [
            tf.Variable(tf.zeros_like(weight), trainable=False)
            for weight in self._averaged
        ]
        self.variables = [self._count, *self._means]

    @property
    def has_begun(self):
        """Whether there is an average yet."""
        return bool(self._count.numpy())

    def on_epoch_end(self, epoch, logs=None):
        """Adds the weights to the mean."""
        if epoch + 1 < self._first_epoch:
            return
        self._count.assign_add(1.0)
        for mean, weight in zip(self._means, self._averaged):
            mean.assign_add((weight - mean) / self._count)

    def apply(self):
        """Gives the mean to the model."""
        for weight, mean in zip(self._averaged, self._means):
            weight.assign(mean)


class MovingAverage(_Average):
    """The exponential moving average of the weights, step by step.

    The optimizer keeps the averages of what it trains. The statistics of batch
    normalization, which it does not know, are averaged here with the same
    decay: those of the last steps fit the last weights, not the average.

    `keras.callbacks.SwapEMAWeights` is no help: it swaps by adding and
    subtracting, which rounds, and a checkpoint would have to know which of
    the two are in the model.

    Args:
        model: keras.Model.
        optimizer: keras.optimizers.Optimizer with `use_ema`.
        variables: list of keras.Variable. Those that it was built for.
        decay: float. Decay per step, for the statistics.
    """

    # From the first step on, which comes before any validation.
    has_begun = True

    def __init__(self, model, optimizer, variables, decay):
        statistics = [
            weight.value
            for weight in model.non_trainable_weights
            if weight.dtype == "float32"
        ]
        super().__init__([*variables, *statistics])
        self._optimizer = optimizer
        self._weights = variables
        self._decay = decay
        self._statistics = statistics
        self._averages = [
            tf.Variable(tf.zeros_like(value), trainable=False)
            for value in statistics
        ]
        self._has_statistics = tf.Variable(False, trainable=False)
        if statistics:
            self.variables = [self._has_statistics, *self._averages]

    def on_train_batch_end(self, batch, logs=None):
        """Adds the statistics to their averages."""
        if self._statistics:
            self._update()

    @tf.function(jit_compile=False)
    def _update(self):
        # The first are their own average, as in the optimizer.
        decay = tf.where(self._has_statistics, self._decay, 0.0)
        for average, value in zip(self._averages, self._statistics):
            average.assign(decay * average + (1.0 - decay) * value)
        self._has_statistics.assign(True)

    def apply(self):
        """Gives the averages to the model."""
        self._optimizer.finalize_variable_values(self._weights)
        if self._has_statistics:
            for value, average in zip(self._statistics, self._averages):
                value.assign(average)


def make_average(config, model, optimizer, variables):
    """The average that the settings ask for, or None.

    Args:
        config: TrainConfig.
        model: keras.Model.
        optimizer: the built optimizer of the run.
        variables: list of keras.Variable. Those that it trains.
    """
    if config.optimizer.ema_decay:
        return MovingAverage(
            model, optimizer, variables, config.optimizer.ema_decay
        )
    if config.average_from_epoch:
        return EpochAverage(model, config.average_from_epoch)
    return None
