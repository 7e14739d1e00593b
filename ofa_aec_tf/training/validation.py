"""Validation after every epoch: of the weights, and of their average."""

import math

import keras

PLAIN = "val_"
AVERAGED = "val_averaged_"


class Validation(keras.callbacks.Callback):
    """Adds validation metrics to the logs of an epoch.

    `val_mAP` and the like are of the weights as they train. If the run saves
    an average of the weights, that is validated too, as `val_averaged_mAP`,
    which is NaN before there is one.

    Args:
        run: TrainingRun.
        batches: tf.data.Dataset of dicts with `log_mel` and `labels`.
        average: callback of `ofa_aec_tf.training.averaging`, or None.
    """

    def __init__(self, run, batches, average=None):
        super().__init__()
        self._run = run
        self._batches = batches
        self._average = average

    def on_epoch_end(self, epoch, logs=None):
        """Validates."""
        metrics = self._run.validate(self._batches)
        logs |= {f"{PLAIN}{name}": value for name, value in metrics.items()}
        if self._average is None:
            return
        if self._average.has_begun:
            with self._average.in_model():
                metrics = self._run.validate(self._batches)
        else:
            metrics = dict.fromkeys(metrics, math.nan)
        logs |= {f"{AVERAGED}{name}": value for name, value in metrics.items()}
