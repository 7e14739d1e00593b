"""Outputs of the predict command, when it is killed and when it fails."""

import csv
import json
import signal

import keras
import numpy as np
import pytest
import soundfile

from ofa_aec_tf.audio.frontend import FrontendConfig
from ofa_aec_tf.data.class_map import ClassMap
from ofa_aec_tf.data.dataset_info import MULTI_LABEL
from ofa_aec_tf.data.model_info import ModelInfo
from ofa_aec_tf.deployment.tflite import converter
from tests.data_pipeline import processes
from tests.deployment import damaged_files
from tests.deployment import predict_command

RATE_HZ = predict_command.RATE_HZ
_NUM_SAMPLES = 1600


def _write_noise(path, seconds, peak=0.25):
    noise = np.random.default_rng(0).uniform(-1, 1, round(seconds * RATE_HZ))
    noise *= peak / np.abs(noise).max()
    soundfile.write(path, noise, RATE_HZ, "FLOAT")
    return path


@pytest.fixture(scope="module")
def fragile_path(tmp_path_factory):
    """A model without a score for sounds of the peak 0.5."""
    inputs = keras.Input((_NUM_SAMPLES,))
    off_db = keras.ops.max(inputs, axis=1, keepdims=True) - 0.5
    # Too small to count, but for a division by zero.
    nothing = 1e-30 * keras.ops.rsqrt(off_db * off_db)
    scores = keras.layers.Dense(2, "sigmoid")(inputs) + nothing
    content = converter.convert_float32(
        keras.Model(inputs, scores),
        keras.InputSpec(shape=(1, _NUM_SAMPLES), dtype="float32"),
    )
    path = tmp_path_factory.mktemp("fragile") / "net.tflite"
    path.write_bytes(content)
    ModelInfo(
        FrontendConfig(), 0.05, ClassMap(("dog", "rain")), MULTI_LABEL
    ).write(path)
    return path


def test_a_full_device_is_named(predicting, tmp_path):
    result = predict_command.run(
        f"--model={predicting.waveform_path}",
        "--output=/dev/full",
        _write_noise(tmp_path / "noise.wav", 1.0),
    )
    assert result.returncode == 2
    assert result.stderr == (
        "error: [Errno 28] No space left on device: '/dev/full'\n"
    )


def test_an_output_that_cannot_be_written_is_found_at_once(
    predicting, tmp_path
):
    (tmp_path / "file").write_text("kept")
    for output in (tmp_path / "file" / "out.csv", tmp_path):
        result = predict_command.run(
            f"--model={predicting.waveform_path}",
            f"--output={output}",
            tmp_path / "absent.wav",
        )
        assert result.returncode == 2
        # Before any recording was looked for.
        (line,) = result.stderr.splitlines()
        assert line.startswith(f"error: {output} cannot be written: ")
    assert (tmp_path / "file").read_text() == "kept"


def _killed(model_path, output, number, is_enough, *arguments):
    """Ends the command by a signal when its output is long enough."""
    process = predict_command.start(
        f"--model={model_path}", f"--output={output}", *arguments
    )
    try:
        assert processes.wait_until(
            lambda: output.is_file() and is_enough(output.read_text())
        )
        process.send_signal(number)
        status = 143 if number == signal.SIGTERM else -number
        assert process.wait(60) == status
    finally:
        process.kill()
        process.communicate()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_rows_of_a_recording_are_there_when_it_is_killed(
    predicting, tmp_path, number
):
    path = _write_noise(tmp_path / "a.wav", 120)
    output = tmp_path / "out.csv"
    _killed(
        predicting.waveform_path,
        output,
        number,
        lambda text: text.count("\n") > 50,
        "--per_window",
        "--window_hop_seconds=0.005",
        "--format=csv",
        path,
    )
    assert output.read_text().endswith("\n")
    rows = list(csv.DictReader(output.open()))
    # By no means all of 24,000 windows.
    assert 50 <= len(rows) < 100_000
    assert {row["file"] for row in rows} == {str(path)}
    assert all(0 <= float(row["score"]) <= 1 for row in rows)


def test_a_json_file_is_whole_when_it_is_killed(predicting, tmp_path):
    first = _write_noise(tmp_path / "a.wav", 1)
    second = _write_noise(tmp_path / "b.wav", 120)
    output = tmp_path / "out.json"
    _killed(
        predicting.waveform_path,
        output,
        signal.SIGKILL,
        lambda text: '"file"' in text,
        "--window_hop_seconds=0.005",
        "--format=json",
        first,
        tmp_path / "absent.wav",
        second,
    )
    report = json.loads(output.read_text())
    assert [file["file"] for file in report["files"]] == [str(first)]


def test_a_recording_without_a_score_leaves_the_others(fragile_path, tmp_path):
    paths = [
        _write_noise(tmp_path / "a.wav", 0.05),
        _write_noise(tmp_path / "b.wav", 0.05, peak=0.5),
        tmp_path / "empty.wav",
        _write_noise(tmp_path / "c.wav", 0.05),
    ]
    # Exactly, at the sample that is its peak.
    noise, _ = soundfile.read(paths[1], dtype="float32")
    noise[np.abs(noise).argmax()] = 0.5
    soundfile.write(paths[1], noise, RATE_HZ, "FLOAT")
    paths[2].touch()
    result = predict_command.run(
        f"--model={fragile_path}", "--format=json", *paths
    )
    report = json.loads(result.stdout)
    assert [file["file"] for file in report["files"]] == [
        str(paths[0]),
        str(paths[3]),
    ]
    assert [error["code"] for error in report["errors"]] == [
        "not_scored",
        "empty_file",
    ]
    assert result.returncode == 2
    assert "error: 1 of the 4 files could not be scored" in result.stderr
    assert "Traceback" not in result.stderr


def test_directories_without_sound_leave_the_others(predicting, tmp_path):
    (tmp_path / "empty").mkdir()
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "a.txt").touch()
    path = _write_noise(tmp_path / "a.wav", 0.5)
    result = predict_command.run(
        f"--model={predicting.waveform_path}",
        "--format=csv",
        "--output=-",
        tmp_path / "empty",
        path,
        tmp_path / "notes",
    )
    assert result.returncode == 0
    rows = list(csv.DictReader(result.stdout.splitlines()))
    assert {row["file"] for row in rows} == {str(path)}
    assert f"{tmp_path / 'empty'} that are not named as" in result.stderr
    assert "skipped 1 files" in result.stderr and "a.txt" in result.stderr


def test_a_record_that_is_none_is_one_line(predicting, tmp_path):
    path = tmp_path / "net.tflite"
    path.write_bytes(predicting.waveform_path.read_bytes())
    (tmp_path / "export.json").write_bytes(b"[]")
    result = predict_command.run(f"--model={path}", tmp_path)
    assert result.returncode == 2
    (line,) = result.stderr.splitlines()
    assert line.startswith(f"error: {tmp_path / 'export.json'} is not")


def test_models_with_a_flipped_bit_are_scores_or_one_line(predicting, tmp_path):
    path = tmp_path / "net.tflite"
    (tmp_path / "export.json").write_bytes(
        predicting.waveform_path.with_name("export.json").read_bytes()
    )
    sound = _write_noise(tmp_path / "a.wav", 0.5)
    contents = [predicting.waveform_path.read_bytes()]
    statuses = set()
    for content in damaged_files.with_flipped_bits(contents, 4, seed=1):
        path.write_bytes(content)
        result = predict_command.run(f"--model={path}", "--format=csv", sound)
        statuses.add(result.returncode)
        assert len(result.stderr.splitlines()) == result.returncode // 2
        rows = list(csv.DictReader(result.stdout.splitlines()))
        assert (len(rows) > 0) == (result.returncode == 0)
    assert statuses == {0, 2}
