"""Runs the command on files as a user does."""

import csv
import io
import json
import pathlib

import numpy as np
import pytest
import soundfile

from ofa_aec_tf.audio.frontend import FrontendConfig
from ofa_aec_tf.audio.frontend import log_mel_spectrogram
from tests.deployment import predict_command

CLASS_NAMES = predict_command.CLASS_NAMES
RATE_HZ = predict_command.RATE_HZ
_predict = predict_command.run


@pytest.fixture(scope="module")
def network(predicting):
    return predicting.network


@pytest.fixture(scope="module")
def model_dir(predicting):
    return predicting.directory


@pytest.fixture(scope="module")
def tflite_path(predicting):
    return predicting.tflite_path


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
    soundfile.write(directory / "d.mp3", waveform, RATE_HZ)
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
def test_wav_flac_ogg_and_mp3_get_the_scores_of_the_model(
    network, model_dir, audio_dir, model
):
    names = ["a.wav", "b.flac", "c.ogg", "d.mp3"]
    result = _predict(
        f"--model={model_dir / model}",
        "--format=json",
        "--top_k=100",
        *(audio_dir / name for name in names),
    )
    assert result.returncode == 0, result.stderr
    report = json.loads(result.stdout)
    assert [f["num_windows"] for f in report["files"]] == [3, 1, 1, 3]
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
        (["--window_hop_seconds=1.5", "a.wav"], "a hop of 48000 samples"),
        (["--window_hop_seconds=nan", "a.wav"], "window_hop_seconds=nan"),
        (["--microphone", "a.wav"], "--microphone=True, 1 files"),
        (["--threshold=0.5", "--thresholds=t.json", "a.wav"], "t.json"),
        (["--thresholds=t.json", "a.wav"], "no thresholds t.json"),
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


def test_windows_of_every_file_are_listed_and_written(tflite_path, audio_dir):
    output = audio_dir / "out" / "events.csv"
    result = _predict(
        f"--model={tflite_path}",
        "--per_window",
        "--window_hop_seconds=0.25",
        "--top_k=1",
        "--format=csv",
        f"--output={output}",
        audio_dir / "a.wav",
    )
    assert result.stdout == f"wrote {output}\n"
    rows = list(csv.DictReader(output.open()))
    # 2.7 s: the window that reaches the end begins at 1.75 s.
    assert [float(row["start_seconds"]) for row in rows] == [
        number / 4 for number in range(8)
    ]
    assert [float(row["end_seconds"]) for row in rows[-2:]] == [2.5, 2.7]
    assert {row["rank"] for row in rows} == {"1"}


def test_directories_stand_for_the_audio_files_in_them(
    tflite_path, audio_dir, tmp_path
):
    (tmp_path / "b").mkdir()
    content = (audio_dir / "b.flac").read_bytes()
    for name in ("b/z.FLAC", "b/a.flac", "a.flac", "notes.txt", "._a.flac"):
        (tmp_path / name).write_bytes(content)
    result = _predict(
        f"--model={tflite_path}", "--format=json", tmp_path, audio_dir / "a.wav"
    )
    files = [file["file"] for file in json.loads(result.stdout)["files"]]
    assert files == [
        *(str(tmp_path / name) for name in ("a.flac", "b/a.flac", "b/z.FLAC")),
        str(audio_dir / "a.wav"),
    ]
    (tmp_path / "empty").mkdir()
    result = _predict(f"--model={tflite_path}", tmp_path / "empty")
    assert result.returncode == 2
    assert "error: There is no audio file in the directory" in result.stderr


def test_a_waveform_model_has_windows_of_its_own_length(
    predicting, waveform_model, audio_dir
):
    result = _predict(
        f"--model={predicting.waveform_path}",
        "--format=json",
        "--top_k=100",
        audio_dir / "b.flac",
    )
    report = json.loads(result.stdout)
    assert report["window_seconds"] == 0.5
    (file,) = report["files"]
    waveform, _ = soundfile.read(audio_dir / "b.flac", dtype="float32")
    expected = waveform_model[0].predict(waveform.reshape(2, -1), verbose=0)
    scores = {event["class"]: event["score"] for event in file["events"]}
    np.testing.assert_allclose(
        [scores[name] for name in CLASS_NAMES], expected.max(axis=0), atol=1e-4
    )
