"""Tests of planning and writing shards."""

import dataclasses
import json
import os

import numpy as np
import pytest
import soundfile
import tensorflow as tf

from data_pipeline import shard_writer
from data_pipeline.clips import ClipRow
from data_pipeline.config import PreprocessConfig
from ofa_aec_tf import audio
from ofa_aec_tf import frontend
from ofa_aec_tf.data.class_map import ClassMap
from ofa_aec_tf.frontend import FrontendConfig
from tests import tensorflow_parsing

_FRONTEND = FrontendConfig(8000, 256, 80, 16, 50.0, 4000.0)
_CONFIG = PreprocessConfig(
    _FRONTEND, 0.5, ClassMap(("cat", "dog")), "multi_label"
)


@pytest.fixture
def rows(tmp_path):
    """Three rows with their files; the clips are 0.25, 0.5 and 0.75 s."""
    labels = [("dog",), ("cat", "dog"), ("cat",)]
    made = []
    for index, names in enumerate(labels):
        noise = np.random.default_rng(index).uniform(
            -0.5, 0.5, 2000 * (index + 1)
        )
        path = tmp_path / f"{index}.wav"
        soundfile.write(path, noise, 8000, "FLOAT")
        made.append(ClipRow(f"{index}.wav", str(path), names, "train"))
    return tuple(made)


@pytest.fixture
def output_dir(tmp_path):
    (tmp_path / "out").mkdir()
    return tmp_path / "out"


def _plan(rows, config=_CONFIG):
    name = "train-00000-of-00001.tfrecord"
    return shard_writer.ShardPlan(name, "train", tuple(rows), config)


def _read(path):
    batch = tensorflow_parsing.parse_records(
        tf.constant([r.numpy() for r in tf.data.TFRecordDataset(str(path))]),
        _FRONTEND.num_frames(4000),
        16,
        2,
    )
    return {name: value.numpy() for name, value in batch.items()}


def test_the_key_knows_the_versions_of_the_decoder_that_is_used(
    rows, monkeypatch
):
    plan = _plan(
        [dataclasses.replace(row, decoder="soundfile") for row in rows]
    )
    versions = {"soundfile": "1", "auto": "1"}
    monkeypatch.setattr(audio, "decoder_versions", lambda name: versions[name])
    before = plan.content_key()
    versions["auto"] = "2"
    assert plan.content_key() == before
    versions["soundfile"] = "2"
    assert plan.content_key() != before


def test_a_shard_holds_the_features_of_its_clips(rows, output_dir):
    plan = _plan(rows)
    shard_writer.write_shard(plan, output_dir)
    batch = _read(output_dir / plan.file)
    assert batch["id"].tolist() == [b"0.wav", b"1.wav", b"2.wav"]
    np.testing.assert_array_equal(batch["labels"], [[0, 1], [1, 1], [1, 0]])
    for log_mel, row in zip(batch["log_mel"], rows):
        samples, _ = soundfile.read(row.path, dtype="float32")
        fitted = np.zeros(4000, np.float32)
        fitted[: len(samples[:4000])] = samples[:4000]
        expected = frontend.log_mel_spectrogram(fitted, _FRONTEND)
        np.testing.assert_allclose(log_mel, expected, atol=0.04)


def test_the_sums_give_mean_and_deviation_of_the_records(rows, output_dir):
    plan = _plan(rows)
    side_car = shard_writer.write_shard(plan, output_dir)
    frames = _read(output_dir / plan.file)["log_mel"].reshape(-1, 16)
    assert side_car["num_frames"] == len(frames)
    mean = np.array(side_car["mel_sum_db"]) / len(frames)
    np.testing.assert_allclose(mean, frames.mean(0), rtol=1e-5)
    squares = np.array(side_car["mel_sum_squares_db"]) / len(frames)
    np.testing.assert_allclose(
        np.sqrt(squares - mean**2), frames.std(0), rtol=1e-4
    )


def test_classes_are_counted(rows, output_dir):
    side_car = shard_writer.write_shard(_plan(rows), output_dir)
    assert side_car["class_counts"] == [2, 2]


def test_a_bad_file_is_a_dead_letter_and_the_others_are_written(
    rows, output_dir
):
    with open(rows[1].path, "w") as file:
        file.write("<html>not found</html>")
    side_car = shard_writer.write_shard(_plan(rows), output_dir)
    (letter,) = side_car["dead_letters"]
    assert letter.pop("reason")
    assert letter == {
        "filename": rows[1].path,
        "code": "undecodable",
        "clip_id": "1.wav",
        "split": "train",
    }
    assert side_car["num_records"] == 2
    assert side_car["class_counts"] == [1, 1]


def test_a_finished_shard_is_kept(rows, output_dir):
    plan = _plan(rows)
    first = shard_writer.write_shard(plan, output_dir)
    inode = os.stat(output_dir / plan.file).st_ino
    again = shard_writer.write_shard(plan, output_dir)
    assert (first.pop("reused"), again.pop("reused")) == (False, True)
    assert again == first
    assert os.stat(output_dir / plan.file).st_ino == inode


def _replace_audio(rows, output_dir):
    soundfile.write(rows[0].path, np.zeros(3000), 8000, "FLOAT")
    return _plan(rows)


def _remove_audio(rows, output_dir):
    os.unlink(rows[0].path)
    return _plan(rows)


def _change_labels(rows, output_dir):
    return _plan([ClipRow("0.wav", rows[0].path, ("cat",), "train"), *rows[1:]])


def _change_frontend(rows, output_dir):
    other = FrontendConfig(8000, 256, 80, 16, 60.0, 4000.0)
    config = PreprocessConfig(other, 0.5, _CONFIG.class_map, "multi_label")
    return _plan(rows, config)


def _change_classes(rows, output_dir):
    config = PreprocessConfig(
        _FRONTEND, 0.5, ClassMap(("dog", "cat")), "multi_label"
    )
    return _plan(rows, config)


def _flip_a_byte(rows, output_dir):
    path = output_dir / _plan(rows).file
    content = bytearray(path.read_bytes())
    content[100] ^= 1
    path.write_bytes(content)
    return _plan(rows)


def _break_side_car(rows, output_dir):
    (output_dir / (_plan(rows).file + ".json")).write_text('{"key": ')
    return _plan(rows)


def _remove_side_car(rows, output_dir):
    (output_dir / (_plan(rows).file + ".json")).unlink()
    return _plan(rows)


def _remove_shard(rows, output_dir):
    (output_dir / _plan(rows).file).unlink()
    return _plan(rows)


@pytest.mark.parametrize(
    "change",
    [
        _replace_audio,
        _remove_audio,
        _change_labels,
        _change_frontend,
        _change_classes,
        _flip_a_byte,
        _break_side_car,
        _remove_side_car,
        _remove_shard,
    ],
)
def test_a_shard_is_written_again_after_any_change(rows, output_dir, change):
    shard_writer.write_shard(_plan(rows), output_dir)
    plan = change(rows, output_dir)
    side_car = shard_writer.write_shard(plan, output_dir)
    assert not side_car.pop("reused")
    written = json.loads((output_dir / (plan.file + ".json")).read_text())
    assert written == side_car
    assert shard_writer.write_shard(plan, output_dir)["reused"]


def test_an_output_that_cannot_be_written_is_no_dead_letter(rows, tmp_path):
    with pytest.raises(FileNotFoundError):
        shard_writer.write_shard(_plan(rows), tmp_path / "nowhere")
