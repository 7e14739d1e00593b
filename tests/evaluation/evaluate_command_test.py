"""Runs the command as a user does, on models of every kind."""

import json

import pytest

from ofa_aec_tf.data import input_pipeline
from ofa_aec_tf.data.model_info import EXPORT_REPORT
from ofa_aec_tf.data.model_info import ModelInfo
from ofa_aec_tf.deployment import tflite_converter
from ofa_aec_tf.evaluation import batch_norm_calibration
from ofa_aec_tf.models.materialization import materialize_subnet
from tests import commands
from tests.nas.small_supernet import save_supernet
from tests.synthetic_data import write_dataset


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory):
    directory = tmp_path_factory.mktemp("data")
    write_dataset(directory)
    return directory


def _evaluate(data_dir, *arguments):
    return commands.run_with_tensorflow(
        "ofa_aec_tf.evaluate", f"--data_dir={data_dir}", *arguments
    )


def _write_models(directory, data_dir):
    """The same subnet as supernet, plain network and TFLite file."""
    dataset = write_dataset(data_dir)[0]
    supernet = save_supernet(directory / "supernet.keras", dataset)
    subnet = supernet.family.search_space().smallest()
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
    content = tflite_converter.convert(
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


def test_a_missing_model_ends_in_one_line(data_dir):
    result = _evaluate(data_dir, "--model=gone.keras")
    assert result.returncode == 2
    assert result.stderr.splitlines()[-1].startswith(
        "error: There is no model file gone.keras."
    )
