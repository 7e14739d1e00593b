"""Validation after every epoch: of the weights, and of their average."""

import math

import keras
from absl import logging

from ofa_aec_tf.evaluation.metrics import coverage_notes

PLAIN = "val_"
AVERAGED = "val_averaged_"


class Validation(keras.callbacks.Callback):
    """Adds validation metrics to the logs of an epoch.

    `val_mAP` and the like are of the weights as they train. If the run saves
    an average of the weights, that is validated too, as `val_averaged_mAP`,
    which is NaN as long as there is none.

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
        self._has_noted = False

    def on_epoch_end(self, epoch, logs=None):
        """Validates."""
        metrics = self._metrics()
        logs |= {f"{PLAIN}{name}": value for name, value in metrics.items()}
        if self._average is None:
            return
        if self._average.has_begun:
            with self._average.in_model():
                metrics = self._metrics()
        else:
            metrics = dict.fromkeys(metrics, math.nan)
        logs |= {f"{AVERAGED}{name}": value for name, value in metrics.items()}

    def _metrics(self):
        found = {}
        for role, metrics in self._run.validate(self._batches):
            if not self._has_noted:
                self._has_noted = True
                # The clips are the same for all roles and epochs.
                for note in coverage_notes(metrics, "validation"):
                    logging.warning("%s", note)
            found[f"{role}mAP"] = metrics["mAP"]
            if metrics["accuracy"] is not None:
                found[f"{role}accuracy"] = metrics["accuracy"]
        return found
