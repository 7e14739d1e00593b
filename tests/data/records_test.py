"""Tests of the record contract, against TensorFlow's own writer and reader."""

import hashlib
import json
import os
import pickle
import struct
import subprocess
import sys
import types

import numpy as np
import pytest
import tensorflow as tf

from ofa_aec_tf.data import records
from tests import tensorflow_parsing
from tests.synthetic_data import damage


def _log_mel(seed, shape=(7, 4)):
    values = np.random.default_rng(seed).uniform(-100, 40, shape)
    return values.astype(np.float32)


def _write(path, encoded, **details):
    with records.RecordFileWriter(path) as writer:
        for record in encoded:
            writer.write(record)
        return writer.finish(**details)


def test_tensorflow_decodes_what_was_encoded():
    log_mel = _log_mel(0)
    encoded = records.encode_record("häuser/1.wav", log_mel, [300, 2])
    example = tf.train.Example.FromString(encoded).features.feature
    assert sorted(example) == ["id", "labels", "log_mel", "shape"]
    assert example["id"].bytes_list.value[0].decode() == "häuser/1.wav"
    assert list(example["labels"].int64_list.value) == [2, 300]
    assert list(example["shape"].int64_list.value) == [7, 4]
    np.testing.assert_array_equal(
        np.frombuffer(example["log_mel"].bytes_list.value[0], "<f2"),
        log_mel.astype(np.float16).ravel(),
    )


def test_the_bytes_are_those_of_protobuf():
    # Protobuf's own deterministic form sorts the features by name, too.
    log_mel = _log_mel(1)

    def of_bytes(value):
        return tf.train.Feature(bytes_list=tf.train.BytesList(value=[value]))

    def of_integers(values):
        return tf.train.Feature(int64_list=tf.train.Int64List(value=values))

    example = tf.train.Example(
        features=tf.train.Features(
            feature={
                "id": of_bytes(b"a"),
                "labels": of_integers([0, 1, 128, 70000]),
                "log_mel": of_bytes(log_mel.astype("<f2").tobytes()),
                "shape": of_integers([7, 4]),
            }
        )
    )
    assert records.encode_record(
        "a", log_mel, [70000, 0, 1, 128, 1]
    ) == example.SerializeToString(deterministic=True)


def test_the_file_is_the_one_that_tensorflow_writes(tmp_path):
    encoded = [records.encode_record(str(i), _log_mel(i), [i]) for i in (0, 9)]
    encoded.append(b"")
    _write(tmp_path / "ours.tfrecord", encoded)
    with tf.io.TFRecordWriter(str(tmp_path / "theirs.tfrecord")) as writer:
        for record in encoded:
            writer.write(record)
    ours = (tmp_path / "ours.tfrecord").read_bytes()
    assert ours == (tmp_path / "theirs.tfrecord").read_bytes()


def test_batches_come_back_as_written(tmp_path):
    labels = [[0], [], [1, 2], [2]]
    encoded = [
        records.encode_record(f"clip{i}", _log_mel(i), names)
        for i, names in enumerate(labels)
    ]
    path = tmp_path / "a.tfrecord"
    _write(path, encoded)
    dataset = tf.data.TFRecordDataset(str(path)).batch(4)

    def parse(serialized):
        return tensorflow_parsing.parse_records(serialized, 7, 4, 3)

    batch = next(iter(dataset.map(parse)))
    assert [i.decode() for i in batch["id"].numpy()] == [
        "clip0",
        "clip1",
        "clip2",
        "clip3",
    ]
    assert batch["log_mel"].dtype == tf.float32
    np.testing.assert_array_equal(
        batch["log_mel"],
        np.stack([_log_mel(i) for i in range(4)]).astype(np.float16),
    )
    assert batch["labels"].dtype == tf.float32
    np.testing.assert_array_equal(
        batch["labels"], [[1, 0, 0], [0, 0, 0], [0, 1, 1], [0, 0, 1]]
    )


def test_float16_moves_values_by_less_than_0_04_db():
    log_mel = _log_mel(0, (1001, 64))
    record = records.encode_record("a", log_mel, [])
    parsed = tensorflow_parsing.parse_records(
        tf.constant([record]), 1001, 64, 1
    )
    difference_db = np.abs(parsed["log_mel"][0] - log_mel)
    assert 0 < difference_db.max() < 0.04


@pytest.mark.parametrize(
    ("log_mel", "labels", "message"),
    [
        (np.zeros(5), [0], r"shape \(5,\) for clip 'a'"),
        (np.zeros((5, 2)), [3, -1], r"\[-1, 3\] for clip 'a'"),
    ],
)
def test_what_is_no_record_is_refused(log_mel, labels, message):
    with pytest.raises(ValueError, match=message):
        records.encode_record("a", log_mel, labels)


def test_offsets_are_where_the_records_start(tmp_path):
    encoded = [b"first", b"", b"the third one"]
    path = tmp_path / "a.tfrecord"
    side_car = _write(path, encoded)
    # 16 bytes of lengths and checksums for each record.
    assert side_car["offsets"] == [0, 21, 37]
    content = path.read_bytes()
    for offset, record in zip(side_car["offsets"], encoded):
        length = int.from_bytes(content[offset : offset + 8], "little")
        assert content[offset + 12 : offset + 12 + length] == record


def test_the_side_car_describes_the_file(tmp_path):
    path = tmp_path / "a.tfrecord"
    letters = [{"filename": "x.wav", "code": "missing", "reason": "gone"}]
    returned = _write(path, [b"abc"], dead_letters=letters, key="k")
    side_car = json.loads((tmp_path / "a.tfrecord.json").read_text())
    content = path.read_bytes()
    assert side_car == returned
    assert side_car == {
        "num_records": 1,
        "num_bytes": len(content),
        "sha256": hashlib.sha256(content).hexdigest(),
        "key": "k",
        "dead_letters": letters,
        "offsets": [0],
    }


def test_a_file_without_records_is_valid(tmp_path):
    path = tmp_path / "a.tfrecord"
    assert _write(path, [])["num_records"] == 0
    assert list(tf.data.TFRecordDataset(str(path))) == []


def test_nothing_is_left_when_writing_fails(tmp_path):
    with pytest.raises(RuntimeError, match="in the middle"):
        with records.RecordFileWriter(tmp_path / "a.tfrecord") as writer:
            writer.write(b"abc")
            assert len(os.listdir(tmp_path)) == 1
            raise RuntimeError("in the middle")
    assert os.listdir(tmp_path) == []


def test_nothing_is_left_when_the_disk_is_full(tmp_path):
    with pytest.raises(OSError, match="No space"):
        with records.RecordFileWriter(tmp_path / "a.tfrecord") as writer:
            writer.write(b"abc")

            def fail():
                raise OSError(28, "No space left on device")

            # What closing does with what is still to be written.
            writer._file.close()
            writer._file = types.SimpleNamespace(close=fail)
    assert os.listdir(tmp_path) == []


def test_the_old_file_stays_until_the_new_one_is_whole(tmp_path):
    path = tmp_path / "a.tfrecord"
    _write(path, [b"old"])
    before = path.read_bytes()
    with records.RecordFileWriter(path) as writer:
        writer.write(b"new")
        assert path.read_bytes() == before
        writer.finish()
    assert path.read_bytes() != before


def test_others_may_read_the_files(tmp_path):
    _write(tmp_path / "a.tfrecord", [b"abc"])
    for path in tmp_path.iterdir():
        assert path.stat().st_mode & 0o777 == 0o644


def _example(**features):
    """Bytes of an Example, by TensorFlow."""
    made = {}
    for name, values in features.items():
        if values and isinstance(values[0], bytes):
            made[name] = tf.train.Feature(
                bytes_list=tf.train.BytesList(value=values)
            )
        else:
            made[name] = tf.train.Feature(
                int64_list=tf.train.Int64List(value=values)
            )
    return tf.train.Example(
        features=tf.train.Features(feature=made)
    ).SerializeToString()


def _features(**changes):
    return {
        "id": [b"a"],
        "labels": [1],
        "log_mel": [bytes(2 * 7 * 4)],
        "shape": [7, 4],
        **changes,
    }


def test_what_was_encoded_is_decoded():
    log_mel = _log_mel(0)
    record = records.decode_record(
        records.encode_record("häuser/1.wav", log_mel, [300, 2]),
        "a.tfrecord",
        0,
        (7, 4),
        301,
    )
    assert record.clip_id == "häuser/1.wav"
    assert record.labels == (2, 300)
    assert record.log_mel.dtype == np.float16
    np.testing.assert_array_equal(record.log_mel, log_mel.astype(np.float16))


def test_what_tensorflow_encodes_is_decoded():
    record = records.decode_record(
        _example(**_features(labels=[0, 2])), "a.tfrecord", 0
    )
    assert record.clip_id == "a"
    assert record.labels == (0, 2)
    np.testing.assert_array_equal(record.log_mel, np.zeros((7, 4)))
    unlabelled = _example(**_features(labels=[]))
    assert records.decode_record(unlabelled, "a.tfrecord", 0).labels == ()


@pytest.mark.parametrize(
    ("record", "problem"),
    [
        (b"\xff\xff<html>", "not an Example"),
        (b"", r"not an Example of a clip, for it lacks \['id', 'labels'"),
        (
            _example(**_features(id=[b"a", b"b"])),
            "not an Example of one clip",
        ),
        (_example(**_features(log_mel=[])), "not an Example of one clip"),
        (
            _example(**_features(shape=[4, 7])),
            r"wrong shape: expected \(7, 4\), received \(4, 7\)",
        ),
        (_example(**_features(shape=[7])), r"wrong shape: .* received \(7,\)"),
        (_example(**_features(shape=[-7, -4])), "wrong shape"),
        (
            _example(**_features(log_mel=[bytes(54)])),
            "wrong shape: .* and 54 bytes of float16 values",
        ),
        (
            _example(**_features(labels=[0, 3])),
            r"class indices from 0 to 2, but it has \(0, 3\)",
        ),
        (_example(**_features(labels=[-1])), r"but it has \(-1,\)"),
        (_example(**_features(id=[b"\xff"])), "its id is not text"),
    ],
    # The bytes of TensorFlow's Examples differ between two processes.
    ids=lambda value: value if isinstance(value, str) else "record",
)
def test_a_record_of_no_clip_is_named(record, problem):
    with pytest.raises(
        ValueError, match=f"^b.tfrecord: the record at byte 96 .*{problem}"
    ):
        records.decode_record(record, "b.tfrecord", 96, (7, 4), 3)


def test_without_expectations_any_shape_and_class_will_do():
    record = records.encode_record("a", _log_mel(0, (3, 2)), [1000])
    decoded = records.decode_record(record, "a.tfrecord", 0)
    assert decoded.log_mel.shape == (3, 2)
    assert decoded.labels == (1000,)
    with pytest.raises(ValueError, match="wrong shape: expected two sizes"):
        records.decode_record(_example(**_features(shape=[])), "a", 0)


def _read_file(path):
    """Positions and data of all records, one after the other."""
    found, position = [], 0
    with open(path, "rb") as file:
        while position < path.stat().st_size:
            data, end = records.read_framed_record(
                file.fileno(), path, position
            )
            found.append((position, data))
            position = end
    return found


def test_files_of_tensorflow_are_read(tmp_path):
    path = tmp_path / "a.tfrecord"
    encoded = [b"first", b"", b"the third one"]
    with tf.io.TFRecordWriter(str(path)) as writer:
        for record in encoded:
            writer.write(record)
    assert _read_file(path) == list(zip((0, 21, 37), encoded))


_CONTENTS = (b"first", b"", b"the third one")
_OFFSETS = (0, 21, 37)
_NUM_BYTES = 66


@pytest.mark.parametrize("position", range(_NUM_BYTES))
def test_any_damaged_byte_is_found_at_its_record(tmp_path, position):
    path = tmp_path / "a.tfrecord"
    _write(path, _CONTENTS)
    assert path.stat().st_size == _NUM_BYTES
    damage(path, position)
    # By hand: 8 bytes of length, 4 of its checksum, the data, 4 of that.
    offset = max(start for start in _OFFSETS if start <= position)
    in_header = position - offset < 12
    with pytest.raises(records.RecordError) as raised:
        _read_file(path)
    assert raised.value.path == str(path)
    assert raised.value.offset == offset
    assert raised.value.problem == (
        "its length checksum is wrong"
        if in_header
        else "its data checksum is wrong"
    )
    assert str(raised.value).startswith(
        f"{path}: the record at byte {offset} is damaged: its "
    )


@pytest.mark.parametrize("num_bytes", range(1, _NUM_BYTES))
def test_a_file_that_ends_early_is_found(tmp_path, num_bytes):
    path = tmp_path / "a.tfrecord"
    _write(path, _CONTENTS)
    path.write_bytes(path.read_bytes()[:num_bytes])
    if num_bytes in _OFFSETS:
        assert len(_read_file(path)) == _OFFSETS.index(num_bytes)
        return
    with pytest.raises(records.RecordError, match="it ends early") as raised:
        _read_file(path)
    assert raised.value.offset == max(o for o in _OFFSETS if o < num_bytes)


def test_a_length_beyond_the_file_is_not_allocated(tmp_path):
    path = tmp_path / "a.tfrecord"
    header = struct.pack("<Q", 2**60)
    framed = records.frame_record(header)
    # The checksum of eight bytes of data is that of eight bytes of length.
    path.write_bytes(header + framed[-4:] + b"data")
    with pytest.raises(records.RecordError, match=f"early: {2**60 + 16} bytes"):
        _read_file(path)


def test_a_frame_of_another_length_is_refused():
    frame = records.frame_record(b"abc")
    with pytest.raises(
        records.RecordError, match="length of 3 bytes, but 4 are there"
    ):
        records.unframe_record(frame + b"x", "a.tfrecord", 0)


def test_errors_of_records_come_from_other_processes():
    error = records.RecordError("a.tfrecord", np.int64(7), "its id is odd")
    copied = pickle.loads(pickle.dumps(error))
    assert str(copied) == str(error)
    assert (copied.path, copied.offset, copied.problem) == error.args


def test_reading_and_writing_records_does_not_import_tensorflow():
    code = (
        "import sys; import ofa_aec_tf.data.records, ofa_aec_tf.audio;"
        "import ofa_aec_tf.data.record_reader, ofa_aec_tf.data.sampling;"
        "import data_pipeline.preprocess;"
        "sys.exit(any(n in sys.modules for n in ('tensorflow', 'keras')))"
    )
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
