"""The train command, run as a user runs it."""

import json
import time

import keras
import numpy as np
import pytest

from ofa_aec_tf.data.model_info import ModelInfo
from ofa_aec_tf.families.networks import load_supernet
from ofa_aec_tf.runs import workdir
from tests import commands
from tests.synthetic_data import write_dataset
from tests.training.training_runs import SMALL
from tests.training.training_runs import check_one_line_error
from tests.training.training_runs import run


@pytest.fixture(scope="module")
def teacher(data_dir, tmp_path_factory):
    workdir = tmp_path_factory.mktemp("teacher")
    result = run(
        "--stage=teacher",
        f"--data_dir={data_dir}",
        f"--workdir={workdir}",
        "--block_dropout=0.1",
        *SMALL,
    )
    assert result.returncode == 0, result.stderr
    return workdir / "teacher.keras"


def test_teacher_is_a_plain_model_with_a_record_of_its_run(teacher):
    model = keras.models.load_model(teacher, compile=False)
    assert not any("dropout" in layer.name for layer in model.layers)
    info = ModelInfo.read(teacher)
    assert info.details["stage"] == "teacher"
    assert info.details["subnet"]["block4_width"] == 1.0
    workdir = teacher.parent
    assert "--stage=teacher" in (workdir / "flags.cfg").read_text()
    record = json.loads((workdir / "run.json").read_text())
    assert record["identity"]["config"]["num_steps"] == 12
    assert record["versions"]["keras"] == keras.__version__
    rows = (workdir / "history.csv").read_text().splitlines()
    assert rows[0] == "epoch,label_loss,loss,val_mAP"
    assert [row.split(",")[0] for row in rows[1:]] == ["0", "1", "2"]
    assert list((workdir / "tensorboard").rglob("events.*"))


def test_a_finished_run_is_left_as_it_is(teacher, data_dir):
    before = teacher.stat().st_mtime_ns
    result = run(
        "--stage=teacher",
        f"--data_dir={data_dir}",
        f"--workdir={teacher.parent}",
        "--block_dropout=0.1",
        *SMALL,
    )
    assert result.returncode == 0, result.stderr
    assert teacher.stat().st_mtime_ns == before


def test_other_settings_in_the_same_workdir_are_refused(teacher, data_dir):
    result = run(
        "--stage=teacher",
        f"--data_dir={data_dir}",
        f"--workdir={teacher.parent}",
        *SMALL,
        "--learning_rate=0.5",
    )
    check_one_line_error(
        result,
        "holds another run",
        "config.optimizer.learning_rate was 0.001 and is now 0.5",
        "another --workdir",
    )


def supernet_arguments(data_dir, teacher, workdir):
    return (
        "--stage=supernet",
        f"--data_dir={data_dir}",
        f"--teacher={teacher}",
        f"--workdir={workdir}",
        "--largest_steps=2",
        "--num_subnets=2",
        "--deterministic",
        *SMALL,
    )


@pytest.fixture(scope="module")
def supernet(data_dir, teacher, tmp_path_factory):
    workdir = tmp_path_factory.mktemp("supernet")
    result = run(*supernet_arguments(data_dir, teacher, workdir))
    assert result.returncode == 0, result.stderr
    return workdir / "supernet.keras"


@pytest.mark.slow
def test_killed_and_resumed_equals_uninterrupted_bit_for_bit(
    data_dir, teacher, supernet, tmp_path
):
    arguments = supernet_arguments(data_dir, teacher, tmp_path)
    process = commands.start(tmp_path, "ofa_aec_tf.train", *arguments)
    # What names the newest checkpoint, written when that is whole.
    checkpoint = tmp_path / "checkpoints" / "checkpoint"
    deadline = time.monotonic() + 300
    while not checkpoint.is_file():
        assert process.is_alive(), "ended before it was killed"
        assert time.monotonic() < deadline
        time.sleep(0.01)
    process.kill()
    process.join()
    assert not (tmp_path / "supernet.keras").exists()
    # With all that a user sees of the start of TensorFlow.
    result = commands.run_afresh("ofa_aec_tf.train", *arguments)
    assert "log messages" not in result.stderr
    assert result.returncode == 0, result.stderr
    assert "going on after epoch" in result.stderr
    expected = load_supernet(supernet).get_weights()
    for ours, theirs in zip(
        load_supernet(tmp_path / "supernet.keras").get_weights(), expected
    ):
        np.testing.assert_array_equal(ours, theirs)
    # To the byte, line ends included.
    assert (tmp_path / "history.csv").read_bytes() == (
        supernet.parent / "history.csv"
    ).read_bytes()


def test_supernet_logs_its_smallest_and_largest_subnet(supernet):
    header = (supernet.parent / "history.csv").read_text().splitlines()[0]
    assert header.split(",") == [
        "epoch",
        "distillation_loss",
        "kl_divergence",
        "loss",
        "val_largest_mAP",
        "val_smallest_mAP",
    ]


@pytest.mark.slow
def test_kd_takes_a_recorded_subnet_and_finetune_continues_it(
    data_dir, teacher, supernet, tmp_path
):
    subnet = {
        "block2_width": 0.4,
        "block3_width": 0.6,
        "block4_depth": 1,
        "block4_width": 0.8,
    }
    common = [f"--data_dir={data_dir}", f"--teacher={teacher}", *SMALL]
    result = run(
        "--stage=kd",
        f"--workdir={tmp_path / 'kd'}",
        f"--subnet={json.dumps(subnet)}",
        *common,
    )
    assert result.returncode == 0, result.stderr
    first = tmp_path / "kd" / "subnet.keras"
    assert ModelInfo.read(first).details["subnet"] == subnet
    result = run(
        "--stage=finetune",
        f"--workdir={tmp_path / 'finetune'}",
        f"--initial={first}",
        "--label_weight=0.5",
        *common,
        "--learning_rate=0.0000001",
    )
    assert result.returncode == 0, result.stderr
    second = tmp_path / "finetune" / "subnet.keras"
    assert ModelInfo.read(second).details["subnet"] == subnet
    kernels = [
        keras.models.load_model(path).get_layer("block3_conv1").get_weights()[0]
        for path in (first, second)
    ]
    # Continued, at next to no learning rate, not begun anew.
    np.testing.assert_allclose(kernels[0], kernels[1], atol=1e-4)
    assert not np.array_equal(kernels[0], kernels[1])
    result = run(
        "--stage=scratch",
        f"--workdir={tmp_path / 'scratch'}",
        f"--data_dir={data_dir}",
        f"--subnet={second.with_suffix('.json')}",
        *SMALL,
    )
    assert result.returncode == 0, result.stderr
    info = ModelInfo.read(tmp_path / "scratch" / "subnet.keras")
    assert info.details["subnet"] == subnet
    assert info.details["stage"] == "scratch"


@pytest.mark.parametrize(
    ("arguments", "parts"),
    [
        (["--stage=best"], ["--stage=best", "teacher|supernet|kd"]),
        (["--stage=kd"], ["needs a --teacher", "--teacher=None"]),
        (["--stage=supernet"], ["needs a --teacher", "weight of 0"]),
        (
            ["--stage=kd", "--teacher=x", "--label_weight=1"],
            ["--label_weight below 1"],
        ),
        (
            ["--stage=teacher", "--teacher=x.keras"],
            ["--teacher is for --stage=supernet|kd|finetune"],
        ),
        (
            ["--stage=scratch", "--largest_steps=3"],
            ["--largest_steps is for --stage=supernet"],
        ),
        (["--stage=finetune", "--teacher=x"], ["needs --initial"]),
        (
            ["--stage=supernet", "--teacher=x", "--head_dropout=0.5"],
            ["--head_dropout is for", "--stage=supernet"],
        ),
        (["--stage=scratch", "--label_weight=2"], ["at most 1"]),
        (
            ["--stage=scratch", "--num_steps=10", "--steps_per_epoch=3"],
            ["num_steps=10", "multiple of `steps_per_epoch`"],
        ),
        (["--stage=scratch", "--steps=3"], ["Unknown command line flag"]),
        (["--stage=scratch", "extra"], ["expected only flags", "extra"]),
        (
            ["--stage=scratch", "--channels=8,a,8,8"],
            ["--channels must be numbers", "8,a,8,8"],
        ),
        (
            ["--stage=scratch", '--subnet={"block4_depth": 3}'],
            ["block2_width", "[0.4, 0.6, 0.8, 1.0]"],
        ),
        (["--stage=scratch", "--subnet=medium"], ["`smallest`, `largest`"]),
        (["--flagfile=none.cfg"], ["none.cfg"]),
        (["--stage=scratch", "--num_subnets=x"], ["num_subnets", "x"]),
    ],
)
def test_a_wrong_flag_ends_in_one_line(arguments, parts, data_dir, tmp_path):
    result = run(
        f"--data_dir={data_dir}", f"--workdir={tmp_path / 'run'}", *arguments
    )
    check_one_line_error(result, *parts)
    assert not (tmp_path / "run").exists()


def test_a_recorded_subnet_is_not_built_with_other_channels(
    teacher, data_dir, tmp_path
):
    result = run(
        "--stage=scratch",
        f"--data_dir={data_dir}",
        f"--workdir={tmp_path / 'run'}",
        f"--subnet={teacher.with_suffix('.json')}",
        *SMALL,
        "--channels=6,8,10,16",
    )
    check_one_line_error(
        result, "--channels=(6, 8, 10, 16)", "(6, 8, 10, 12)", "Leave it out"
    )


def test_missing_data_says_how_to_make_it(tmp_path):
    result = run(
        "--stage=teacher",
        f"--data_dir={tmp_path / 'nothing'}",
        f"--workdir={tmp_path / 'run'}",
    )
    check_one_line_error(
        result, "no preprocessed data", "python -m data_pipeline.preprocess"
    )


def test_a_teacher_of_other_data_is_refused(teacher, tmp_path):
    write_dataset(tmp_path, clip_seconds=1.0)
    result = run(
        "--stage=kd",
        f"--data_dir={tmp_path}",
        f"--workdir={tmp_path / 'run'}",
        f"--teacher={teacher}",
        *SMALL,
    )
    check_one_line_error(
        result, "clip length", "Model: 0.5", "Data: 1.0", "train again"
    )
    assert not (tmp_path / "run").exists()


def test_two_runs_do_not_share_a_workdir(data_dir, tmp_path):
    with workdir.lock(tmp_path):
        result = run(
            "--stage=scratch",
            f"--data_dir={data_dir}",
            f"--workdir={tmp_path}",
            *SMALL,
        )
    check_one_line_error(result, "Another process is writing into")
    assert not list(tmp_path.iterdir())
