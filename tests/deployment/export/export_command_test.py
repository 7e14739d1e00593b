import hashlib
import json
import shutil

import keras
import numpy as np
import pytest
import sklearn.metrics

from ofa_aec_tf.data import input_pipeline
from ofa_aec_tf.data.class_map import ClassMap
from ofa_aec_tf.data.model_info import ModelInfo
from ofa_aec_tf.deployment.tflite.runner import TFLiteModel
from ofa_aec_tf.families.cnn10.network import build_cnn10
from tests import commands
from tests import synthetic_data

MODES = ("float32", "int8")
KEYS = ["float32", "log_mel_int8", "int8", "frontend"]

# Every run starts TensorFlow, which takes seconds.
pytestmark = pytest.mark.slow


def _export(**flags):
    arguments = [f"--{name}={value}" for name, value in flags.items()]
    return commands.run("ofa_aec_tf.export", *arguments)


def _save_network(path, info, filters):
    network = build_cnn10(filters, len(info.class_map), hidden_units=16)
    path.parent.mkdir()
    network.save(path)
    info.write(path)


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Directory of a data set, and its DatasetInfo."""
    directory = tmp_path_factory.mktemp("data")
    return directory, synthetic_data.write_dataset(directory)[0]


@pytest.fixture(scope="module")
def model_paths(data, tmp_path_factory):
    directory = tmp_path_factory.mktemp("runs")
    info = ModelInfo.for_dataset(data[1], stage="scratch")
    paths = [directory / name / "subnet.keras" for name in ("tiny", "phone")]
    _save_network(paths[0], info, ((4,), (4,), (8,), (8,)))
    _save_network(paths[1], info, ((8, 8), (8,), (12,), (12,)))
    return paths


@pytest.fixture(scope="module")
def export_run(data, model_paths, tmp_path_factory):
    output_dir = tmp_path_factory.mktemp("out")
    result = _export(
        model=",".join(map(str, model_paths)),
        data_dir=data[0],
        output_dir=output_dir,
        modes=",".join(MODES),
        num_calibration_clips=8,
        num_parity_clips=5,
        evaluate_split="test",
        # Of networks that were never trained mAP is a matter of luck.
        max_map_drop=1,
        seed=3,
    )
    assert result.returncode == 0, result.stderr
    return output_dir, result


def test_several_models_get_a_directory_each(export_run):
    output_dir, _ = export_run
    expected = {"flags.cfg"} | {
        f"{name}/{file}"
        for name in ("tiny", "phone")
        for file in (
            "subnet_float32.tflite",
            "subnet_int8.tflite",
            "subnet_log_mel_int8.tflite",
            "frontend.tflite",
            "labels.txt",
            "export.json",
        )
    }
    files = {
        str(path.relative_to(output_dir))
        for path in output_dir.rglob("*")
        if path.is_file()
    }
    assert files == expected


def test_report_describes_the_files_beside_it(data, export_run):
    directory = export_run[0] / "phone"
    report = json.loads((directory / "export.json").read_text())
    assert list(report["files"]) == KEYS
    for key, file in report["files"].items():
        content = (directory / file["file"]).read_bytes()
        assert file["num_bytes"] == len(content)
        assert file["sha256"] == hashlib.sha256(content).hexdigest()
        if key == "frontend":
            continue
        assert file["parity"]["num_clips"] == 5
        assert file["operators"]["CONV_2D"] == 5
        shape = [1, 51, 64] if key == "log_mel_int8" else [1, 16000]
        assert file["input_shape"] == shape
    assert report["data"]["fingerprint"] == data[1].fingerprint
    assert report["data"]["num_calibration_clips"] == 8
    assert report["data"]["seed"] == 3
    assert report["qat"] is None
    assert set(report["versions"]) >= {"ofa_aec_tf", "tensorflow", "keras"}


def test_labels_are_one_class_a_line_in_output_order(export_run):
    text = (export_run[0] / "tiny" / "labels.txt").read_text()
    assert text == "low\nmiddle\nhigh\n"


def test_exported_file_finds_its_record(data, export_run):
    info = ModelInfo.read(export_run[0] / "tiny" / "subnet_int8.tflite")
    info.check_matches(data[1])
    assert info.details["stage"] == "scratch"


def test_metrics_are_those_of_the_test_split(data, export_run):
    directory = export_run[0] / "tiny"
    report = json.loads((directory / "export.json").read_text())
    log_mel, labels, _ = input_pipeline.load_split(*data, "test")
    described = [report["files"][key] for key in KEYS[:3]]
    for file in (*described, report["reference"]):
        assert file["metrics"]["num_clips"] == len(labels)
    assert report["files"]["int8"]["metrics"] == described[1]["metrics"]
    compared = report["not_written"]["int8_sigmoid"]
    assert compared["metrics"]["num_clips"] == len(labels)
    assert compared["parity"]["num_clips"] == 5
    assert report["data"]["evaluate_split"] == "test"
    file = report["files"]["log_mel_int8"]
    scores = TFLiteModel(directory / file["file"]).predict(log_mel)
    assert file["metrics"]["mAP"] == pytest.approx(
        np.mean(
            [
                sklearn.metrics.average_precision_score(
                    labels[:, i], scores[:, i]
                )
                for i in range(labels.shape[1])
            ]
        )
    )


def test_progress_and_a_table_of_all_files_are_printed(export_run):
    output_dir, result = export_run
    progress, table = result.stdout.split("\n\n")
    assert progress.count("converted and checked") == 8
    header, *rows = table.splitlines()
    assert "SNR dB" in header
    assert len(rows) == 10
    assert sum(str(output_dir) in row for row in rows) == 8


def test_another_run_leaves_no_file_of_the_last(data, model_paths, tmp_path):
    flags = {
        "model": model_paths[0],
        "data_dir": data[0],
        "output_dir": tmp_path,
        "num_parity_clips": 2,
    }
    for mode in ("float32", "float16"):
        result = _export(modes=mode, log_mel_modes="", **flags)
        assert result.returncode == 0, result.stderr
    assert sorted(path.name for path in (tmp_path / "subnet").iterdir()) == [
        "export.json",
        "labels.txt",
        "subnet_float16.tflite",
    ]


def test_calibration_and_parity_read_no_test_clip(data, model_paths, tmp_path):
    data_dir = tmp_path / "data"
    shutil.copytree(data[0], data_dir)
    test_shards = list(data_dir.glob("test-*.tfrecord"))
    assert test_shards
    for path in test_shards:
        path.unlink()
    flags = {"model": model_paths[0], "data_dir": data_dir, "modes": "int8"}
    result = _export(output_dir=tmp_path / "out", **flags)
    assert result.returncode == 0, result.stderr
    # Without the training split the ranges of int8 cannot be found.
    for path in data_dir.glob("train-*.tfrecord"):
        path.unlink()
    result = _export(output_dir=tmp_path / "none", **flags)
    assert result.returncode == 2
    assert "train-00000" in result.stderr


def test_data_of_other_classes_is_refused_and_nothing_written(
    data, model_paths, tmp_path
):
    info = ModelInfo.read(model_paths[0])
    path = tmp_path / "other" / "subnet.keras"
    path.parent.mkdir()
    path.write_bytes(model_paths[0].read_bytes())
    other = ModelInfo(
        info.frontend,
        info.clip_seconds,
        ClassMap(("low", "middle", "siren")),
        info.label_type,
    )
    other.write(path)
    result = _export(model=path, data_dir=data[0], output_dir=tmp_path / "out")
    assert result.returncode == 2
    assert "The classes of the model and of the data differ" in result.stderr
    assert "siren" in result.stderr and "Traceback" not in result.stderr
    assert not (tmp_path / "out").exists()


def test_models_that_would_share_a_directory_are_refused(
    data, model_paths, tmp_path
):
    result = _export(
        model=f"{model_paths[0]},{model_paths[0]}",
        data_dir=data[0],
        output_dir=tmp_path,
    )
    assert result.returncode == 2
    assert "Received: ['tiny', 'tiny']" in result.stderr


def test_shorter_windows_make_files_of_their_own_length(tmp_path):
    data_dir = tmp_path / "data"
    data_dir.mkdir()
    info, _ = synthetic_data.write_dataset(
        data_dir, num_clips=(6, 6, 6), clip_seconds=2.5
    )
    path = tmp_path / "run" / "subnet.keras"
    _save_network(path, ModelInfo.for_dataset(info), ((4,), (4,), (8,), (8,)))
    result = _export(
        model=path,
        data_dir=data_dir,
        output_dir=tmp_path / "out",
        window_seconds=1,
        modes="int8",
        evaluate_dir=data_dir,
        evaluate_split="validation",
        max_map_drop=1,
    )
    assert result.returncode == 0, result.stderr
    report = (tmp_path / "out" / "subnet" / "export.json").read_text()
    report = json.loads(report)
    assert report["files"]["int8"]["input_shape"] == [1, 32000]
    assert report["files"]["log_mel_int8"]["input_shape"] == [1, 101, 64]
    assert report["data"]["evaluate_split"] == "validation"
    assert report["files"]["int8"]["metrics"]["num_clips"] == 6


def test_a_network_is_trained_for_int8(data, model_paths, tmp_path):
    result = _export(
        model=model_paths[0],
        data_dir=data[0],
        output_dir=tmp_path,
        modes="int8_qat",
        log_mel_modes="int8_qat",
        qat_steps=3,
        qat_batch_size=4,
        qat_label_weight=0.5,
        teacher=model_paths[1],
        num_parity_clips=5,
    )
    assert result.returncode == 0, result.stderr
    report = json.loads((tmp_path / "subnet" / "export.json").read_text())
    keys = ["log_mel_int8_qat", "int8_qat", "frontend"]
    assert list(report["files"]) == keys
    assert report["qat"] == {
        "engine": "keras",
        "steps": 3,
        "learning_rate": 1e-4,
        "batch_size": 4,
        "label_weight": 0.5,
        "teacher": str(model_paths[1]),
    }
    assert report["files"]["int8_qat"]["parity"]["num_clips"] == 5
    assert report["data"]["num_calibration_clips"] == 24


@pytest.fixture(scope="module")
def fragile_path(data, tmp_path_factory):
    """A network that int8 ruins: logits of very different sizes."""
    num_mel_bins, third = 64, 21
    kernel = np.full((num_mel_bins, 3), -1 / (num_mel_bins - third))
    for label in range(3):
        kernel[label * third : (label + 1) * third, label] = 1 / third
    kernel[:, 0] *= 5000
    inputs = keras.Input((None, num_mel_bins))
    dense = keras.layers.Dense(3, "sigmoid")
    model = keras.Model(
        inputs, dense(keras.layers.GlobalAveragePooling1D()(inputs))
    )
    dense.set_weights([kernel, np.zeros(3)])
    path = tmp_path_factory.mktemp("fragile") / "subnet.keras"
    model.save(path)
    ModelInfo.for_dataset(data[1]).write(path)
    return path


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ({"window_seconds": 1}, "Choose a shorter --window_seconds"),
        ({"modes": "int4"}, "`modes` must be one of"),
        (
            {"modes": "int8_qat", "teacher": "missing.keras"},
            "There is no model file missing.keras",
        ),
        ({"max_map_drop": 0.01}, "--max_map_drop goes with --evaluate_dir"),
        (
            {"max_map_drop": "nan", "evaluate_split": "test"},
            "must be a finite number",
        ),
        ({"qat_steps": 5}, "--qat_steps is for mode int8_qat"),
        ({"modes": "", "log_mel_modes": ""}, "at least one model and one mode"),
        (
            {"max_map_drop": 0.1, "evaluate_split": "test", "modes": "int8"},
            "it drops by more than --max_map_drop=0.1",
        ),
    ],
    ids=[
        "window",
        "mode",
        "teacher",
        "no evaluation",
        "no limit",
        "no training",
        "nothing",
        "quality",
    ],
)
def test_a_mistake_is_one_line_and_writes_nothing(
    data, fragile_path, tmp_path, flags, message
):
    result = _export(
        model=fragile_path, data_dir=data[0], output_dir=tmp_path, **flags
    )
    assert result.returncode == 2
    (line,) = (
        line
        for line in result.stderr.splitlines()
        if line.startswith("error: ")
    )
    assert message in line
    assert not list(tmp_path.iterdir())
