import csv
import io
import json
import os
import pathlib
import subprocess
import sys

import numpy as np
import pytest
import soundfile

from ofa_aec_tf import workdir
from ofa_aec_tf.data.class_map import ClassMap
from ofa_aec_tf.data.dataset_info import MULTI_LABEL
from ofa_aec_tf.data.model_info import EXPORT_REPORT
from ofa_aec_tf.data.model_info import ModelInfo
from ofa_aec_tf.deployment import tflite_converter
from ofa_aec_tf.frontend import FrontendConfig
from ofa_aec_tf.frontend import log_mel_spectrogram
from tests.deployment import small_models

ROOT = pathlib.Path(__file__).parents[1]
CLASS_NAMES = tuple(f"event {i}" for i in range(small_models.NUM_CLASSES))
CLIP_SECONDS = 1.0
RATE_HZ = 32000


def _predict(*arguments, **environment):
    return subprocess.run(
        [sys.executable, "-m", "ofa_aec_tf.predict", *map(str, arguments)],
        cwd=ROOT,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=120,
    )


@pytest.fixture(scope="module")
def network():
    return small_models.make_network()


@pytest.fixture(scope="module")
def model_dir(network, tmp_path_factory):
    """Directory with `net.keras`, and `tflite/net_float32.tflite`."""
    directory = tmp_path_factory.mktemp("models")
    info = ModelInfo(
        FrontendConfig(), CLIP_SECONDS, ClassMap(CLASS_NAMES), MULTI_LABEL
    )
    network.save(directory / "net.keras")
    info.write(directory / "net.keras")
    content = tflite_converter.convert(network, 101, 64, "float32")
    (directory / "tflite").mkdir()
    (directory / "tflite" / "net_float32.tflite").write_bytes(content)
    workdir.write_json(
        directory / "tflite" / EXPORT_REPORT, {"model": info.to_json()}
    )
    return directory


@pytest.fixture(scope="module")
def tflite_path(model_dir):
    return model_dir / "tflite" / "net_float32.tflite"


@pytest.fixture(scope="module")
def audio_dir(tmp_path_factory):
    directory = tmp_path_factory.mktemp("audio")
    rng = np.random.default_rng(0)
    times_s = np.arange(int(2.7 * RATE_HZ)) / RATE_HZ
    waveform = 0.1 * np.sin(2 * np.pi * 700 * times_s * (1 + times_s))
    waveform += rng.normal(0, 0.01, len(times_s))
    soundfile.write(directory / "a.wav", waveform, RATE_HZ, "FLOAT")
    soundfile.write(directory / "b.flac", waveform[:RATE_HZ], RATE_HZ)
    soundfile.write(directory / "c.ogg", waveform[: RATE_HZ // 4], RATE_HZ)
    (directory / "broken.wav").write_bytes(b"RIFF of nothing")
    (directory / "empty.wav").touch()
    return directory


def _expected_scores(network, path):
    """Scores and best windows, from the Keras model, windows cut by hand."""
    waveform, _ = soundfile.read(path, dtype="float32")
    windows = [
        np.pad(piece, (0, RATE_HZ - len(piece)))
        for piece in np.split(waveform, range(RATE_HZ, len(waveform), RATE_HZ))
    ]
    log_mel = [log_mel_spectrogram(w, FrontendConfig()) for w in windows]
    scores = network.predict(np.stack(log_mel), verbose=0)
    return scores.max(axis=0), scores.argmax(axis=0)


@pytest.mark.parametrize(
    "model",
    [
        pytest.param("net.keras", marks=pytest.mark.slow),
        "tflite/net_float32.tflite",
    ],
)
def test_wav_flac_and_ogg_get_the_scores_of_the_model(
    network, model_dir, audio_dir, model
):
    names = ["a.wav", "b.flac", "c.ogg"]
    result = _predict(
        f"--model={model_dir / model}",
        "--format=json",
        "--top_k=100",
        *(audio_dir / name for name in names),
    )
    assert result.returncode == 0, result.stderr
    report = json.loads(result.stdout)
    assert [f["num_windows"] for f in report["files"]] == [3, 1, 1]
    for name, file in zip(names, report["files"]):
        assert file["file"] == str(audio_dir / name)
        events = {event["class"]: event for event in file["events"]}
        assert list(events) == sorted(events, key=lambda c: -events[c]["score"])
        scores, windows = _expected_scores(network, audio_dir / name)
        np.testing.assert_allclose(
            [events[name]["score"] for name in CLASS_NAMES], scores, atol=1e-4
        )
        if model.endswith(".keras"):
            starts = [events[name]["start_seconds"] for name in CLASS_NAMES]
            np.testing.assert_array_equal(starts, windows)


def test_broken_files_are_reported_and_the_others_predicted(
    tflite_path, audio_dir
):
    result = _predict(
        f"--model={tflite_path}",
        "--format=json",
        audio_dir / "broken.wav",
        audio_dir / "a.wav",
        audio_dir / "absent.wav",
        audio_dir / "empty.wav",
    )
    assert result.returncode == 0
    report = json.loads(result.stdout)
    assert [pathlib.Path(f["file"]).name for f in report["files"]] == ["a.wav"]
    codes = [error["code"] for error in report["errors"]]
    assert codes == ["undecodable", "missing", "empty_file"]
    assert "skipped 3 of 4 files" in result.stderr
    assert "broken.wav" in result.stderr


def test_status_is_two_when_no_file_could_be_read(tflite_path, audio_dir):
    result = _predict(f"--model={tflite_path}", audio_dir / "broken.wav")
    assert result.returncode == 2
    assert result.stdout == ""
    assert "error: None of the 1 files could be read" in result.stderr
    assert "Traceback" not in result.stderr


def test_table_shows_the_top_events_aligned(network, tflite_path, audio_dir):
    path = audio_dir / "a.wav"
    result = _predict(f"--model={tflite_path}", "--top_k=2", path)
    title, *rows = result.stdout.splitlines()
    assert title == f"{path} (3 windows)"
    scores, _ = _expected_scores(network, path)
    best = np.argsort(-scores)[:2]
    assert [row.split("  ")[1] for row in rows] == [
        CLASS_NAMES[index] for index in best
    ]
    assert len({len(row) for row in rows}) == 1


def test_csv_has_a_row_for_each_event(tflite_path, audio_dir):
    result = _predict(
        f"--model={tflite_path}",
        "--format=csv",
        "--top_k=3",
        audio_dir / "b.flac",
        audio_dir / "a.wav",
    )
    rows = list(csv.DictReader(io.StringIO(result.stdout)))
    assert [row["rank"] for row in rows] == ["1", "2", "3"] * 2
    assert {row["class"] for row in rows} <= set(CLASS_NAMES)
    assert all(0 <= float(row["score"]) <= 1 for row in rows)


def test_tflite_files_are_predicted_without_tensorflow(
    tflite_path, audio_dir, tmp_path
):
    for package in ("tensorflow", "keras"):
        (tmp_path / f"{package}.py").write_text("raise ImportError('absent')")
    result = _predict(
        f"--model={tflite_path}",
        audio_dir / "a.wav",
        PYTHONPATH=str(tmp_path),
    )
    assert result.returncode == 0, result.stderr
    assert "event" in result.stdout
    assert result.stderr == ""


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "Name at least one audio file"),
        (["--top_k=0", "a.wav"], "top_k"),
        (["--format=xml", "a.wav"], "format"),
    ],
)
def test_wrong_usage_is_one_line_and_status_two(
    tflite_path, arguments, message
):
    result = _predict(f"--model={tflite_path}", *arguments)
    assert result.returncode == 2
    (line,) = result.stderr.splitlines()
    assert line.startswith("error: ") and message in line


def test_model_without_its_record_is_refused(tflite_path, audio_dir, tmp_path):
    alone = tmp_path / "alone.tflite"
    alone.write_bytes(tflite_path.read_bytes())
    result = _predict(f"--model={alone}", audio_dir / "a.wav")
    assert result.returncode == 2
    assert "no record of its classes and front end" in result.stderr
