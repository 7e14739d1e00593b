"""The train command with networks other than CNN10, as a user runs it."""

import dataclasses
import json

import keras
import numpy as np
import pytest

from ofa_aec_tf.data.class_map import ClassMap
from ofa_aec_tf.data.model_info import ModelInfo
from tests import commands
from tests.synthetic_data import write_dataset
from tests.training.training_runs import check_one_line_error
from tests.training.training_runs import run

_STEPS = (
    "--batch_size=8",
    "--num_steps=2",
    "--steps_per_epoch=2",
    "--precision=float32",
)
_AST = (
    "--network=ast",
    "--ast_width=16",
    "--ast_heads=2",
    "--ast_depth=2",
    *_STEPS,
)
_EFFICIENTNET = (
    "--network=efficientnet",
    "--efficientnet_width=0.25",
    "--efficientnet_depth=0.3",
    *_STEPS,
)
_CNN10 = ("--channels=6,8,10,12", "--hidden_units=16", *_STEPS)
_NETWORKS = {"ast": _AST, "efficientnet": _EFFICIENTNET, "cnn10": _CNN10}


@pytest.fixture(scope="module")
def teachers(data_dir, tmp_path_factory):
    """Paths of a teacher of each kind of network."""
    paths = {}
    for name, arguments in _NETWORKS.items():
        workdir = tmp_path_factory.mktemp(name)
        result = run(
            "--stage=teacher",
            f"--data_dir={data_dir}",
            f"--workdir={workdir}",
            *arguments,
        )
        assert result.returncode == 0, result.stderr
        paths[name] = workdir / "teacher.keras"
    return paths


@pytest.mark.parametrize("name", ["ast", "efficientnet"])
def test_a_teacher_is_a_plain_model_with_a_record(teachers, name):
    model = keras.models.load_model(teachers[name], compile=False)
    assert model.layers[-2].name == "logits"
    details = ModelInfo.read(teachers[name]).details
    assert details["family"]["name"] == name
    assert details["subnet"] == {}
    assert details["complexity"]["parameters"] == sum(
        int(np.prod(w.shape)) for w in model.trainable_weights
    )


# Each kind of network learns from another one.
@pytest.mark.parametrize(
    ("student", "teacher"),
    [("cnn10", "ast"), ("ast", "cnn10"), ("efficientnet", "ast")],
)
def test_networks_teach_each_other(
    teachers, data_dir, tmp_path, student, teacher
):
    result = run(
        "--stage=kd",
        f"--data_dir={data_dir}",
        f"--workdir={tmp_path}",
        f"--teacher={teachers[teacher]}",
        "--label_weight=0.5",
        *_NETWORKS[student],
    )
    assert result.returncode == 0, result.stderr
    row = (tmp_path / "history.csv").read_text().splitlines()[1].split(",")
    assert np.isfinite([float(value) for value in row]).all()
    assert (tmp_path / "subnet.keras").is_file()


@pytest.mark.parametrize("name", ["ast", "efficientnet"])
def test_fine_tuning_goes_on_from_a_network(teachers, data_dir, tmp_path, name):
    result = run(
        "--stage=finetune",
        f"--data_dir={data_dir}",
        f"--workdir={tmp_path}",
        f"--initial={teachers[name]}",
        "--learning_rate=1e-9",
        *_STEPS,
    )
    assert result.returncode == 0, result.stderr
    ours, theirs = (
        keras.models.load_model(path, compile=False).trainable_weights
        for path in (tmp_path / "subnet.keras", teachers[name])
    )
    for weight, expected in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(weight, expected, atol=1e-6)


@pytest.mark.parametrize("name", ["ast", "efficientnet"])
def test_a_network_is_evaluated(teachers, data_dir, tmp_path, name):
    result = commands.run(
        "ofa_aec_tf.evaluate",
        f"--model={teachers[name]}",
        f"--data_dir={data_dir}",
        "--split=test",
        f"--output={tmp_path / 'metrics.json'}",
    )
    assert result.returncode == 0, result.stderr
    metrics = json.loads((tmp_path / "metrics.json").read_text())
    assert 0 <= metrics[str(teachers[name])]["mAP"] <= 1


def test_checkpointing_gives_the_same_network(teachers, data_dir, tmp_path):
    result = run(
        "--stage=teacher",
        f"--data_dir={data_dir}",
        f"--workdir={tmp_path}",
        "--gradient_checkpointing",
        *_AST,
    )
    assert result.returncode == 0, result.stderr
    recomputed, plain = (
        keras.models.load_model(path, compile=False).get_weights()
        for path in (tmp_path / "teacher.keras", teachers["ast"])
    )
    for ours, expected in zip(recomputed, plain, strict=True):
        np.testing.assert_allclose(ours, expected, rtol=1e-3, atol=1e-4)


def test_a_network_starts_with_one_of_other_classes(teachers, tmp_path):
    data_dir = tmp_path / "data"
    data_dir.mkdir()
    # Longer clips, and a class more, of which there are none.
    info, _ = write_dataset(data_dir, clip_seconds=0.8)
    dataclasses.replace(
        info,
        class_map=ClassMap((*info.class_map.names, "another")),
        splits={
            name: dataclasses.replace(
                split, class_counts=(*split.class_counts, 0)
            )
            for name, split in info.splits.items()
        },
    ).write(data_dir)
    result = run(
        "--stage=scratch",
        f"--data_dir={data_dir}",
        f"--workdir={tmp_path / 'run'}",
        f"--initial_weights={teachers['ast']}",
        "--learning_rate=1e-9",
        *_AST,
    )
    assert result.returncode == 0, result.stderr
    trained, ours = (
        keras.models.load_model(path, compile=False)
        for path in (teachers["ast"], tmp_path / "run" / "subnet.keras")
    )
    assert ours.output_shape == (None, 4)
    for expected, started in zip(
        trained.get_layer("patches").get_weights(),
        ours.get_layer("patches").get_weights(),
        strict=True,
    ):
        np.testing.assert_allclose(started, expected, atol=1e-6)


def test_a_network_starts_with_weights_of_an_image_model(data_dir, tmp_path):
    images = keras.applications.EfficientNetB0(
        include_top=False, weights=None, input_shape=(64, 64, 3)
    )
    images.save(tmp_path / "images.keras")
    arguments = (
        "--stage=scratch",
        f"--data_dir={data_dir}",
        f"--workdir={tmp_path / 'run'}",
        "--network=efficientnet",
        "--efficientnet=b0",
        f"--initial_weights={tmp_path / 'images.keras'}",
        "--learning_rate=1e-9",
        *_STEPS,
    )
    result = run(*arguments)
    assert result.returncode == 0, result.stderr
    trained = keras.models.load_model(tmp_path / "run" / "subnet.keras")
    np.testing.assert_allclose(
        trained.get_layer("stem_conv").get_weights()[0][..., 0, :],
        images.get_layer("stem_conv").get_weights()[0].mean(2).swapaxes(0, 1),
        atol=1e-6,
    )
    # Other first weights are another run.
    result = run(*arguments, "--initial_weights=imagenet")
    check_one_line_error(result, "initial_weights was", "now 'imagenet'")


@pytest.mark.parametrize(
    ("arguments", "parts"),
    [
        (["--stage=supernet", *_AST], ["several networks: cnn10", "ast"]),
        (
            ["--stage=scratch", "--network=ast", "--channels=8,8,8,8"],
            ["--channels is for --network=cnn10", "--network=ast"],
        ),
        (
            ["--stage=scratch", "--ast_size=tiny"],
            ["--ast_size is for --network=ast", "--network=cnn10"],
        ),
        (
            ["--stage=scratch", "--efficientnet=b0", "--network=ast"],
            ["--efficientnet is for --network=efficientnet"],
        ),
        (
            ["--stage=scratch", "--initial_weights=imagenet"],
            ["A CNN10 starts with the --initial_weights of one that `train`"],
        ),
        (
            ["--stage=scratch", "--network=efficientnet"]
            + ["--gradient_checkpointing"],
            ["--gradient_checkpointing is for --network=ast"],
        ),
        (
            ["--stage=finetune", "--initial_weights=imagenet"],
            ["--initial_weights is for --stage=teacher|kd|scratch"],
        ),
        (
            ["--stage=scratch", "--network=ast", "--ast_heads=5"],
            ["width=768, num_heads=5"],
        ),
        (
            ["--stage=scratch", "--network=transformer"],
            ["cnn10", "ast", "efficientnet", "transformer"],
        ),
    ],
)
def test_a_wrong_flag_ends_in_one_line(arguments, parts, data_dir, tmp_path):
    if "--stage=supernet" in arguments:
        arguments = [*arguments, "--label_weight=1"]
    result = run(
        f"--data_dir={data_dir}", f"--workdir={tmp_path / 'run'}", *arguments
    )
    check_one_line_error(result, *parts)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("flag", "parts"),
    [
        ("--network=efficientnet", ["was built with: ast"]),
        ("--ast_depth=3", ["--ast_depth=3", "was built with: 2"]),
        ("--channels=8,8,8,8", ["--channels is for --network=cnn10"]),
    ],
)
def test_a_recorded_network_is_not_built_otherwise(
    teachers, data_dir, tmp_path, flag, parts
):
    result = run(
        "--stage=finetune",
        f"--data_dir={data_dir}",
        f"--workdir={tmp_path / 'run'}",
        f"--initial={teachers['ast']}",
        flag,
        *_STEPS,
    )
    check_one_line_error(result, *parts)


def test_no_subnet_is_cut_out_of_it(teachers, data_dir, tmp_path):
    result = commands.run(
        "ofa_aec_tf.materialize",
        f"--supernet={teachers['ast']}",
        f"--data_dir={data_dir}",
        "--subnet=largest",
        f"--workdir={tmp_path / 'out'}",
    )
    check_one_line_error(result, "supernet")
