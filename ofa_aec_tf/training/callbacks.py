"""Validation, learning rate and history of a run."""

import csv
import pathlib

import keras
import tensorflow as tf
from absl import logging

from ofa_aec_tf.evaluation import batch_norm_calibration
from ofa_aec_tf.evaluation.evaluator import evaluate
from ofa_aec_tf.evaluation.metrics import coverage_notes
from ofa_aec_tf.models.logits import logits_model
from ofa_aec_tf.models.logits import ranking_logits
from ofa_aec_tf.runs import workdir


class _Validation(keras.callbacks.Callback):
    """Adds metrics to the logs of an epoch.

    A subclass says which models it validates, in `map_names`, the names of
    their mAP in the logs, and `_metrics_of_models`.
    """

    _has_noted = False

    def on_epoch_end(self, epoch, logs=None):
        """Validates the weights as they are."""
        self.log_metrics(logs)

    def log_metrics(self, logs, prefix="val_"):
        """Validates, and adds the metrics to some logs.

        Args:
            logs: dict.
            prefix: str. What their names begin with.
        """
        for model, metrics in self._metrics_of_models():
            if not self._has_noted:
                self._has_noted = True
                # The clips are the same for all models and epochs.
                for note in coverage_notes(metrics, "validation"):
                    logging.warning("%s", note)
            logs[f"{prefix}{model}mAP"] = metrics["mAP"]
            if metrics["accuracy"] is not None:
                logs[f"{prefix}{model}accuracy"] = metrics["accuracy"]


class NoValidation(_Validation):
    """Adds nothing: for data without clips to validate on."""

    map_names = ()

    def _metrics_of_models(self):
        return ()


class NetworkValidation(_Validation):
    """Adds the validation metrics of a network to the logs of an epoch.

    Args:
        network: keras.Model from log-mel spectrograms to logits.
        score_activation: one of `SCORE_ACTIVATIONS`.
        batches: tf.data.Dataset of dicts with `log_mel` and `labels`.
        class_map: ClassMap.
        label_type: str.
    """

    map_names = ("val_mAP",)

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

    def _metrics_of_models(self):
        yield (
            "",
            evaluate(
                self._predict,
                ((b["log_mel"], b["labels"].numpy()) for b in self._batches),
                self._class_map,
                self._label_type,
            ),
        )


class CalibratedValidation(NetworkValidation):
    """Adds the metrics of the plain network that a run would save now.

    Args:
        calibrated: CalibratedNetwork.
        score_activation: one of `SCORE_ACTIVATIONS`.
        batches: tf.data.Dataset of dicts with `log_mel` and `labels`.
        class_map: ClassMap.
        label_type: str.
    """

    def __init__(
        self, calibrated, score_activation, batches, class_map, label_type
    ):
        super().__init__(
            logits_model(calibrated.network),
            score_activation,
            batches,
            class_map,
            label_type,
        )
        self._calibrated = calibrated

    def _metrics_of_models(self):
        self._calibrated.update()
        yield from super()._metrics_of_models()


class SupernetValidation(_Validation):
    """Adds the metrics of the smallest and the largest subnet to the logs.

    Each is calibrated first, on training clips.

    Args:
        supernet: Supernet.
        batches: tf.data.Dataset of dicts with `log_mel` and `labels`.
        calibration_batches: list of arrays of log-mel spectrograms.
        class_map: ClassMap.
        label_type: str.
    """

    map_names = ("val_smallest_mAP", "val_largest_mAP")

    def __init__(
        self, supernet, batches, calibration_batches, class_map, label_type
    ):
        super().__init__()
        self._supernet = supernet
        self._batches = batches
        self._calibration_batches = calibration_batches
        self._class_map = class_map
        self._label_type = label_type

    def _metrics_of_models(self):
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
            yield f"{role}_", metrics


class Plateau(keras.callbacks.Callback):
    """Lowers the learning rate when the validation gets no better.

    It decides as `keras.callbacks.ReduceLROnPlateau` without `min_delta`, and
    has its state in variables, so that a resumed run decides alike.

    Args:
        rate: AdjustableRate of the optimizer.
        factor: float. What the rate is multiplied by.
        patience: int. Epochs without a better mAP before that.
        map_names: tuple of str. Names in the logs; their mean counts.

    Attributes:
        variables: list of tf.Variable. What has to be saved of it.
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
        """Logs the learning rate of the epoch, and sets that of the next.

        Raises:
            ValueError: if the validation has no mAP.
        """
        logs["learning_rate"] = float(self._rate.peak.numpy())
        values = [logs[name] for name in self._map_names]
        if None in values:
            raise ValueError(
                "A plateau of the mAP needs a mAP: no class has clips in the "
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
        # Without a row that a full disk has cut short.
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
