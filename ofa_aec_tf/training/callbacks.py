"""Validation, checkpoints and history of a run."""

import csv
import pathlib

import keras
import tensorflow as tf

from ofa_aec_tf import workdir
from ofa_aec_tf.evaluation import batch_norm_calibration
from ofa_aec_tf.evaluation.evaluator import evaluate
from ofa_aec_tf.models.logits import ranking_logits


class NetworkValidation(keras.callbacks.Callback):
    """Adds the validation metrics of a network to the logs of an epoch.

    Args:
        network: keras.Model from log-mel spectrograms to logits.
        score_activation: one of `SCORE_ACTIVATIONS`.
        batches: tf.data.Dataset of dicts with `log_mel` and `labels`.
        class_map: ClassMap.
        label_type: str.
    """

    def __init__(
        self, network, score_activation, batches, class_map, label_type
    ):
        super().__init__()
        self._predict = tf.function(
            lambda log_mel: ranking_logits(
                network(log_mel, training=False), score_activation
            ),
            reduce_retracing=True,
            jit_compile=False,
        )
        self._batches = batches
        self._class_map = class_map
        self._label_type = label_type

    def on_epoch_end(self, epoch, logs=None):
        metrics = evaluate(
            self._predict,
            ((b["log_mel"], b["labels"].numpy()) for b in self._batches),
            self._class_map,
            self._label_type,
        )
        _log_metrics(logs, "val_", metrics)


class SupernetValidation(keras.callbacks.Callback):
    """Adds the metrics of the smallest and the largest subnet to the logs.

    Each is calibrated first, on training clips.

    Args:
        supernet: Supernet.
        batches: tf.data.Dataset of dicts with `log_mel` and `labels`.
        calibration_batches: list of arrays of log-mel spectrograms.
        class_map: ClassMap.
        label_type: str.
    """

    def __init__(
        self, supernet, batches, calibration_batches, class_map, label_type
    ):
        super().__init__()
        self._supernet = supernet
        self._batches = batches
        self._calibration_batches = calibration_batches
        self._class_map = class_map
        self._label_type = label_type

    def on_epoch_end(self, epoch, logs=None):
        space = self._supernet.family.search_space()
        for role, subnet in (
            ("smallest", space.smallest()),
            ("largest", space.largest()),
        ):
            moments = batch_norm_calibration.calibrate(
                self._supernet, subnet, self._calibration_batches
            )
            metrics = evaluate(
                lambda log_mel, subnet=subnet, moments=moments: ranking_logits(
                    self._supernet.predict_logits(log_mel, subnet, moments),
                    self._supernet.family.score_activation,
                ),
                (
                    (b["log_mel"].numpy(), b["labels"].numpy())
                    for b in self._batches
                ),
                self._class_map,
                self._label_type,
            )
            _log_metrics(logs, f"val_{role}_", metrics)


def _log_metrics(logs, prefix, metrics):
    logs[f"{prefix}mAP"] = metrics["mAP"]
    if metrics["accuracy"] is not None:
        logs[f"{prefix}accuracy"] = metrics["accuracy"]


class ResumableTraining(keras.callbacks.Callback):
    """Saves everything that a run is, after every epoch.

    Weights, optimizer, seed generators and the number of finished epochs go
    into one checkpoint, written beside the old one and named current only
    when whole: a run that is killed goes on from the last finished epoch and
    ends as if it had not been.

    Args:
        model: keras.Model, compiled.
        directory: where the checkpoints go.
    """

    def __init__(self, model, directory):
        super().__init__()
        self._num_epochs = tf.Variable(0, dtype=tf.int64)
        variables = [v.value for v in model.variables]
        variables += [v.value for v in model.optimizer.variables]
        self._manager = tf.train.CheckpointManager(
            tf.train.Checkpoint(
                num_epochs=self._num_epochs,
                variables={f"{i:04d}": v for i, v in enumerate(variables)},
            ),
            str(directory),
            max_to_keep=2,
        )

    def restore(self):
        """Restores the last checkpoint, where there is one.

        Returns:
            int, the number of epochs already finished.
        """
        if self._manager.latest_checkpoint:
            self._manager.checkpoint.restore(
                self._manager.latest_checkpoint
            ).assert_consumed()
        return int(self._num_epochs.numpy())

    def on_epoch_end(self, epoch, logs=None):
        self._num_epochs.assign(epoch + 1)
        self._manager.save(checkpoint_number=epoch + 1)


def history_logger(directory, num_finished_epochs):
    """A CSV log of epochs that a resumed run continues without repetition.

    Args:
        directory: the run's working directory.
        num_finished_epochs: int. Later rows, of an epoch that was cut off
            before its checkpoint, are dropped.

    Returns:
        keras.callbacks.CSVLogger.
    """
    path = pathlib.Path(directory) / workdir.HISTORY
    if path.is_file():
        with path.open(newline="", encoding="utf-8") as file:
            lines = list(csv.reader(file))
        kept = lines[:1] + [
            line for line in lines[1:] if int(line[0]) < num_finished_epochs
        ]
        text = "".join(",".join(line) + "\n" for line in kept)
        workdir.write_text(path, text if len(kept) > 1 else "")
    return keras.callbacks.CSVLogger(path, append=True)
