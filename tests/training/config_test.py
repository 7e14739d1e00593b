"""Validation of the settings of a run."""

import dataclasses

import pytest

from ofa_aec_tf.data.augmentation import AugmentationConfig
from ofa_aec_tf.training.config import TrainConfig
from ofa_aec_tf.training.losses import LossConfig
from ofa_aec_tf.training.optimization import OptimizerConfig

VALID = TrainConfig(
    stage="supernet",
    seed=0,
    num_steps=100,
    steps_per_epoch=10,
    batch_size=4,
    optimizer=OptimizerConfig(schedule="cosine", warmup_steps=5),
    loss=LossConfig(label_weight=0.0),
    num_subnets=4,
    sampling_rule="uniform",
    largest_steps=20,
    block_dropout=0.0,
    head_dropout=0.0,
    precision="float32",
    convolution="auto",
    num_validation_clips=0,
    num_calibration_clips=32,
    calibrate_batch_norm=False,
    sampling="uniform",
    skip_corrupt=False,
    average_from_epoch=0,
    augmentation=AugmentationConfig(),
)


def test_epochs_follow_from_steps():
    assert VALID.num_epochs == 10


@pytest.mark.parametrize(
    ("field", "value", "match"),
    [
        ("stage", "other", "`stage` must be one of"),
        ("sampling_rule", "best", "`sampling_rule` must be one of"),
        ("precision", "int8", "`precision` must be one of"),
        ("convolution", "fft", "`convolution` must be one of.*winograd"),
        ("sampling", "fair", "`sampling` must be one of.*class_balanced"),
        ("num_steps", 0, "`num_steps` must be at least 1"),
        ("num_steps", 101, "multiple of `steps_per_epoch`"),
        ("batch_size", 0, "`batch_size` must be at least 1"),
        ("seed", -1, "`seed` must be at least 0"),
        (
            "optimizer",
            OptimizerConfig(warmup_steps=101),
            "`warmup_steps` must not exceed num_steps=100",
        ),
        ("largest_steps", 100, "`largest_steps` must be less than.*=100"),
        ("num_calibration_clips", 0, "`num_calibration_clips` must be"),
        ("num_subnets", 0, "uniform rule needs at least 1"),
        ("block_dropout", 1.0, r"`block_dropout` must be in \[0, 1\)"),
        ("head_dropout", -0.1, r"`head_dropout` must be in \[0, 1\)"),
        ("average_from_epoch", -1, "`average_from_epoch` must be at least 0"),
        ("average_from_epoch", 11, "must not exceed the number of epochs, 10"),
        (
            "optimizer",
            OptimizerConfig(accumulation_steps=3),
            "multiple of `accumulation_steps`.*accumulation_steps=3",
        ),
        (
            "optimizer",
            OptimizerConfig(schedule="step", decay_start_epoch=10),
            "`decay_start_epoch` must be less than the number of epochs, 10",
        ),
    ],
)
def test_a_wrong_setting_is_named(field, value, match):
    with pytest.raises(ValueError, match=match):
        dataclasses.replace(VALID, **{field: value})


def test_weights_have_one_average():
    with pytest.raises(ValueError, match="average_from_epoch=2, ema_decay=0.9"):
        dataclasses.replace(
            VALID,
            average_from_epoch=2,
            optimizer=OptimizerConfig(ema_decay=0.9),
        )
