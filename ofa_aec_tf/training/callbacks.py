"""The learning rate on a plateau, and the history of a run."""

import csv
import pathlib

import keras
import tensorflow as tf

from ofa_aec_tf.runs import workdir


class Plateau(keras.callbacks.Callback):
    """Lowers the learning rate when the validation mAP stops improving.

    It decides as `keras.callbacks.ReduceLROnPlateau` without `min_delta`, and
    keeps its state in variables, which a checkpoint can hold.

    Args:
        rate: AdjustableRate of the optimizer.
        factor: float. Multiplies the rate.
        patience: int. Epochs without a better mAP before that.
        map_names: sequence of str. Names in the logs, whose mean counts.

    Attributes:
        variables: list of tf.Variable. What a checkpoint has to hold of it.
    """

    def __init__(self, rate, factor, patience, map_names):
        super().__init__()
        self._rate = rate
        self._factor = factor
        self._patience = patience
        self._map_names = map_names
        # Worse than any mAP.
        self._best = tf.Variable(-1.0, False, dtype=tf.float64)
        self._num_worse = tf.Variable(0, False, dtype=tf.int64)
        self.variables = [rate.peak, self._best, self._num_worse]

    def on_epoch_end(self, epoch, logs=None):
        """Logs the learning rate of the epoch, and sets the next one.

        Raises:
            ValueError: if the validation has no mAP.
        """
        logs["learning_rate"] = float(self._rate.peak.numpy())
        values = [logs[name] for name in self._map_names]
        if None in values:
            raise ValueError(
                "--schedule=plateau needs a mAP, and no class has clips in the "
                "validation. Use another --schedule, or validate on more clips."
            )
        value = sum(values) / len(values)
        if value > self._best.numpy():
            self._best.assign(value)
            self._num_worse.assign(0)
            return
        self._num_worse.assign_add(1)
        if self._num_worse.numpy() >= self._patience:
            self._rate.peak.assign(self._rate.peak * self._factor)
            self._num_worse.assign(0)


def history_logger(directory, num_finished_epochs):
    """A CSV log of epochs, which a resumed run continues.

    Args:
        directory: the run's work directory.
        num_finished_epochs: int. Later rows, of an epoch that has no
            checkpoint, are dropped.

    Returns:
        keras.callbacks.CSVLogger.
    """
    path = pathlib.Path(directory) / workdir.HISTORY
    if path.is_file():
        with path.open(newline="", encoding="utf-8") as file:
            lines = list(csv.reader(file))
        # Without a row that a full disk has truncated.
        kept = lines[:1] + [
            line
            for line in lines[1:]
            if len(line) == len(lines[0]) and int(line[0]) < num_finished_epochs
        ]
        # With the line ends of CSVLogger, as if it had not been interrupted.
        text = "".join(",".join(line) + "\r\n" for line in kept)
        content = text if len(kept) > 1 else ""
        workdir.write_bytes(path, content.encode())
    return keras.callbacks.CSVLogger(path, append=True)
