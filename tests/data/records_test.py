"""Tests of the record contract, against TensorFlow's own writer and reader."""

import hashlib
import json
import os
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf

from ofa_aec_tf.data import parsing
from ofa_aec_tf.data import records


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
        return parsing.parse_records(serialized, 7, 4, 3)

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


def test_parsing_in_a_graph_gives_static_shapes():
    @tf.function(input_signature=[tf.TensorSpec([None], tf.string)])
    def parse(serialized):
        batch = parsing.parse_records(serialized, 7, 4, 3)
        assert batch["log_mel"].shape.as_list() == [None, 7, 4]
        assert batch["labels"].shape.as_list() == [None, 3]
        return batch

    parse(tf.constant([records.encode_record("a", _log_mel(0), [1])]))


@pytest.mark.parametrize("in_graph", [False, True])
def test_records_of_another_shape_are_refused(in_graph):
    def parse(serialized):
        # As many values as in the record, so that only its shape tells.
        return parsing.parse_records(serialized, 4, 7, 3)

    parse = tf.function(parse) if in_graph else parse
    record = records.encode_record("a", _log_mel(0), [1])
    with pytest.raises(tf.errors.InvalidArgumentError, match="preprocess ag"):
        parse(tf.constant([record]))


def test_a_class_beyond_the_class_map_is_refused():
    record = records.encode_record("a", _log_mel(0), [3])
    with pytest.raises(tf.errors.InvalidArgumentError, match="out of bounds"):
        parsing.parse_records(tf.constant([record]), 7, 4, 3)


def test_float16_moves_values_by_less_than_0_04_db():
    log_mel = _log_mel(0, (1001, 64))
    record = records.encode_record("a", log_mel, [])
    parsed = parsing.parse_records(tf.constant([record]), 1001, 64, 1)
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


def test_writing_records_does_not_import_tensorflow():
    code = (
        "import sys; import ofa_aec_tf.data.records, ofa_aec_tf.audio;"
        "import data_pipeline.preprocess;"
        "sys.exit(any(n in sys.modules for n in ('tensorflow', 'keras')))"
    )
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
