"""Models that are trained further than the run that made them."""

import json

import keras
import numpy as np
import pytest

from ofa_aec_tf.data.model_info import ModelInfo
from ofa_aec_tf.families.networks import load_model
from ofa_aec_tf.families.networks import load_supernet
from ofa_aec_tf.runs import workdir
from ofa_aec_tf.training.stages import STAGES
from tests.training.training_runs import TINY
from tests.training.training_runs import check_one_line_error
from tests.training.training_runs import run

# So that a start can be told in what has come of it.
HARDLY = "--learning_rate=1e-9"


def train(stage, data_dir, directory, *arguments):
    if stage == "supernet":
        arguments = ("--label_weight=1", *arguments)
    return run(
        f"--stage={stage}",
        f"--data_dir={data_dir}",
        f"--workdir={directory}",
        *arguments,
    )


def trained(stage, data_dir, directory, *arguments):
    result = train(stage, data_dir, directory, *arguments)
    assert result.returncode == 0, result.stderr
    return directory / STAGES[stage].file_name


@pytest.fixture
def supernet(models):
    return models["supernet"]


@pytest.fixture
def teacher(models):
    return models["teacher"]


@pytest.fixture(scope="module")
def small(data_dir, tmp_path_factory):
    directory = tmp_path_factory.mktemp("small")
    return trained("scratch", data_dir, directory, "--subnet=smallest", *TINY)


def check_starts_with(path, initial):
    ours, theirs = (load_model(model) for model in (path, initial))
    for weight, expected in zip(
        ours.trainable_weights, theirs.trainable_weights, strict=True
    ):
        np.testing.assert_allclose(weight, expected, atol=1e-6)


def test_a_supernet_starts_from_a_supernet(supernet, data_dir, tmp_path):
    path = trained(
        "supernet",
        data_dir,
        tmp_path,
        f"--initial={supernet}",
        HARDLY,
        "--seed=1",
        *TINY,
    )
    check_starts_with(path, supernet)
    identity = json.loads((tmp_path / "run.json").read_text())["identity"]
    assert identity["initial"] == workdir.file_digest(supernet)


def test_a_saved_supernet_computes_as_it_was_told(supernet):
    loaded = load_supernet(supernet)
    assert loaded.algorithm == "direct"
    assert loaded.blocks[1].convolutions[0].algorithm == "direct"


@pytest.mark.parametrize("stage", ["teacher", "kd", "scratch"])
def test_a_network_starts_from_its_like_in_every_stage(
    small, teacher, data_dir, tmp_path, stage
):
    more = [f"--teacher={teacher}"] if stage == "kd" else []
    path = trained(
        stage, data_dir, tmp_path, f"--initial={small}", HARDLY, *TINY, *more
    )
    check_starts_with(path, small)
    recorded = ModelInfo.read(path).details["subnet"]
    assert recorded == ModelInfo.read(small).details["subnet"]
    assert recorded["block2_width"] == 0.4


def test_another_run_of_a_finished_workdir_is_told_how_to_go_on(
    supernet, data_dir
):
    result = train(
        "supernet",
        data_dir,
        supernet.parent,
        *TINY,
        "--convolution=direct",
        "--num_steps=2",
    )
    check_one_line_error(
        result,
        "holds another run: config.num_steps was 1 and is now 2",
        f"name another --workdir and --initial={supernet}.",
    )


@pytest.mark.parametrize(
    ("flag", "parts"),
    [
        (
            "--width_ratios=0.5,1.0",
            ["--width_ratios=(0.5, 1.0)", "built with: (0.4, 0.6, 0.8, 1.0)"],
        ),
        ("--depth_pattern=222", ["--depth_pattern=222", "built with: 22X"]),
        ("--network=ast", ["--network=ast", "built with: cnn10"]),
    ],
)
def test_another_space_is_refused_with_both_named(
    supernet, data_dir, tmp_path, flag, parts
):
    result = train(
        "supernet",
        data_dir,
        tmp_path / "run",
        f"--initial={supernet}",
        *TINY,
        flag,
    )
    check_one_line_error(result, *parts)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("stage", ["teacher", "kd", "scratch", "finetune"])
def test_a_network_does_not_start_from_a_supernet(
    supernet, teacher, data_dir, tmp_path, stage
):
    more = [f"--teacher={teacher}"] if stage == "kd" else []
    result = train(
        stage, data_dir, tmp_path / "run", f"--initial={supernet}", *more
    )
    check_one_line_error(
        result, f"{supernet} is a supernet", "python -m ofa_aec_tf.materialize"
    )
    assert not (tmp_path / "run").exists()


def test_a_supernet_does_not_start_from_a_network(teacher, data_dir, tmp_path):
    result = train(
        "supernet", data_dir, tmp_path / "run", f"--initial={teacher}"
    )
    check_one_line_error(
        result, f"{teacher} is a plain network", "another --stage=supernet"
    )
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    "flag", ["--subnet=width=0.8,depth=2", "--initial_weights=x.keras"]
)
def test_a_network_has_one_start(teacher, data_dir, tmp_path, flag):
    result = train(
        "scratch", data_dir, tmp_path / "run", f"--initial={teacher}", flag
    )
    check_one_line_error(result, "--initial has a network", "Received: " + flag)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("stage", ["teacher", "scratch", "kd"])
def test_the_largest_network_has_all_channels(
    teacher, data_dir, tmp_path, stage
):
    more = [f"--teacher={teacher}"] if stage == "kd" else []
    arguments = (*TINY, "--width_ratios=0.5,0.75", *more)
    result = train(stage, data_dir, tmp_path / "run", *arguments)
    check_one_line_error(
        result,
        "all --channels only where 1.0 is among the --width_ratios",
        "--subnet=width=0.75",
        "Received: --width_ratios=0.5,0.75",
    )
    assert not (tmp_path / "run").exists()


def test_a_smaller_network_can_be_named_in_such_a_space(data_dir, tmp_path):
    path = trained(
        "scratch",
        data_dir,
        tmp_path,
        *TINY,
        "--width_ratios=0.5,0.75",
        "--subnet=width=0.75,depth=2",
    )
    network = keras.models.load_model(path)
    # Block 1 is not elastic.
    assert [
        network.get_layer(f"block{block}_conv2").filters
        for block in range(1, 5)
    ] == [6, 6, 8, 9]
