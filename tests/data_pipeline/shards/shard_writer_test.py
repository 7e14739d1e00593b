"""Tests of planning and writing shards."""

import dataclasses
import errno
import json
import os
import re
import sqlite3

import numpy as np
import pytest
import soundfile
import tensorflow as tf

from data_pipeline.clips import clip as clip_types
from data_pipeline.clips.clip import ClipRow
from data_pipeline.shards import content_keys
from data_pipeline.shards import earlier
from data_pipeline.shards import shard_writer
from data_pipeline.shards.config import PreprocessConfig
from ofa_aec_tf import audio
from ofa_aec_tf.audio import frontend
from ofa_aec_tf.audio.frontend import FrontendConfig
from ofa_aec_tf.data import records
from ofa_aec_tf.data.class_map import ClassMap
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
    name = "train-00000-of-00001"
    return shard_writer.ShardPlan(name, "train", tuple(rows), config)


def _key(plan):
    return plan.content_key(content_keys.of_clips(plan.clips, plan.config))


def _write(plan, output_dir, **options):
    """Writes a shard beside what earlier jobs have left."""
    database = sqlite3.connect(":memory:")
    earlier.index(database, output_dir, None)
    return shard_writer.write_shard(
        plan,
        output_dir,
        earlier=earlier.Earlier(database, output_dir),
        **options,
    )


def _shard(output_dir):
    (path,) = output_dir.glob("*.tfrecord")
    return path


def _side_car(output_dir):
    return records.side_car_path(_shard(output_dir))


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
    before = _key(plan)
    versions["auto"] = "2"
    assert _key(plan) == before
    versions["soundfile"] = "2"
    assert _key(plan) != before


def test_a_shard_holds_the_features_of_its_clips(rows, output_dir):
    side_car = _write(_plan(rows), output_dir)
    batch = _read(output_dir / side_car["file"])
    assert batch["id"].tolist() == [b"0.wav", b"1.wav", b"2.wav"]
    np.testing.assert_array_equal(batch["labels"], [[0, 1], [1, 1], [1, 0]])
    for log_mel, row in zip(batch["log_mel"], rows):
        samples, _ = soundfile.read(row.path, dtype="float32")
        fitted = np.zeros(4000, np.float32)
        fitted[: len(samples[:4000])] = samples[:4000]
        expected = frontend.log_mel_spectrogram(fitted, _FRONTEND)
        np.testing.assert_allclose(log_mel, expected, atol=0.04)


def test_the_sums_give_mean_and_deviation_of_the_records(rows, output_dir):
    side_car = _write(_plan(rows), output_dir)
    frames = _read(output_dir / side_car["file"])["log_mel"].reshape(-1, 16)
    assert side_car["num_frames"] == len(frames)
    mean = np.array(side_car["mel_sum_db"]) / len(frames)
    np.testing.assert_allclose(mean, frames.mean(0), rtol=1e-5)
    squares = np.array(side_car["mel_sum_squares_db"]) / len(frames)
    np.testing.assert_allclose(
        np.sqrt(squares - mean**2), frames.std(0), rtol=1e-4
    )


def test_classes_are_counted(rows, output_dir):
    side_car = _write(_plan(rows), output_dir)
    assert side_car["class_counts"] == [2, 2]


def test_a_bad_file_is_a_dead_letter_and_the_others_are_written(
    rows, output_dir
):
    with open(rows[1].path, "w") as file:
        file.write("<html>not found</html>")
    side_car = _write(_plan(rows), output_dir)
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
    first = _write(plan, output_dir)
    inode = os.stat(output_dir / first["file"]).st_ino
    again = _write(plan, output_dir)
    assert (first.pop("reused"), again.pop("reused")) == (False, True)
    assert first["num_copied"] == 0
    assert again == first
    assert os.stat(output_dir / first["file"]).st_ino == inode


def test_the_name_tells_contents_apart(rows, output_dir):
    names = {
        _write(plan, output_dir)["file"]
        for plan in (_plan(rows), _plan(rows[:2]), _plan(rows))
    }
    assert len(names) == 2
    assert all(
        re.fullmatch(r"train-00000-of-00001-[0-9a-f]{16}\.tfrecord", name)
        for name in names
    )


def test_the_side_car_tells_of_single_clips(rows, output_dir):
    rows = [dataclasses.replace(rows[0], group="a"), *rows[1:]]
    side_car = _write(_plan(rows), output_dir)
    clips = side_car["clips"]
    assert clips["ids"] == ["0.wav", "1.wav", "2.wav"]
    assert clips["groups"] == ["a", None, None]
    assert clips["seconds"] == [0.25, 0.5, 0.75]
    assert len({*clips["keys"], *clips["digests"]}) == 6
    assert side_car["notes"] == {"padded": ["0.wav"], "cropped": ["2.wav"]}


def _replace_audio(rows, output_dir):
    soundfile.write(rows[0].path, np.zeros(3000), 8000, "FLOAT")
    return _plan(rows)


def _replace_audio_as_if_nothing_had_happened(rows, output_dir):
    path = rows[0].path
    before = os.stat(path)
    samples, rate_hz = soundfile.read(path)
    soundfile.write(path, -samples, rate_hz, "FLOAT")
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    after = os.stat(path)
    assert (after.st_size, after.st_mtime_ns) == (
        before.st_size,
        before.st_mtime_ns,
    )
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
    path = _shard(output_dir)
    content = bytearray(path.read_bytes())
    content[100] ^= 1
    path.write_bytes(content)
    return _plan(rows)


def _break_side_car(rows, output_dir):
    _side_car(output_dir).write_text('{"key": ')
    return _plan(rows)


def _remove_side_car(rows, output_dir):
    _side_car(output_dir).unlink()
    return _plan(rows)


def _remove_shard(rows, output_dir):
    _shard(output_dir).unlink()
    return _plan(rows)


@pytest.mark.parametrize(
    "change",
    [
        _replace_audio,
        _replace_audio_as_if_nothing_had_happened,
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
    _write(_plan(rows), output_dir)
    plan = change(rows, output_dir)
    side_car = _write(plan, output_dir)
    assert not side_car.pop("reused")
    del side_car["num_copied"]
    path = records.side_car_path(output_dir / side_car["file"])
    assert json.loads(path.read_text()) == side_car
    assert _write(plan, output_dir)["reused"]


def _refuse(clips, sample_rate_hz, num_samples):
    raise AssertionError("nothing should be decoded")
    yield


def test_a_corpus_that_was_moved_is_kept(rows, output_dir, tmp_path):
    _write(_plan(rows), output_dir)
    (tmp_path / "moved").mkdir()
    moved = []
    for row in rows:
        path = tmp_path / "moved" / row.clip_id
        os.rename(row.path, path)
        moved.append(dataclasses.replace(row, path=str(path)))
    assert _write(_plan(moved), output_dir, render=_refuse)["reused"]


def test_a_dead_letter_names_the_file_where_it_is_now(
    rows, output_dir, tmp_path
):
    os.unlink(rows[1].path)
    _write(_plan(rows), output_dir)
    moved = dataclasses.replace(rows[1], path=str(tmp_path / "elsewhere.wav"))
    side_car = _write(_plan([rows[0], moved, rows[2]]), output_dir)
    (letter,) = side_car["dead_letters"]
    assert letter["filename"] == moved.path


def _equal_to_a_fresh_one(plan, output_dir, tmp_path):
    side_car = _write(plan, output_dir, render=_refuse)
    (tmp_path / "fresh").mkdir()
    fresh = _write(plan, tmp_path / "fresh")
    assert side_car.pop("num_copied") == side_car["num_records"]
    assert fresh.pop("num_copied") == 0
    assert side_car == fresh
    name = side_car["file"]
    copied = (output_dir / name).read_bytes()
    assert copied == (tmp_path / "fresh" / name).read_bytes()


def test_clips_are_copied_where_only_classes_are_new(
    rows, output_dir, tmp_path
):
    _write(_plan(rows), output_dir)
    config = dataclasses.replace(
        _CONFIG, class_map=ClassMap(("ape", "cat", "dog"))
    )
    _equal_to_a_fresh_one(_plan(rows, config), output_dir, tmp_path)


def test_clips_are_copied_from_other_shards(rows, output_dir, tmp_path):
    for number, of_shard in enumerate((rows[:1], rows[1:])):
        name = f"train-0000{number}-of-00002"
        plan = shard_writer.ShardPlan(name, "train", of_shard, _CONFIG)
        _write(plan, output_dir)
    _equal_to_a_fresh_one(_plan(rows[::-1]), output_dir, tmp_path)


def test_what_cannot_be_copied_is_decoded(rows, output_dir, tmp_path):
    first = _write(_plan(rows[:2]), output_dir)
    path = _shard(output_dir)
    content = bytearray(path.read_bytes())
    content[first["offsets"][1] + 100] ^= 1
    path.write_bytes(content)
    decoded = []

    def render(clips, *arguments):
        decoded.extend(clip.clip_id for clip in clips)
        return clip_types.render(clips, *arguments)

    _write(_plan(rows), output_dir, render=render)
    assert decoded == ["1.wav", "2.wav"]


def test_parts_of_a_recording_are_asked_for_at_once(rows, output_dir):
    parts = [
        dataclasses.replace(
            rows[2], clip_id=str(i), start_seconds=i / 4, recording="2.wav"
        )
        for i in range(3)
    ]
    alone = _write(_plan(parts[1:2]), output_dir)
    asked = []

    def render(clips, *arguments):
        asked.append([clip.clip_id for clip in clips])
        return clip_types.render(clips, *arguments)

    plan = _plan([rows[0], *parts, rows[1]])
    side_car = _write(plan, output_dir, render=render)
    # The one in their middle is there already.
    assert asked == [["0.wav"], ["0", "2"], ["1.wav"]]
    assert side_car["clips"]["digests"][2] == alone["clips"]["digests"][0]
    batch = _read(output_dir / side_car["file"])
    assert batch["id"].tolist() == [b"0.wav", b"0", b"1", b"2", b"1.wav"]


def test_an_output_that_cannot_be_written_is_no_dead_letter(rows, tmp_path):
    with pytest.raises(FileNotFoundError):
        shard_writer.write_shard(_plan(rows), tmp_path / "nowhere")


def test_a_full_disk_is_told_with_the_file(rows, output_dir, monkeypatch):
    def fail(descriptor):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OSError, match="No space left.*train-00000-of-00001"):
        _write(_plan(rows), output_dir)
    assert not list(output_dir.iterdir())
