"""The protocol of training runs."""

import abc
from collections.abc import Callable

import keras
from absl import logging

from ofa_aec_tf.evaluation.evaluator import evaluate
from ofa_aec_tf.evaluation.metrics import coverage_notes
from ofa_aec_tf.training.job import TrainingJob


class TrainingRun(abc.ABC):
    """One kind of training: what it trains, validates and saves.

    Steps, averages, checkpoints and the learning rate act on it without
    knowing which kind it is. A subclass builds `model` and `distiller` when it
    is created, in the precision scope of the run, after the seed has been set.

    Args:
        job: TrainingJob.

    Attributes:
        job: TrainingJob.
        model: keras.Model. Its weights train, and averages are of them.
        distiller: keras.Model with the training step. It holds `model`.
        plateau_metrics: tuple of str. Names of metrics of `validate`, whose
            mean `--schedule=plateau` expects to grow.
    """

    model: keras.Model
    distiller: keras.Model
    plateau_metrics: tuple[str, ...]

    def __init__(self, job: TrainingJob):
        self.job = job

    @abc.abstractmethod
    def validate(self, batches) -> dict[str, float | None]:
        """Metrics of the current weights.

        Args:
            batches: tf.data.Dataset of dicts with `log_mel` and `labels`.
        """

    @abc.abstractmethod
    def finished_model(self) -> keras.Model:
        """The model to save, with the current weights, in float32."""


class ClassifierRun(TrainingRun):
    """Base of runs whose networks are validated as classifiers of clips."""

    _has_noted = False

    def classifier_metrics(
        self, predict: Callable, batches, prefix: str = ""
    ) -> dict[str, float | None]:
        """The mAP of a network, and its accuracy on single-label data.

        Args:
            predict: function from log-mel spectrograms to logits, both float32
                tensors.
            batches: as for `validate`.
            prefix: str. Begins the names of the metrics.
        """
        metrics = evaluate(
            predict,
            ((b["log_mel"], b["labels"].numpy()) for b in batches),
            self.job.dataset.class_map,
            self.job.dataset.label_type,
        )
        if not self._has_noted:
            self._has_noted = True
            # The clips are the same for all networks and epochs.
            for note in coverage_notes(metrics, "validation"):
                logging.warning("%s", note)
        found = {f"{prefix}mAP": metrics["mAP"]}
        if metrics["accuracy"] is not None:
            found[f"{prefix}accuracy"] = metrics["accuracy"]
        return found
