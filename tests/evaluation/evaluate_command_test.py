"""Runs the command as a user does, on models of every kind."""

import json

import keras
import numpy as np
import pytest
import sklearn.metrics
from ai_edge_litert.interpreter import Interpreter

from ofa_aec_tf.data import input_pipeline
from ofa_aec_tf.data.dataset_info import DatasetInfo
from ofa_aec_tf.data.model_info import EXPORT_REPORT
from ofa_aec_tf.data.model_info import ModelInfo
from ofa_aec_tf.deployment.tflite import converter
from ofa_aec_tf.evaluation import batch_norm_calibration
from ofa_aec_tf.families.materialization import materialize_subnet
from tests import commands
from tests.nas.small_supernet import save_supernet
from tests.synthetic_data import write_dataset


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory):
    directory = tmp_path_factory.mktemp("data")
    write_dataset(directory)
    return directory


def _evaluate(data_dir, *arguments):
    return commands.run(
        "ofa_aec_tf.evaluate", f"--data_dir={data_dir}", *arguments
    )


def _write_models(directory, data_dir, name="smallest"):
    """The same subnet as supernet, plain network and TFLite file."""
    dataset = write_dataset(data_dir)[0]
    supernet = save_supernet(directory / "supernet.keras", dataset)
    subnet = supernet.family.search_space().parse(name)
    log_mel, _, _ = input_pipeline.load_split(data_dir, dataset, "train")
    moments = batch_norm_calibration.calibrate(
        supernet,
        subnet,
        batch_norm_calibration.split_into_batches(log_mel, 8),
    )
    network = materialize_subnet(supernet, subnet, moments)
    network.save(directory / "subnet.keras")
    info = ModelInfo.for_dataset(dataset, stage="materialized")
    info.write(directory / "subnet.keras")
    content = converter.convert(
        network, dataset.num_frames, dataset.frontend.num_mel_bins, "float32"
    )
    (directory / "subnet.tflite").write_bytes(content)
    (directory / EXPORT_REPORT).write_text(
        json.dumps({"model": info.to_json()})
    )
    names = ("supernet.keras", "subnet.keras", "subnet.tflite")
    return [str(directory / name) for name in names]


@pytest.mark.slow
def test_one_subnet_has_the_same_metrics_in_every_format(data_dir, tmp_path):
    paths = _write_models(tmp_path, data_dir)
    result = _evaluate(
        data_dir,
        f"--model={','.join(paths)}",
        "--subnet=smallest",
        "--num_calibration_clips=24",
        "--batch_size=8",
        f"--output={tmp_path / 'out' / 'metrics.json'}",
        f"--workdir={tmp_path / 'run'}",
    )
    assert result.returncode == 0, result.stderr
    values = json.loads((tmp_path / "out" / "metrics.json").read_text())
    assert list(values) == paths
    of_supernet, of_network, of_tflite = values.values()
    for other in (of_network, of_tflite):
        assert other["mAP"] == pytest.approx(of_supernet["mAP"], abs=1e-6)
        assert other["subnet"] is None
    assert of_supernet["subnet"]["block2_width"] == 0.5
    assert of_supernet["num_clips"] == 12
    assert of_supernet["split"] == "test"
    recorded = (tmp_path / "run" / "metrics.json").read_text()
    assert json.loads(recorded) == values
    header, *rows = result.stdout.splitlines()[:4]
    assert header.split() == ["model", "mAP", "mAUC", "d'", "accuracy", "clips"]
    assert [row.split()[0] for row in rows] == paths
    assert {len(row) for row in rows} == {len(header)}


def _scores_on_test_split(path, data_dir, dataset):
    """Scores of a plain Keras or TFLite model, by their own means."""
    log_mel, labels, _ = input_pipeline.load_split(data_dir, dataset, "test")
    if path.endswith(".keras"):
        model = keras.models.load_model(path, compile=False)
        return model.predict(log_mel, verbose=0), labels
    interpreter = Interpreter(path)
    (inputs,), (outputs,) = (
        interpreter.get_input_details(),
        interpreter.get_output_details(),
    )
    scores = []
    for clip in log_mel:
        interpreter.resize_tensor_input(inputs["index"], (1, *clip.shape))
        interpreter.allocate_tensors()
        interpreter.set_tensor(inputs["index"], clip[None])
        interpreter.invoke()
        scores.append(interpreter.get_tensor(outputs["index"])[0])
    return np.array(scores), labels


@pytest.mark.slow
def test_an_ensemble_has_the_mean_of_the_scores(data_dir, tmp_path):
    dataset = write_dataset(data_dir)[0]
    paths = []
    # A plain network of one and a TFLite file of the other.
    for number, name in enumerate(("smallest", "largest"), 1):
        directory = tmp_path / name
        directory.mkdir()
        paths.append(_write_models(directory, data_dir, name)[number])
    result = _evaluate(
        data_dir,
        f"--model={','.join(paths)}",
        "--ensemble",
        f"--output={tmp_path / 'metrics.json'}",
    )
    assert result.returncode == 0, result.stderr
    values = json.loads((tmp_path / "metrics.json").read_text())
    assert list(values) == [*paths, "ensemble"]
    scores, labels = zip(
        *(_scores_on_test_split(path, data_dir, dataset) for path in paths)
    )
    for name, expected in zip(
        values, (*scores, np.mean(scores, axis=0)), strict=True
    ):
        assert values[name]["mAP"] == pytest.approx(
            sklearn.metrics.average_precision_score(labels[0], expected),
            abs=1e-6,
        )
    assert values["ensemble"]["mAP"] not in (
        values[path]["mAP"] for path in paths
    )
    assert result.stdout.splitlines()[3].split()[0] == "ensemble"


@pytest.mark.parametrize("models", ["a.keras", "a.keras,a.keras"])
def test_one_model_is_no_ensemble(models, data_dir):
    result = _evaluate(data_dir, f"--model={models}", "--ensemble")
    assert result.returncode == 2
    assert result.stderr.splitlines()[-1].startswith(
        "error: --ensemble needs at least two models"
    )


def test_a_missing_model_ends_in_one_line(data_dir):
    result = _evaluate(data_dir, "--model=gone.keras")
    assert result.returncode == 2
    assert result.stderr.splitlines()[-1].startswith(
        "error: There is no model file gone.keras."
    )


def test_a_model_without_scores_leaves_those_of_the_others(data_dir, tmp_path):
    dataset = DatasetInfo.read(data_dir)
    paths = [
        tmp_path / f"{name}.keras" for name in ("good", "bad", "also_good")
    ]
    for path in paths:
        inputs = keras.Input((dataset.num_frames, 64))
        x = keras.layers.GlobalAveragePooling1D()(inputs)
        dense = keras.layers.Dense(3, name="logits")
        scores = keras.layers.Activation("sigmoid")(dense(0.01 * x))
        network = keras.Model(inputs, scores)
        if path.stem == "bad":
            # Finite, but what they give is not.
            dense.kernel.assign(np.full((64, 3), 3e38))
        network.save(path)
        ModelInfo.for_dataset(dataset).write(path)
    output = tmp_path / "metrics.json"
    result = _evaluate(
        data_dir,
        f"--model={','.join(map(str, paths))}",
        f"--output={output}",
    )
    assert result.returncode == 2
    assert f"warning: skipped {paths[1]}: " in result.stderr
    assert "error: 1 of 3 models could not be evaluated" in result.stderr
    assert list(json.loads(output.read_text())) == [
        str(paths[0]),
        str(paths[2]),
    ]


def test_an_output_that_cannot_be_written_is_found_first(data_dir, tmp_path):
    result = _evaluate(data_dir, "--model=absent.keras", f"--output={tmp_path}")
    assert result.returncode == 2
    assert f"error: {tmp_path} cannot be written: " in result.stderr
