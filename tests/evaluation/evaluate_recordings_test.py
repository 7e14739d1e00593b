"""Evaluation on recordings: what an app hears, not what was stored."""

import json

import numpy as np
import pytest
import soundfile

from data_pipeline.clips.clip import ClipRow
from data_pipeline.jobs import job
from data_pipeline.shards.config import PreprocessConfig
from ofa_aec_tf.audio.frontend import FrontendConfig
from ofa_aec_tf.data.class_map import ClassMap
from ofa_aec_tf.data.model_info import ModelInfo
from ofa_aec_tf.deployment.export import waveform_export
from ofa_aec_tf.deployment.export.network_export import NetworkExporter
from ofa_aec_tf.deployment.tflite import metadata
from ofa_aec_tf.evaluation import keras_models
from ofa_aec_tf.families.cnn10.network import build_cnn10
from tests import commands

_RATE_HZ = 32_000
_CLASSES = ("high", "low", "middle")
_TONES_HZ = (6000, 200, 1000)

pytestmark = pytest.mark.slow


def _write_recordings(directory):
    rows = []
    rng = np.random.default_rng(0)
    time_seconds = np.arange(_RATE_HZ // 2) / _RATE_HZ
    for number in range(24):
        label = number % 3
        tone = np.sin(2 * np.pi * _TONES_HZ[label] * time_seconds)
        noise = rng.standard_normal(len(time_seconds))
        path = directory / f"{number}.wav"
        soundfile.write(path, 0.1 * tone + 0.1 * noise, _RATE_HZ, "FLOAT")
        split = ("train", "validation", "test", "test")[number // 6]
        rows.append(ClipRow(path.name, str(path), (_CLASSES[label],), split))
    return rows


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Directory with audio, data, a network and its TFLite file."""
    directory = tmp_path_factory.mktemp("made")
    (directory / "audio").mkdir()
    config = PreprocessConfig(
        FrontendConfig(), 0.5, ClassMap(_CLASSES), "single_label"
    )
    rows = _write_recordings(directory / "audio")
    dataset = job.run(rows, config, directory / "data", {}).dataset
    path = directory / "subnet.keras"
    build_cnn10(((4,), (4,), (8,), (8,)), 3, hidden_units=16).save(path)
    info = ModelInfo.for_dataset(dataset)
    info.write(path)
    clips = np.random.default_rng(0).uniform(-80, 0, (4, 51, 64))
    exporter = NetworkExporter(
        keras_models.load_network(path),
        clips.astype(np.float32),
        num_latency_runs=3,
    )
    file = waveform_export.add_frontend(
        waveform_export.export_frontend(
            FrontendConfig(), 16_000, num_latency_runs=3
        ),
        exporter.export("float32"),
        "float32",
        metadata.AudioMetadata("a", "b", "1", _RATE_HZ, 1, _CLASSES),
        num_latency_runs=3,
    )
    path.with_suffix(".tflite").write_bytes(file.content)
    return directory


def _evaluate(made, *arguments):
    return commands.run(
        "ofa_aec_tf.evaluate", f"--data_dir={made / 'data'}", *arguments
    )


def test_files_on_samples_and_networks_hear_the_same(made, tmp_path):
    models = [str(made / f"subnet.{kind}") for kind in ("keras", "tflite")]
    results = {}
    for name, arguments in (
        ("stored", [f"--model={models[0]}"]),
        (
            "heard",
            [f"--model={','.join(models)}", f"--audio_dir={made / 'audio'}"],
        ),
    ):
        output = tmp_path / f"{name}.json"
        result = _evaluate(made, *arguments, f"--output={output}")
        assert result.returncode == 0, result.stderr
        results[name] = json.loads(output.read_text())
    network, file = (results["heard"][model] for model in models)
    assert network["num_clips"] == file["num_clips"] == 12
    assert file["mAP"] == pytest.approx(network["mAP"], abs=1e-6)
    assert file["d_prime"] == pytest.approx(network["d_prime"], abs=1e-6)
    # Stored spectrograms are rounded to float16.
    stored = results["stored"][models[0]]
    assert network["mAP"] == pytest.approx(stored["mAP"], abs=0.1)


def _check_one_line(result, part):
    assert result.returncode == 2
    (line,) = result.stderr.splitlines()
    assert line.startswith("error: ") and part in line


def test_a_file_on_samples_needs_the_recordings(made):
    result = _evaluate(made, f"--model={made / 'subnet.tflite'}")
    _check_one_line(result, "Name the recordings with --audio_dir")


def test_a_recording_that_is_not_there_is_named(made, tmp_path):
    result = _evaluate(
        made, f"--model={made / 'subnet.tflite'}", f"--audio_dir={tmp_path}"
    )
    _check_one_line(result, "must have the files that the clip ids name")
