"""The command, where events have to reach something to be named."""

import csv
import io
import json

import numpy as np
import pytest
import soundfile

from ofa_aec_tf.data.class_thresholds import ClassThresholds
from ofa_aec_tf.runs import workdir
from tests.deployment import predict_command

CLASS_NAMES = predict_command.CLASS_NAMES
RATE_HZ = predict_command.RATE_HZ


@pytest.fixture(scope="module")
def audio_dir(tmp_path_factory):
    directory = tmp_path_factory.mktemp("audio")
    rng = np.random.default_rng(0)
    noise = rng.normal(0, 0.1, RATE_HZ)
    recordings = {
        "loud": noise,
        "quiet": 1e-2 * noise,
        "faint": 1e-4 * noise,
        "zeros": np.zeros(RATE_HZ),
        "offset": np.full(RATE_HZ, 0.2),
    }
    for name, waveform in recordings.items():
        soundfile.write(directory / f"{name}.wav", waveform, RATE_HZ, "FLOAT")
    return directory


@pytest.fixture
def model_path(predicting, tmp_path):
    """A copy of the model alone, which thresholds can be put beside."""
    for name in ("net_float32.tflite", "export.json"):
        content = predicting.tflite_path.with_name(name).read_bytes()
        (tmp_path / name).write_bytes(content)
    return tmp_path / "net_float32.tflite"


def _files(model_path, *arguments):
    result = predict_command.run(
        f"--model={model_path}", "--format=json", *arguments
    )
    assert result.returncode == 0, result.stderr
    return json.loads(result.stdout)["files"]


def _scores(model_path, path):
    (file,) = _files(model_path, "--thresholds=none", "--top_k=100", path)
    return {event["class"]: event["score"] for event in file["events"]}


def _write_thresholds(path, thresholds, model_path):
    digest = workdir.file_digest(model_path)
    ClassThresholds(thresholds, digest).write(path)


def _names(file):
    return {event["class"] for event in file["events"]}


def test_thresholds_beside_the_model_are_used(model_path, audio_dir):
    path = audio_dir / "loud.wav"
    scores = _scores(model_path, path)
    assert len(scores) == len(CLASS_NAMES)
    # Reached to the bit, missed by a hair, and never reported.
    thresholds = dict.fromkeys(CLASS_NAMES)
    thresholds["event 0"] = scores["event 0"]
    thresholds["event 1"] = scores["event 1"] + 1e-6
    thresholds |= {name: 0.0 for name in CLASS_NAMES[3:]}
    beside = ClassThresholds.path_beside(model_path)
    _write_thresholds(beside, thresholds, model_path)
    (file,) = _files(model_path, path)
    # More than the five that are named without thresholds.
    assert _names(file) == {"event 0", *CLASS_NAMES[3:]}
    (file,) = _files(model_path, "--top_k=2", path)
    assert len(file["events"]) == 2


def test_named_thresholds_are_used_instead(model_path, audio_dir):
    path = audio_dir / "loud.wav"
    beside = ClassThresholds.path_beside(model_path)
    _write_thresholds(beside, dict.fromkeys(CLASS_NAMES), model_path)
    scores = _scores(model_path, path)
    other = model_path.with_name("other.json")
    thresholds = {**dict.fromkeys(CLASS_NAMES), "event 4": 0}
    _write_thresholds(other, thresholds, model_path)
    (file,) = _files(model_path, f"--thresholds={other}", path)
    assert _names(file) == {"event 4"}
    limit = sorted(scores.values())[-6]
    (file,) = _files(model_path, f"--threshold={limit!r}", path)
    assert len(file["events"]) == 6
    assert _names(file) == {name for name in scores if scores[name] >= limit}


def test_thresholds_left_over_by_another_model_are_refused(
    model_path, audio_dir
):
    beside = ClassThresholds.path_beside(model_path)
    ClassThresholds(dict.fromkeys(CLASS_NAMES, 0.1), "0123").write(beside)
    path = audio_dir / "loud.wav"
    result = predict_command.run(f"--model={model_path}", path)
    assert result.returncode == 2
    (line,) = result.stderr.splitlines()
    assert line.startswith(f"error: {beside} was chosen for another model")
    # By name it is the user's choice, such as that of a sibling.
    (file,) = _files(model_path, f"--thresholds={beside}", path)
    assert set(_names(file)) <= set(CLASS_NAMES)


def test_thresholds_of_other_classes_are_refused(model_path, audio_dir):
    path = model_path.with_name("other.json")
    ClassThresholds({"dog": 0.5}, "0123").write(path)
    result = predict_command.run(
        f"--model={model_path}", f"--thresholds={path}", audio_dir / "loud.wav"
    )
    assert result.returncode == 2
    assert "Not a class of this model: ['dog']" in result.stderr


def test_silence_answers_nothing_and_quiet_sound_is_scored(
    model_path, audio_dir
):
    names = ("zeros", "offset", "faint", "quiet")
    paths = [audio_dir / f"{name}.wav" for name in names]
    files = _files(model_path, *paths)
    assert [file["nothing"] for file in files] == [True, True, True, False]
    assert [len(file["events"]) for file in files] == [0, 0, 0, 5]
    assert [file["num_silent_windows"] for file in files] == [1, 1, 1, 0]
    everything = _files(model_path, "--silence_dbfs=-inf", *paths)
    assert [len(file["events"]) for file in everything] == [5] * 4


def test_nothing_is_said_in_table_and_csv(model_path, audio_dir):
    path = audio_dir / "loud.wav"
    arguments = (f"--model={model_path}", "--threshold=1", path)
    table = predict_command.run(*arguments).stdout
    assert table == f"{path} (1 window)\n  nothing\n"
    text = predict_command.run("--format=csv", *arguments).stdout
    (row,) = csv.DictReader(io.StringIO(text))
    assert row["file"] == str(path)
    assert row["class"] == row["score"] == row["rank"] == ""
