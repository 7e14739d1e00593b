"""Validation of the settings of a run."""

import dataclasses

import pytest

from ofa_aec_tf.training.config import LossConfig
from ofa_aec_tf.training.config import OptimizerConfig
from ofa_aec_tf.training.config import TrainConfig

VALID = TrainConfig(
    stage="supernet",
    num_steps=100,
    steps_per_epoch=10,
    batch_size=4,
    optimizer=OptimizerConfig(schedule="cosine", warmup_steps=5),
    loss=LossConfig(label_weight=0.0),
    largest_steps=20,
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
        ("num_subnets", 0, "`num_subnets` must be at least 1"),
        ("seed", 2**31, "`seed` must be at most 2147483647"),
        ("block_dropout", 1.0, "`block_dropout` must be less than 1"),
        ("head_dropout", -0.1, "`head_dropout` must be at least 0"),
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
    with pytest.raises(ValueError, match="one average.*epoch=2, ema_decay=0.9"):
        dataclasses.replace(
            VALID,
            average_from_epoch=2,
            optimizer=OptimizerConfig(ema_decay=0.9),
        )


def test_the_sandwich_rule_needs_two_subnets():
    with pytest.raises(ValueError, match="sandwich rule needs at least 2"):
        dataclasses.replace(VALID, sampling_rule="sandwich", num_subnets=1)


@pytest.mark.parametrize(
    ("loss", "match"),
    [
        (LossConfig(temperature=2.0), "--temperature has no part.*weight of 1"),
        (
            LossConfig(label_weight=0.0, label_smoothing=0.1),
            "--label_smoothing has no part.*weight of 0",
        ),
    ],
)
def test_what_the_loss_does_not_use_is_refused(loss, match):
    with pytest.raises(ValueError, match=match):
        dataclasses.replace(VALID, loss=loss)
