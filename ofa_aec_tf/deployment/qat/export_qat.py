"""Quantization-aware training for `export`: its flags, clips and loss."""

import dataclasses
from collections.abc import Iterable
from collections.abc import Iterator

import keras
import tensorflow as tf
from absl import flags

from ofa_aec_tf.command_flags import path_flags
from ofa_aec_tf.data import input_pipeline
from ofa_aec_tf.data.augmentation_config import AugmentationConfig
from ofa_aec_tf.data.dataset_info import DatasetInfo
from ofa_aec_tf.data.model_info import ModelInfo
from ofa_aec_tf.deployment import log_mel_windows
from ofa_aec_tf.deployment.qat import quantization_aware_training
from ofa_aec_tf.deployment.qat.fine_tuning import FineTuning
from ofa_aec_tf.deployment.tflite.converter import INT8_QAT
from ofa_aec_tf.models.logits import logits_model
from ofa_aec_tf.models.logits import score_activation
from ofa_aec_tf.training import losses
from ofa_aec_tf.training.config import LossConfig
from ofa_aec_tf.training.teachers import load_teacher

_ENGINE = flags.DEFINE_enum(
    "qat_engine",
    quantization_aware_training.KERAS,
    quantization_aware_training.ENGINES,
    "What mode int8_qat trains with: Keras itself, or "
    "tensorflow-model-optimization (extra `qat`).",
)
_STEPS = flags.DEFINE_integer(
    "qat_steps",
    200,
    "Steps of mode int8_qat; with 0 it only calibrates.",
    lower_bound=0,
)
_LEARNING_RATE = flags.DEFINE_float(
    "qat_learning_rate",
    1e-4,
    "Learning rate of the first of these steps.",
    lower_bound=0.0,
)
_BATCH_SIZE = flags.DEFINE_integer(
    "qat_batch_size", 16, "Clips of such a step.", lower_bound=1
)
_LABEL_WEIGHT = flags.DEFINE_float(
    "qat_label_weight",
    0.0,
    "Weight of the labels in the loss of mode int8_qat; the teacher has the "
    "rest.",
    lower_bound=0.0,
    upper_bound=1.0,
)
_TEACHER = path_flags.define_path(
    "teacher",
    None,
    "Network whose scores mode int8_qat is trained on; by default the network "
    "that is exported, as it was before rounding.",
)
_FLAGS = (
    _ENGINE,
    _STEPS,
    _LEARNING_RATE,
    _BATCH_SIZE,
    _LABEL_WEIGHT,
    _TEACHER,
)


@dataclasses.dataclass(frozen=True)
class Source:
    """Where the clips are.

    Args:
        data_dir: path of preprocessed data; its training split is read.
        dataset: DatasetInfo of it.
        num_frames: int. Frames of the windows to train on.
        seed: int. Of the clips of each step, and of their windows.
        skip_corrupt: bool. As in RandomAccessReader.
    """

    data_dir: str
    dataset: DatasetInfo
    num_frames: int
    seed: int
    skip_corrupt: bool


def check_flags(dataset: DatasetInfo, modes: Iterable[str]) -> None:
    """Refuses flags without use, a missing engine and a teacher of other data.

    Args:
        dataset: DatasetInfo.
        modes: iterable of str. Modes that are exported.

    Raises:
        ValueError: naming the flag, what to install, or how the teacher
            differs.
    """
    if INT8_QAT not in modes:
        unused = [flag.name for flag in _FLAGS if flag.present]
        if unused:
            raise ValueError(
                f"--{unused[0]} is for mode {INT8_QAT}. Received: "
                f"modes {sorted(set(modes))}"
            )
        return
    quantization_aware_training.load_engine(_ENGINE.value)
    if _TEACHER.value is not None:
        ModelInfo.read(_TEACHER.value).check_matches(dataset)


def _teacher(network):
    if _TEACHER.value is not None:
        details = ModelInfo.read(_TEACHER.value).details
        return load_teacher(_TEACHER.value, details, score_activation(network))
    logits = logits_model(network)
    return lambda log_mel: logits(log_mel, training=False)


def _batches(source: Source) -> Iterator[dict]:
    dataset = input_pipeline.make_train_dataset(
        source.data_dir,
        source.dataset,
        _BATCH_SIZE.value,
        first_step=0,
        last_step=_STEPS.value,
        seed=source.seed,
        augmentation=AugmentationConfig(
            num_time_masks=0, num_frequency_masks=0
        ),
        skip_corrupt=source.skip_corrupt,
    )
    with input_pipeline.reading_errors():
        for step, batch in enumerate(dataset):
            windows = log_mel_windows.random_windows(
                batch["log_mel"].numpy(), source.num_frames, source.seed + step
            )
            yield {
                "log_mel": tf.constant(windows),
                "labels": batch["labels"],
            }


def quantize(
    network: keras.Model, calibration_clips, source: Source
) -> quantization_aware_training.QuantizedNetwork:
    """Trains a network for int8, as the flags say.

    Args:
        network: keras.Model, under the policy float32; left as it is.
        calibration_clips: float32 array of shape (num_clips, num_frames,
            num_mel_bins), in dB, from the training split.
        source: Source.

    Returns:
        QuantizedNetwork.

    Raises:
        ValueError: as `quantization_aware_training.quantize` does, or for a
            damaged record.
    """
    fine_tuning = None
    if _STEPS.value:
        teacher = _teacher(network)
        config = LossConfig(label_weight=_LABEL_WEIGHT.value)
        activation = score_activation(network)

        def loss(log_mel, labels, logits):
            targets = losses.teacher_scores(
                [teacher(log_mel)], config, activation
            )
            return losses.distillation_losses(
                labels, targets, logits, config, activation
            )["loss"]

        fine_tuning = FineTuning(
            _batches(source), loss, _STEPS.value, _LEARNING_RATE.value
        )
    return quantization_aware_training.quantize(
        network,
        source.num_frames,
        source.dataset.frontend.num_mel_bins,
        _ENGINE.value,
        calibration_clips,
        fine_tuning,
    )


def report() -> dict:
    """How mode int8_qat trains, as a dict of JSON types."""
    return {
        "engine": _ENGINE.value,
        "steps": _STEPS.value,
        "learning_rate": _LEARNING_RATE.value,
        "batch_size": _BATCH_SIZE.value,
        "label_weight": _LABEL_WEIGHT.value,
        "teacher": _TEACHER.value,
    }
