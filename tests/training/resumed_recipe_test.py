"""Averages, plateaus and accumulated gradients go on where a run was killed."""

import csv
import time

import keras
import numpy as np
import pytest
import tensorflow as tf

from ofa_aec_tf.data.model_info import ModelInfo
from ofa_aec_tf.families.networks import load_supernet
from tests import commands

SMALL = (
    "--channels=6,8,10,12",
    "--hidden_units=16",
    "--batch_size=8",
    "--num_steps=24",
    "--steps_per_epoch=4",
    "--accumulation_steps=2",
    "--precision=float32",
    "--num_calibration_clips=16",
    "--deterministic",
)
# The rate is lowered often, and the second epoch is the first of the average.
PLATEAU_AND_MEAN = (
    "--stage=scratch",
    "--head_dropout=0.2",
    "--schedule=plateau",
    "--plateau_patience=1",
    "--warmup_steps=6",
    "--weight_decay=0.001",
    "--average_from_epoch=2",
    "--mixup_alpha=10",
    "--mixup_rate=0.5",
    *SMALL,
)
CALIBRATED_MEAN = (
    "--stage=scratch",
    "--head_dropout=0.2",
    "--average_from_epoch=5",
    "--calibrate_batch_norm",
    "--mixup_alpha=1",
    *SMALL,
)
SUPERNET_WITH_EMA = (
    "--stage=supernet",
    "--num_subnets=2",
    "--schedule=step",
    "--decay_start_epoch=2",
    "--decay_every_epochs=1",
    "--adam_beta_1=0.95",
    "--ema_decay=0.7",
    "--time_roll",
    "--max_roll_frames=3",
    "--label_weight=0",
    *SMALL,
)


@pytest.fixture(scope="module")
def teacher(data_dir, tmp_path_factory):
    workdir = tmp_path_factory.mktemp("teacher")
    run(
        "--stage=teacher",
        *SMALL,
        "--num_steps=4",
        f"--data_dir={data_dir}",
        f"--workdir={workdir}",
    )
    return workdir / "teacher.keras"


def run(*arguments):
    result = commands.run("ofa_aec_tf.train", *arguments)
    assert result.returncode == 0, result.stderr
    return result


def run_killed(output_dir, workdir, *arguments):
    """Kills a run after its third epoch of six, and goes on with it."""
    arguments = (*arguments, f"--workdir={workdir}")
    output_dir.mkdir()
    process = commands.start(output_dir, "ofa_aec_tf.train", *arguments)
    # What names the newest checkpoints, written when these are whole.
    checkpoint = workdir / "checkpoints" / "checkpoint"
    deadline = time.monotonic() + 300
    while not checkpoint.is_file() or "ckpt-3" not in checkpoint.read_text():
        assert process.is_alive(), "ended before it was killed"
        assert time.monotonic() < deadline
        time.sleep(0.01)
    process.kill()
    process.join()
    assert not list(workdir.glob("*.keras"))
    assert "going on after epoch" in run(*arguments).stderr


def history(workdir):
    with (workdir / "history.csv").open() as file:
        return list(csv.DictReader(file))


def check_equal(models):
    for ours, theirs in zip(*(model.get_weights() for model in models)):
        np.testing.assert_array_equal(ours, theirs)


def run_whole_and_killed(recipe, data_dir, directory):
    """The working directory of a network's run, which a killed one equals."""
    arguments = (*recipe, f"--data_dir={data_dir}")
    whole, killed = directory / "whole", directory / "killed"
    run(*arguments, f"--workdir={whole}")
    run_killed(directory / "output", killed, *arguments)
    assert history(whole) == history(killed)
    check_equal(
        keras.models.load_model(workdir / "subnet.keras", compile=False)
        for workdir in (whole, killed)
    )
    return whole


@pytest.mark.slow
def test_plateau_and_mean_of_epochs(data_dir, tmp_path):
    whole = run_whole_and_killed(PLATEAU_AND_MEAN, data_dir, tmp_path)
    rows = history(whole)
    assert len(rows) == 6
    averaged = [float(row["val_averaged_mAP"]) for row in rows]
    assert np.isnan(averaged[0]) and np.isfinite(averaged[1:]).all()
    # The mean of one epoch is that epoch.
    assert averaged[1] == float(rows[1]["val_mAP"])
    rates = [float(row["learning_rate"]) for row in rows]
    assert rates[0] == pytest.approx(0.001)
    assert rates == sorted(rates, reverse=True) and rates[-1] < rates[0]
    check_saved_is_what_was_validated_last(whole, data_dir, averaged[-1])


@pytest.mark.slow
def test_calibrated_mean_of_epochs(data_dir, tmp_path):
    whole = run_whole_and_killed(CALIBRATED_MEAN, data_dir, tmp_path)
    averaged = float(history(whole)[-1]["val_averaged_mAP"])
    check_saved_is_what_was_validated_last(whole, data_dir, averaged)


def check_saved_is_what_was_validated_last(workdir, data_dir, mean_ap):
    result = commands.run(
        "ofa_aec_tf.evaluate",
        f"--model={workdir / 'subnet.keras'}",
        f"--data_dir={data_dir}",
        "--split=validation",
    )
    assert f" {mean_ap:.4f} " in result.stdout


@pytest.mark.slow
def test_supernet_with_moving_average(data_dir, teacher, tmp_path):
    arguments = (
        *SUPERNET_WITH_EMA,
        f"--data_dir={data_dir}",
        f"--teacher={teacher}",
    )
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    run(*arguments, f"--workdir={whole}")
    run_killed(tmp_path / "output", killed, *arguments)
    assert history(whole) == history(killed)
    check_equal(
        load_supernet(directory / "supernet.keras")
        for directory in (whole, killed)
    )
    # The model was lost after the last epoch: its average is saved again.
    again = load_supernet(whole / "supernet.keras")
    (whole / "supernet.keras").unlink()
    run(*arguments, f"--workdir={whole}")
    check_equal([again, load_supernet(whole / "supernet.keras")])
    assert ModelInfo.read(whole / "supernet.keras").details["stage"] == (
        "supernet"
    )
    names = {"smallest_mAP", "largest_mAP"}
    rows = history(whole)
    assert {name for name in rows[0] if "val" in name} == {
        prefix + name for prefix in ("val_", "val_averaged_") for name in names
    }
    assert any(
        row["val_averaged_largest_mAP"] != row["val_largest_mAP"]
        for row in rows
    )


def test_a_checkpoint_has_the_scale_of_float16(data_dir, tmp_path):
    run(
        "--stage=scratch",
        *SMALL,
        "--precision=float16",
        "--num_steps=4",
        f"--data_dir={data_dir}",
        f"--workdir={tmp_path}",
    )
    saved = tf.train.load_checkpoint(str(tmp_path / "checkpoints"))
    scalars = [
        saved.get_tensor(name)
        for name, shape in saved.get_variable_to_shape_map().items()
        if not shape and saved.get_variable_to_dtype_map()[name] == tf.float32
    ]
    # Where Keras begins, or less after an overflow.
    powers = [2.0**power for power in range(9, 16)]
    assert len([scale for scale in scalars if scale in powers]) == 1


@pytest.mark.parametrize(
    ("arguments", "parts"),
    [
        (
            ["--decay_factor=0.1"],
            ["--decay_factor is for --schedule=step|plateau", "=constant"],
        ),
        (
            ["--schedule=plateau", "--decay_start_epoch=3"],
            ["--decay_start_epoch is for --schedule=step"],
        ),
        (
            ["--stage=supernet", "--calibrate_batch_norm"],
            ["--calibrate_batch_norm is for --stage=teacher|kd|scratch"],
        ),
        (["--max_roll_frames=3"], ["--max_roll_frames is for --time_roll"]),
        (["--mixup_rate=0.5"], ["--mixup_rate is for --mixup_alpha"]),
        (
            ["--ema_decay=0.9", "--average_from_epoch=1"],
            ["A run has one average", "ema_decay=0.9"],
        ),
    ],
)
def test_settings_that_have_no_part_are_refused(arguments, parts, tmp_path):
    result = commands.run(
        "ofa_aec_tf.train",
        "--stage=scratch",
        f"--data_dir={tmp_path}",
        f"--workdir={tmp_path / 'run'}",
        *arguments,
    )
    assert result.returncode == 2
    (line,) = result.stderr.strip().splitlines()
    for part in parts:
        assert part in line
