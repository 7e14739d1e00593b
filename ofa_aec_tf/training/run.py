"""The protocol of a training run."""

import abc
from collections.abc import Iterator

import keras

from ofa_aec_tf.training.job import TrainingJob


class TrainingRun(abc.ABC):
    """One kind of training: what it trains, validates and saves.

    Steps, averages, checkpoints and the learning rate act on it without
    knowing which kind it is. A subclass builds `model` and `distiller` within
    the precision scope of the run, after the seed has been set.

    Args:
        job: TrainingJob.

    Attributes:
        job: TrainingJob.
        model: keras.Model. Its weights train, and averages are of them.
        distiller: keras.Model with the training step. It holds `model`.
        roles: tuple of str. What is validated, as metrics name it: `role` has
            the metric `val_{role}mAP`.
    """

    model: keras.Model
    distiller: keras.Model
    roles: tuple[str, ...]

    def __init__(self, job: TrainingJob):
        self.job = job

    @abc.abstractmethod
    def validate(self, batches) -> Iterator[tuple[str, dict]]:
        """Evaluates the weights as they are now.

        Args:
            batches: tf.data.Dataset of dicts with `log_mel` and `labels`.

        Yields:
            For each role `(role, metrics)`, as `evaluate` returns them.
        """

    @abc.abstractmethod
    def finished_model(self) -> keras.Model:
        """The model to save, of the weights as they are now, in float32."""
