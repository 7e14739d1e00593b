"""One class a clip: softmaxes from training to the `.tflite` file."""

import json

import numpy as np
import pytest

from ofa_aec_tf.data.dataset_info import DatasetInfo
from ofa_aec_tf.data.input_pipeline import load_split
from ofa_aec_tf.deployment.tflite.runner import TFLiteModel
from ofa_aec_tf.families.networks import load_model
from tests import commands
from tests.synthetic_data import write_dataset
from tests.training.training_runs import SMALL

pytestmark = pytest.mark.slow
SOFTMAX = ("--score_activation=softmax", *SMALL)


def run(module, *arguments):
    result = commands.run(f"ofa_aec_tf.{module}", *arguments)
    assert result.returncode == 0, result.stderr
    return result


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory):
    directory = tmp_path_factory.mktemp("data")
    write_dataset(directory, label_type="single_label")
    return directory


@pytest.fixture(scope="module")
def teachers(data_dir, tmp_path_factory):
    paths = []
    for seed in range(2):
        directory = tmp_path_factory.mktemp(f"teacher{seed}")
        run(
            "train",
            "--stage=teacher",
            "--label_smoothing=0.1",
            f"--seed={seed}",
            f"--data_dir={data_dir}",
            f"--workdir={directory}",
            *SOFTMAX,
        )
        paths.append(directory / "teacher.keras")
    return paths


@pytest.fixture(scope="module")
def subnet(data_dir, teachers, tmp_path_factory):
    directory = tmp_path_factory.mktemp("ofa")
    run(
        "train",
        "--stage=supernet",
        f"--teacher={','.join(map(str, teachers))}",
        "--label_weight=0.5",
        "--temperature=2",
        f"--data_dir={data_dir}",
        f"--workdir={directory}",
        *SOFTMAX,
    )
    run(
        "search",
        f"--supernet={directory / 'supernet.keras'}",
        f"--data_dir={data_dir}",
        f"--workdir={directory / 'search'}",
        "--budget=small:parameters<=3k",
        "--num_calibration_clips=16",
    )
    run(
        "materialize",
        f"--supernet={directory / 'supernet.keras'}",
        f"--data_dir={data_dir}",
        f"--pareto={directory / 'search' / 'pareto.json'}",
        f"--workdir={directory / 'subnets'}",
        "--num_calibration_clips=16",
    )
    return directory / "subnets" / "small" / "subnet.keras"


def test_scores_of_a_subnet_are_shares(subnet, data_dir):
    dataset = DatasetInfo.read(data_dir)
    log_mel, _, _ = load_split(data_dir, dataset, "test")
    scores = load_model(subnet).predict(log_mel, verbose=0)
    np.testing.assert_allclose(scores.sum(axis=-1), 1, atol=1e-5)
    assert (scores > 0).all()


def test_the_search_found_what_evaluation_measures(subnet, data_dir, tmp_path):
    pareto = json.loads(
        (subnet.parents[2] / "search" / "pareto.json").read_text()
    )
    run(
        "evaluate",
        f"--model={subnet}",
        f"--data_dir={data_dir}",
        "--split=validation",
        f"--output={tmp_path / 'metrics.json'}",
    )
    (metrics,) = json.loads((tmp_path / "metrics.json").read_text()).values()
    (budget,) = pareto["budgets"]
    assert metrics["mAP"] == pytest.approx(
        budget["chosen"]["metrics"]["mAP"], abs=1e-6
    )


@pytest.mark.parametrize("mode", ["float32", "int8"])
def test_the_files_give_shares_too(subnet, data_dir, tmp_path, mode):
    run(
        "export",
        f"--model={subnet}",
        f"--data_dir={data_dir}",
        f"--output_dir={tmp_path}",
        f"--modes={mode}",
        f"--log_mel_modes={mode}",
    )
    dataset = DatasetInfo.read(data_dir)
    log_mel, _, _ = load_split(data_dir, dataset, "test")
    (path,) = tmp_path.rglob(f"subnet_log_mel_{mode}.tflite")
    model = TFLiteModel(path)
    scores = model.predict(log_mel)
    np.testing.assert_allclose(scores.sum(axis=-1), 1, atol=1e-2)
    expected = load_model(subnet).predict(log_mel, verbose=0)
    np.testing.assert_allclose(
        scores, expected, atol=1e-4 if mode == "float32" else 0.1
    )


def test_a_sigmoid_teaches_no_softmax(teachers, data_dir, tmp_path):
    result = commands.run(
        "ofa_aec_tf.train",
        "--stage=kd",
        f"--teacher={teachers[0]}",
        f"--data_dir={data_dir}",
        f"--workdir={tmp_path}",
        *SMALL,
    )
    assert result.returncode == 2
    assert "here a sigmoid. Received: " in result.stderr
    assert "which ends in a softmax" in result.stderr


def test_clips_with_several_classes_have_no_softmax(tmp_path):
    write_dataset(tmp_path)
    result = commands.run(
        "ofa_aec_tf.train",
        "--stage=teacher",
        f"--data_dir={tmp_path}",
        f"--workdir={tmp_path / 'run'}",
        *SOFTMAX,
    )
    assert result.returncode == 2
    assert "--score_activation=softmax is for data with one class a clip" in (
        result.stderr
    )
