"""Runs the command as a user does, and predicts with what it has chosen."""

import hashlib
import json

import keras
import numpy as np
import pytest
import sklearn.metrics
import soundfile

from ofa_aec_tf import check
from ofa_aec_tf.data import input_pipeline
from ofa_aec_tf.data.dataset_info import SINGLE_LABEL
from ofa_aec_tf.data.model_info import ModelInfo
from ofa_aec_tf.deployment.export import output_directory
from ofa_aec_tf.deployment.export import waveform_export
from ofa_aec_tf.deployment.tflite import chaining
from ofa_aec_tf.deployment.tflite import converter
from ofa_aec_tf.deployment.tflite import metadata
from ofa_aec_tf.runs import workdir
from tests import commands
from tests.deployment import waveform_models
from tests.synthetic_data import CLASS_NAMES
from tests.synthetic_data import write_dataset

NUM_CLIPS = (3, 40, 6)


def _run(*arguments):
    return commands.run("ofa_aec_tf.choose_thresholds", *arguments)


def _network(dataset, activation):
    """Scores by the mean level of some mel bands, good but not perfect."""
    keras.utils.set_random_seed(0)
    inputs = keras.Input((dataset.num_frames, dataset.frontend.num_mel_bins))
    features = keras.layers.Rescaling(0.1, 6.0)(inputs)
    # Not all events are in these frames.
    features = keras.layers.Cropping1D((12, dataset.num_frames - 14))(features)
    features = keras.layers.GlobalAveragePooling1D()(features)
    outputs = keras.layers.Dense(len(CLASS_NAMES), activation=activation)(
        features
    )
    network = keras.Model(inputs, outputs)
    kernel = np.zeros((64, 3), np.float32)
    for index in range(3):
        kernel[21 * index : 21 * index + 2, index] = 1
    network.set_weights([kernel, np.full(3, -0.5, np.float32)])
    return network


def _write(directory, label_type, activation):
    """A data set, and for it `net.keras` and `net_float32.tflite`."""
    dataset, _ = write_dataset(directory, NUM_CLIPS, label_type=label_type)
    network = _network(dataset, activation)
    network.save(directory / "net.keras")
    info = ModelInfo.for_dataset(dataset)
    info.write(directory / "net.keras")
    info.write(directory / "net_float32.tflite")
    content = converter.convert(
        network, dataset.num_frames, dataset.frontend.num_mel_bins, "float32"
    )
    (directory / "net_float32.tflite").write_bytes(content)
    return dataset, network


@pytest.fixture(scope="module")
def waveform_content():
    """A model of as many classes, which takes half a second of sound."""
    return waveform_models.convert(
        waveform_models.make_network(num_classes=len(CLASS_NAMES))
    )


@pytest.fixture(scope="module")
def multi_label(tmp_path_factory):
    directory = tmp_path_factory.mktemp("multi")
    return directory, *_write(directory, "multi_label", "sigmoid")


def _validation_scores(directory, dataset, network):
    log_mel, labels, _ = input_pipeline.load_split(
        directory, dataset, "validation"
    )
    return network.predict(log_mel, verbose=0), labels


def _check_best_f1(model_path, dataset, scores, labels):
    path = model_path.with_name(f"{model_path.stem}.thresholds.json")
    values = json.loads(path.read_text())
    assert values["model_digest"] == workdir.file_digest(model_path)
    details = values["details"]
    assert (details["method"], details["split"]) == ("f1", "validation")
    assert details["num_clips"] == 40
    assert details["data_fingerprint"] == dataset.fingerprint
    assert list(values["thresholds"]) == list(CLASS_NAMES)
    for index, name in enumerate(CLASS_NAMES):
        # The scores of a TFLite file differ in the last bits.
        reported = scores[:, index] >= values["thresholds"][name] - 1e-6
        f1 = sklearn.metrics.f1_score(labels[:, index], reported)
        assert details["per_class"][name]["f1"] == pytest.approx(f1)
        assert f1 == pytest.approx(
            max(
                sklearn.metrics.f1_score(
                    labels[:, index], scores[:, index] >= t
                )
                for t in scores[:, index]
            )
        )
        assert 0.5 < f1 < 1


def test_thresholds_with_the_best_f1_are_written_beside_each_model(
    multi_label,
):
    directory, dataset, network = multi_label
    paths = [directory / name for name in ("net.keras", "net_float32.tflite")]
    result = _run(
        f"--model={','.join(map(str, paths))}", f"--data_dir={directory}"
    )
    assert result.returncode == 0, result.stderr
    scores, labels = _validation_scores(directory, dataset, network)
    for path in paths:
        _check_best_f1(path, dataset, scores, labels)
    header, *rows = result.stdout.splitlines()[:5]
    assert header.split()[:2] == ["class", "threshold"]
    assert [row.split()[0] for row in rows] == [*CLASS_NAMES, "mean"]


def test_a_target_precision_is_reached_or_the_class_never_reported(tmp_path):
    dataset, network = _write(tmp_path, SINGLE_LABEL, "softmax")
    result = _run(
        f"--model={tmp_path / 'net_float32.tflite'}",
        f"--data_dir={tmp_path}",
        "--method=precision",
        "--target_precision=0.9",
    )
    assert result.returncode == 0, result.stderr
    scores, labels = _validation_scores(tmp_path, dataset, network)
    values = json.loads((tmp_path / "net_float32.thresholds.json").read_text())
    assert values["details"]["target_precision"] == 0.9
    for index, name in enumerate(CLASS_NAMES):
        threshold = values["thresholds"][name]
        precision, _, _ = sklearn.metrics.precision_recall_curve(
            labels[:, index], scores[:, index]
        )
        if threshold is None:
            assert precision[:-1].max() < 0.9
            assert name in values["details"]["classes_without_threshold"]
            continue
        right = labels[scores[:, index] >= threshold - 1e-6, index]
        assert right.mean() >= 0.9


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--model=gone.keras"], "There is no model file gone.keras."),
        (["--model=a/net.keras,a/net.tflite"], "must be distinct"),
        (["--target_precision=0.9"], "target precision goes with"),
    ],
)
def test_wrong_usage_is_one_line_and_status_two(
    multi_label, arguments, message
):
    directory, _, _ = multi_label
    result = _run(
        f"--data_dir={directory}",
        f"--model={directory / 'net_float32.tflite'}",
        *arguments,
    )
    assert result.returncode == 2
    (line,) = result.stderr.splitlines()
    assert line.startswith("error: ") and message in line


def test_a_model_that_takes_waveforms_is_sent_to_its_sibling(
    waveform_content, multi_label, tmp_path
):
    directory, _, _ = multi_label
    (tmp_path / "waveform.tflite").write_bytes(waveform_content)
    record = (directory / "net.json").read_text()
    (tmp_path / "waveform.json").write_text(record)
    result = _run(
        f"--data_dir={directory}", f"--model={tmp_path / 'waveform.tflite'}"
    )
    assert result.returncode == 2
    assert "waveform.tflite takes waveforms" in result.stderr
    assert "--thresholds=FILE" in result.stderr


@pytest.fixture
def exported_dir(multi_label, tmp_path):
    """An export of one network, with the front end and without it."""
    directory, dataset, _ = multi_label
    num_samples = dataset.frontend.num_samples(dataset.clip_seconds)
    network = (directory / "net_float32.tflite").read_bytes()
    front = waveform_export.convert_frontend(dataset.frontend, num_samples)
    contents = {
        "log_mel_float32": network,
        "float32": metadata.attach(
            chaining.chain(front, network, "waveform", "scores"),
            waveform_export.audio_metadata(
                "net", CLASS_NAMES, dataset.clip_seconds, dataset.frontend
            ),
        ),
    }
    output_directory.write(
        tmp_path,
        {
            "model": ModelInfo.for_dataset(dataset).to_json(),
            "files": {
                key: {
                    "file": f"net_{key}.tflite",
                    "sha256": hashlib.sha256(content).hexdigest(),
                }
                for key, content in contents.items()
            },
        },
        {f"net_{key}.tflite": value for key, value in contents.items()},
        CLASS_NAMES,
    )
    return tmp_path


@pytest.mark.parametrize("named", ["net_log_mel_float32", "net_float32"])
def test_both_files_of_a_network_get_the_thresholds(
    multi_label, exported_dir, named
):
    directory, _, _ = multi_label
    result = _run(
        f"--model={exported_dir / named}.tflite", f"--data_dir={directory}"
    )
    assert result.returncode == 0, result.stderr
    stems = ("net_log_mel_float32", "net_float32")
    chosen = []
    for stem in stems:
        path = exported_dir / f"{stem}.thresholds.json"
        values = json.loads(path.read_text())
        digest = workdir.file_digest(exported_dir / f"{stem}.tflite")
        assert values["model_digest"] == digest
        chosen.append(values["thresholds"])
    assert chosen[0] == chosen[1]
    # The export is as it should be, with them in the file.
    check.main([str(exported_dir)])
    content = (exported_dir / "net_float32.tflite").read_bytes()
    thresholds = metadata.read(content).thresholds
    assert thresholds == tuple(chosen[0].values())
    # The file alone names what its sibling does.
    recording = exported_dir / "a.wav"
    noise = np.random.default_rng(0).normal(0, 0.05, 16000)
    soundfile.write(recording, noise, 32000, "FLOAT")
    (exported_dir / "net_float32.thresholds.json").unlink()
    events = []
    for stem in stems:
        path = exported_dir / f"{stem}.tflite"
        result = commands.run(
            "ofa_aec_tf.predict",
            f"--model={path}",
            "--format=json",
            recording,
        )
        report = json.loads(result.stdout)
        events.append([e["class"] for e in report["files"][0]["events"]])
    assert report["thresholds"] == str(path)
    assert events[0] == events[1]
