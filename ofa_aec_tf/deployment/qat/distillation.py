"""Quantization-aware training of a network on the scores of a teacher."""

import dataclasses
from collections.abc import Iterable

import numpy as np

from ofa_aec_tf.checks import settings
from ofa_aec_tf.checks.settings import setting
from ofa_aec_tf.data.model_info import ModelInfo
from ofa_aec_tf.deployment import log_mel_windows
from ofa_aec_tf.deployment.qat import quantization_aware_training
from ofa_aec_tf.deployment.qat.fine_tuning import FineTuning
from ofa_aec_tf.deployment.qat.quantization_aware_training import (
    QuantizedNetwork,
)
from ofa_aec_tf.models.logits import logits_model
from ofa_aec_tf.models.logits import score_activation
from ofa_aec_tf.training import losses
from ofa_aec_tf.training.config import LossConfig
from ofa_aec_tf.training.teachers import load_teacher


@dataclasses.dataclass(frozen=True)
class QatSettings(settings.Settings):
    """How mode int8_qat trains."""

    engine: str = setting(
        quantization_aware_training.KERAS,
        "What mode int8_qat trains with: Keras itself, or "
        "tensorflow-model-optimization (extra `qat`).",
        choices=quantization_aware_training.ENGINES,
        flag="qat_engine",
    )
    steps: int = setting(
        200,
        "Steps of mode int8_qat; with 0 it only calibrates.",
        at_least=0,
        flag="qat_steps",
    )
    learning_rate: float = setting(
        1e-4,
        "Learning rate of the first of these steps.",
        at_least=0,
        flag="qat_learning_rate",
    )
    batch_size: int = setting(
        16, "Clips in each of these steps.", at_least=1, flag="qat_batch_size"
    )
    label_weight: float = setting(
        0.0,
        "Weight of the labels in the loss of mode int8_qat; the teacher has "
        "the rest.",
        at_least=0,
        at_most=1,
        flag="qat_label_weight",
    )
    teacher: str | None = setting(
        None,
        "Network whose scores mode int8_qat is trained on; by default the "
        "network that is exported, as it was before rounding.",
        is_path=True,
    )


def check_can_train(qat: QatSettings, dataset) -> None:
    """Refuses an engine that is not installed, and a teacher of other data.

    Args:
        qat: QatSettings.
        dataset: DatasetInfo of the training clips.

    Raises:
        ValueError: naming what to install, or how the teacher differs.
    """
    quantization_aware_training.load_engine(qat.engine)
    if qat.teacher is not None:
        ModelInfo.read(qat.teacher).check_matches(dataset)


def _teacher(network, path):
    """A function from log-mel spectrograms to logits."""
    if path is not None:
        details = ModelInfo.read(path).details
        return load_teacher(path, details, score_activation(network))
    logits = logits_model(network)
    return lambda log_mel: logits(log_mel, training=False)


def _loss_fn(network, qat):
    teacher = _teacher(network, qat.teacher)
    config = LossConfig(label_weight=qat.label_weight)
    activation = score_activation(network)

    def loss(log_mel, labels, logits):
        targets = losses.teacher_scores([teacher(log_mel)], config, activation)
        return losses.distillation_losses(
            labels, targets, logits, config, activation
        )["loss"]

    return loss


def _windows(batches, num_frames, seed):
    """Batches of one window of each clip."""
    for step, (log_mel, labels) in enumerate(batches):
        yield (
            log_mel_windows.random_windows(log_mel, num_frames, seed + step),
            labels,
        )


def quantize(
    network,
    calibration_clips: np.ndarray,
    batches: Iterable[tuple[np.ndarray, np.ndarray]],
    qat: QatSettings,
    seed: int,
) -> QuantizedNetwork:
    """Trains a network for int8.

    Args:
        network: keras.Model, under the policy float32. It is not changed.
        calibration_clips: float32 array of shape (num_clips, num_frames,
            num_mel_bins), in dB, from the training split.
        batches: iterable of (log_mel, labels), a batch for each step: float32
            arrays of shapes (batch, any, num_mel_bins), with clips that are
            as long as `calibration_clips` or longer, and (batch,
            num_classes).
        qat: QatSettings.
        seed: int. Seed of the windows of longer clips.

    Raises:
        ValueError: as `quantization_aware_training.quantize` does.
    """
    _, num_frames, num_mel_bins = calibration_clips.shape
    fine_tuning = None
    if qat.steps:
        fine_tuning = FineTuning(
            _windows(batches, num_frames, seed),
            _loss_fn(network, qat),
            qat.steps,
            qat.learning_rate,
        )
    return quantization_aware_training.quantize(
        network,
        num_frames,
        num_mel_bins,
        qat.engine,
        calibration_clips,
        fine_tuning,
    )
