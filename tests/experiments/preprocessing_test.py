"""Data of a run: made again when what they are made of has changed."""

import pathlib
import shutil

import pytest

from ofa_aec_tf.experiments.preprocessing import Preprocessing
from tests.synthetic_data import write_dataset


@pytest.fixture
def audio(tmp_path, monkeypatch):
    """Audio and a flagfile; preprocessing writes a small data set instead."""
    directory = tmp_path / "audio"
    (directory / "dog").mkdir(parents=True)
    for name in ("a", "b"):
        (directory / "dog" / f"{name}.wav").write_bytes(b"12")
    (tmp_path / "labels.csv").write_text("a,dog\n")
    (tmp_path / "preprocess.cfg").write_text(
        f"--audio_dir={directory}\n--labels_csv={tmp_path / 'labels.csv'}\n"
    )
    calls = []

    def call(title, module, *arguments):
        calls.append(arguments)
        data_dir = pathlib.Path(arguments[-1].partition("=")[2])
        data_dir.mkdir(exist_ok=True)
        write_dataset(data_dir, seed=len(calls))
        return 10.0

    monkeypatch.setattr(
        "ofa_aec_tf.experiments.preprocessing.child_commands.call", call
    )
    return directory, calls


def make_data(tmp_path, settings=(), overwrite=False):
    data = Preprocessing(
        tmp_path, tmp_path / "preprocess.cfg", list(settings), name="data"
    )
    return data.run(overwrite)


def test_finished_data_are_kept_when_their_audio_is_gone(
    tmp_path, audio, capfd
):
    directory, calls = audio
    assert make_data(tmp_path) == 10.0
    (directory / "dog" / "b.wav").unlink()
    assert make_data(tmp_path) == 10.0
    assert "kept, in " in capfd.readouterr().out
    shutil.rmtree(directory)
    directory.mkdir()
    make_data(tmp_path)
    assert "(2 files that they were made of are gone)" in capfd.readouterr().out
    directory.rmdir()
    (tmp_path / "labels.csv").unlink()
    assert make_data(tmp_path) == 10.0
    assert len(calls) == 1
    # Killed before it was recorded what they are made of.
    shutil.rmtree(tmp_path / "steps")
    make_data(tmp_path)
    assert len(calls) == 1


def test_data_are_made_again_when_what_they_are_made_of_changes(
    tmp_path, audio, capfd
):
    directory, calls = audio

    def reason(*settings):
        before = len(calls)
        make_data(tmp_path, settings)
        output = capfd.readouterr().out
        if len(calls) == before:
            return None
        make_data(tmp_path, settings)
        assert len(calls) == before + 1
        return output.partition("again: ")[2].strip().splitlines()[-1]

    make_data(tmp_path)
    assert reason() is None
    (directory / "dog" / "c.wav").write_bytes(b"12")
    assert reason() == "audio files are new or have changed"
    (directory / "dog" / "c.wav").write_bytes(b"123")
    assert reason() == "audio files are new or have changed"
    (tmp_path / "labels.csv").write_text("a,cat\n")
    assert reason() == f"{tmp_path / 'labels.csv'} has changed"
    assert reason("--clip_seconds=2") == "their flags have changed"
    shard = next((tmp_path / "data").glob("*.tfrecord*"))
    shard.write_bytes(shard.read_bytes()[:-1])
    assert reason("--clip_seconds=2") == "they are not there, or not whole"
    write_dataset(tmp_path / "data", seed=99)
    assert reason("--clip_seconds=2") == "they are not those of the last time"
    shutil.rmtree(tmp_path / "steps")
    assert reason("--clip_seconds=2") == "nothing is known of them"


def test_data_may_be_replaced_in_any_case(tmp_path, audio):
    _, calls = audio
    make_data(tmp_path)
    assert "--overwrite" not in calls[0]
    make_data(tmp_path, overwrite=True)
    assert "--overwrite" in calls[1]
    assert calls[1][-1] == f"--output_dir={pathlib.Path(tmp_path, 'data')}"


def test_without_a_name_other_flags_make_other_data(tmp_path, audio):
    _, calls = audio

    def directory(*settings):
        data = Preprocessing(tmp_path, tmp_path / "preprocess.cfg", settings)
        data.run()
        return data.data_dir

    first, second = directory(), directory("--clip_seconds=2")
    assert first != second
    assert (directory(), directory("--clip_seconds=2")) == (first, second)
    assert len(calls) == 2
    (tmp_path / "labels.csv").write_text("a,cat\n")
    assert directory() not in (first, second)
    assert len(calls) == 3
