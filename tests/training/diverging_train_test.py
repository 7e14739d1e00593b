"""Trainings whose numbers are none: what they end with, and what they leave."""

import csv
import shutil

import keras
import numpy as np
import pytest
import tensorflow as tf

from tests import commands
from tests.synthetic_data import write_dataset
from tests.training.training_runs import SMALL
from tests.training.training_runs import check_error
from tests.training.training_runs import check_one_line_error
from tests.training.training_runs import run

TOO_FAST = "--learning_rate=1e30"


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory):
    """Without validation clips, whose scores would not be finite either."""
    directory = tmp_path_factory.mktemp("data")
    write_dataset(directory, num_clips=(24, 0, 6))
    return directory


@pytest.fixture(scope="module")
def teacher(data_dir, tmp_path_factory):
    directory = tmp_path_factory.mktemp("teacher")
    result = train("teacher", data_dir, directory)
    assert result.returncode == 0, result.stderr
    return directory / "teacher.keras"


def train(stage, data_dir, directory, *arguments):
    return run(
        f"--stage={stage}",
        f"--data_dir={data_dir}",
        f"--workdir={directory}",
        *SMALL,
        *arguments,
    )


def changed(model_path, directory, change):
    """A copy of a model and its record, with other weights.

    Args:
        model_path: pathlib.Path of a `.keras` file.
        directory: pathlib.Path, where the copy goes.
        change: function of the model.

    Returns:
        pathlib.Path of the copy.
    """
    model = keras.models.load_model(model_path, compile=False)
    change(model)
    directory.mkdir(exist_ok=True)
    copy = directory / model_path.name
    model.save(copy)
    shutil.copy(model_path.with_suffix(".json"), directory)
    return copy


def spoil(model):
    """Makes one weight of a model NaN."""
    bias = model.get_layer("hidden").weights[1]
    bias.assign(tf.tensor_scatter_nd_update(bias, [[3]], [np.nan]))


def overflow(model):
    """Finite weights whose sums of products are not."""
    kernel, bias = model.get_layer("logits").weights
    kernel.assign(np.full(kernel.shape, 3e38, np.float32))


@pytest.mark.parametrize(
    ("stage", "more"),
    [
        ("scratch", ["--ema_decay=0.9"]),
        ("supernet", ["--label_weight=1", "--num_subnets=2"]),
        ("kd", ["teacher"]),
        ("finetune", ["initial"]),
    ],
    ids=["scratch", "supernet", "kd", "finetune"],
)
def test_it_names_epoch_step_and_learning_rate(
    data_dir, teacher, tmp_path, stage, more
):
    more = [
        f"--{flag}={teacher}" if flag in ("teacher", "initial") else flag
        for flag in more
    ]
    result = train(stage, data_dir, tmp_path, TOO_FAST, *more)
    check_error(
        result,
        "diverged in epoch 1 of 3",
        "--learning_rate=1e+30",
        "The loss of step 2 is nan",
        "a lower --learning_rate",
    )
    assert not list(tmp_path.rglob("*.keras"))
    assert not list(tmp_path.rglob("ckpt-*"))


def test_a_run_without_a_checkpoint_gives_way_to_another(data_dir, tmp_path):
    result = train("teacher", data_dir, tmp_path, TOO_FAST)
    check_error(result, "The loss of step 2 is nan")
    result = train("teacher", data_dir, tmp_path)
    assert result.returncode == 0, result.stderr
    rows = list(csv.reader((tmp_path / "history.csv").open()))
    assert [row[0] for row in rows] == ["epoch", "0", "1", "2"]


# The last step of an epoch has a loss of the weights before it.
@pytest.mark.parametrize("more", [[], ["--ema_decay=0.9"]])
def test_weights_are_looked_at_before_they_are_saved(data_dir, tmp_path, more):
    result = train(
        "teacher",
        data_dir,
        tmp_path,
        "--num_steps=1",
        "--steps_per_epoch=1",
        "--learning_rate=1e39",
        *more,
    )
    check_error(
        result,
        "diverged in epoch 1 of 1, at --learning_rate=1e+39",
        "The network holds numbers that are not finite",
        "input_bn/gamma",
    )
    assert not list(tmp_path.rglob("ckpt-*"))
    assert not (tmp_path / "teacher.keras").exists()


def test_the_last_good_checkpoint_stays(data_dir, tmp_path):
    # The rate is 0 in the first step; the second makes weights too large.
    result = train(
        "teacher",
        data_dir,
        tmp_path,
        "--num_steps=3",
        "--steps_per_epoch=1",
        "--warmup_steps=3",
        TOO_FAST,
    )
    check_error(
        result,
        "diverged in epoch 3 of 3",
        f"in another --workdir: {tmp_path} keeps the checkpoint after epoch 2",
    )
    reader = tf.train.load_checkpoint(str(tmp_path / "checkpoints"))
    assert reader.get_tensor("num_epochs/.ATTRIBUTES/VARIABLE_VALUE") == 2
    for name in reader.get_variable_to_shape_map():
        if "VARIABLE_VALUE" in name:
            assert np.isfinite(reader.get_tensor(name)).all()


def test_what_calibration_makes_infinite_is_not_saved(data_dir, tmp_path):
    # Weights of 1e24, whose outputs have variances of more than 1e38.
    result = train(
        "teacher",
        data_dir,
        tmp_path,
        "--num_steps=1",
        "--steps_per_epoch=1",
        "--learning_rate=1e24",
        "--calibrate_batch_norm",
    )
    check_error(
        result,
        f"What was to be {tmp_path / 'teacher.keras'} holds numbers that",
        "moving_variance",
        "Nothing was saved",
    )
    assert not list(tmp_path.glob("*.keras"))


@pytest.mark.parametrize(
    ("stage", "flag"),
    [
        ("kd", "teacher"),
        ("finetune", "initial"),
        ("scratch", "initial_weights"),
    ],
)
def test_a_spoiled_model_is_no_start_and_no_teacher(
    data_dir, teacher, tmp_path, stage, flag
):
    spoiled = changed(teacher, tmp_path / "spoiled", spoil)
    more = ["--label_weight=1"] if stage == "finetune" else []
    result = train(
        stage, data_dir, tmp_path / "run", f"--{flag}={spoiled}", *more
    )
    check_error(
        result,
        f"{spoiled} holds numbers that are not finite",
        "hidden/bias",
        "use another model",
    )


def test_a_teacher_that_says_infinity_teaches_nothing(
    data_dir, teacher, tmp_path
):
    path = changed(teacher, tmp_path / "loud", overflow)
    result = train("kd", data_dir, tmp_path / "run", f"--teacher={path}")
    check_error(result, "A teacher's logits are not finite")
    result = commands.run(
        "ofa_aec_tf.store_logits",
        f"--teacher={path}",
        f"--data_dir={data_dir}",
        f"--workdir={tmp_path / 'logits'}",
        "--num_views=1",
    )
    check_error(result, "What the teachers compute holds numbers", "in view 1")
    assert not list((tmp_path / "logits").glob("*.npy"))


def unfinished(run_dir):
    """A run that was killed after its last checkpoint, and that checkpoint."""
    (run_dir / "teacher.keras").unlink()
    return run_dir / "checkpoints" / "ckpt-3"


def test_a_spoiled_checkpoint_is_not_gone_on_from(data_dir, teacher, tmp_path):
    run_dir = shutil.copytree(teacher.parent, tmp_path / "run")
    path = unfinished(run_dir)
    reader = tf.train.load_checkpoint(str(path))
    values = {
        name.split("/")[1]: reader.get_tensor(name)
        for name in reader.get_variable_to_shape_map()
        if name.startswith("variables/")
    }
    # The first is a vector: the scales of the mel bands.
    values["0000"] = np.full_like(values["0000"], np.nan)
    checkpoint = tf.train.Checkpoint(
        num_epochs=tf.Variable(3, dtype=tf.int64),
        variables={name: tf.Variable(value) for name, value in values.items()},
    )
    checkpoint.save_counter.assign(2)
    assert checkpoint.save(str(path.with_name("ckpt"))) == str(path)
    result = train("teacher", data_dir, run_dir)
    check_error(
        result,
        f"The checkpoint {path} holds numbers that are not finite",
        f"Delete {path.parent} to start over, or name another --workdir",
    )
    assert path.with_name("ckpt-2.index").is_file()


def test_a_damaged_checkpoint_is_named(data_dir, teacher, tmp_path):
    run_dir = shutil.copytree(teacher.parent, tmp_path / "run")
    path = unfinished(run_dir)
    data = path.with_name("ckpt-3.data-00000-of-00001")
    data.write_bytes(data.read_bytes()[:100])
    result = train("teacher", data_dir, run_dir)
    check_error(result, f"The checkpoint {path} cannot be read", "Delete")


def test_a_checkpoint_that_cannot_be_written_is_named(data_dir, tmp_path):
    (tmp_path / "checkpoints").write_text("no directory")
    result = train("teacher", data_dir, tmp_path)
    check_error(
        result, "The checkpoint after epoch 1 cannot be written", "Make room"
    )


@pytest.mark.parametrize(
    "flag", ["learning_rate", "weight_decay", "temperature", "gain_db"]
)
def test_a_setting_that_is_no_number_is_refused(data_dir, tmp_path, flag):
    for value in ("nan", "inf"):
        result = train(
            "teacher", data_dir, tmp_path / "run", f"--{flag}={value}"
        )
        check_one_line_error(
            result,
            f"`{flag}` must be a finite number. Received: {flag}={value}",
        )
    assert not (tmp_path / "run").exists()
