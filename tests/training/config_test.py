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
    sampling="uniform",
    skip_corrupt=False,
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
        ("largest_steps", 200, "`largest_steps` must not exceed"),
        ("num_calibration_clips", 0, "`num_calibration_clips` must be"),
        ("num_subnets", 0, "uniform rule needs at least 1"),
        ("block_dropout", 1.0, r"`block_dropout` must be in \[0, 1\)"),
        ("head_dropout", -0.1, r"`head_dropout` must be in \[0, 1\)"),
    ],
)
def test_a_wrong_setting_is_named(field, value, match):
    with pytest.raises(ValueError, match=match):
        dataclasses.replace(VALID, **{field: value})
