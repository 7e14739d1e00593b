"""The reader of single records: damage, what is skipped, labels."""

import json

import numpy as np
import pytest

from ofa_aec_tf.data.record_reader import RandomAccessReader
from ofa_aec_tf.data.records import RecordError
from ofa_aec_tf.data.records import side_car_path
from tests.synthetic_data import damage
from tests.synthetic_data import damage_a_record
from tests.synthetic_data import write_dataset


@pytest.fixture
def data(tmp_path):
    info, clips = write_dataset(tmp_path, num_clips=(10, 5, 4))
    return tmp_path, info, clips


def edit_side_car(directory, info, shard, **changes):
    path = side_car_path(directory / info.splits["train"].shards[shard].file)
    side_car = {**json.loads(path.read_text()), **changes}
    path.write_text(
        json.dumps({k: v for k, v in side_car.items() if v is not None})
    )
    return path


def offsets_of(directory, info, shard):
    path = directory / info.splits["train"].shards[shard].file
    return path, json.loads(side_car_path(path).read_text())["offsets"]


def test_clips_come_back_in_any_order(data):
    directory, info, clips = data
    reader = RandomAccessReader(directory, info, "train")
    assert len(reader) == 10
    ids, log_mel, labels = reader.read(np.array([7, 0, 7]))
    # The first shard has the even clips.
    assert ids.tolist() == [b"train-5", b"train-0", b"train-5"]
    for row, clip_id in enumerate(("train-5", "train-0", "train-5")):
        values, classes = clips[clip_id]
        np.testing.assert_array_equal(log_mel[row], values.astype(np.float16))
        assert labels[row].nonzero()[0].tolist() == classes


@pytest.mark.parametrize("seed", range(12))
def test_any_damaged_byte_is_found_with_its_offset(data, seed):
    directory, info, _ = data
    path, offsets = offsets_of(directory, info, 1)
    number, part = damage_a_record(path, offsets, seed)
    reader = RandomAccessReader(directory, info, "train")
    for other in set(range(10)) - {5 + number}:
        reader.read_record(other)
    with pytest.raises(RecordError) as raised:
        reader.read_record(5 + number)
    assert str(raised.value).startswith(
        f"{path}: the record at byte {offsets[number]} is damaged: its {part} "
        "checksum is wrong. "
    )


def test_damaged_records_are_left_out_and_counted(data, caplog):
    directory, info, _ = data
    path, offsets = offsets_of(directory, info, 0)
    damage(path, offsets[2] + 500)
    other_path, other_offsets = offsets_of(directory, info, 1)
    damage(other_path, other_offsets[0] + 9)
    reader = RandomAccessReader(directory, info, "train", skip_corrupt=True)
    ids, _, labels = reader.read(np.arange(len(reader)))
    expected = [0, 2, 6, 8, 3, 5, 7, 9]
    assert ids.tolist() == [f"train-{i}".encode() for i in expected]
    first, *listed = [r.getMessage() for r in caplog.records]
    assert first == (
        "2 of 10 records of the split train are damaged and skipped"
    )
    assert listed == [
        f"skipped: {path}, byte {offsets[2]}: its data checksum is wrong",
        f"skipped: {other_path}, byte 0: its length checksum is wrong",
    ]
    found = reader.labels()
    for number in range(8):
        assert (
            found.classes[found.clips == number].tolist()
            == labels[number].nonzero()[0].tolist()
        )


def test_what_a_shard_that_ends_early_still_has_is_kept(data):
    directory, info, _ = data
    path, offsets = offsets_of(directory, info, 1)
    path.write_bytes(path.read_bytes()[: offsets[3] + 100])
    with pytest.raises(ValueError, match=f"{path.name} should have"):
        RandomAccessReader(directory, info, "train")
    reader = RandomAccessReader(directory, info, "train", skip_corrupt=True)
    ids, _, _ = reader.read(np.arange(len(reader)))
    assert [i.decode() for i in ids[5:]] == ["train-1", "train-3", "train-5"]


def test_a_file_that_shrinks_while_it_is_read_ends_early(data):
    directory, info, _ = data
    reader = RandomAccessReader(directory, info, "train")
    path, offsets = offsets_of(directory, info, 0)
    path.write_bytes(path.read_bytes()[: offsets[4] + 8])
    with pytest.raises(RecordError, match="ends early: .* the file has 8"):
        reader.read_record(4)


def test_a_split_without_a_whole_record_is_refused(data):
    directory, info, _ = data
    for shard in (0, 1):
        path, offsets = offsets_of(directory, info, shard)
        for offset in offsets:
            damage(path, offset + 20)
    with pytest.raises(
        ValueError, match="All 10 records of the split 'train' are damaged"
    ):
        RandomAccessReader(directory, info, "train", skip_corrupt=True)


def test_skipping_does_not_hide_a_missing_shard(data):
    directory, info, _ = data
    path, _ = offsets_of(directory, info, 0)
    path.unlink()
    with pytest.raises(ValueError, match="Received: no file"):
        RandomAccessReader(directory, info, "train", skip_corrupt=True)


@pytest.mark.parametrize(
    "offsets",
    [
        None,
        "0",
        [0, 1],
        [0, 100, 50, 200, 300],
        [8, 100, 150, 200, 300],
        [0, 100, 200, 300, 10**9],
        [0, 1.5, 200, 300, 400],
    ],
)
def test_offsets_that_cannot_be_are_refused(data, offsets):
    directory, info, _ = data
    path = edit_side_car(directory, info, 1, offsets=offsets)
    with pytest.raises(
        ValueError, match=f"{path.name} must have the offsets of 5 records"
    ):
        RandomAccessReader(directory, info, "train")


def test_wrong_offsets_are_damage_at_that_offset(data):
    directory, info, _ = data
    path, offsets = offsets_of(directory, info, 1)
    offsets[2] += 1
    edit_side_car(directory, info, 1, offsets=offsets)
    reader = RandomAccessReader(directory, info, "train")
    with pytest.raises(RecordError, match=f"at byte {offsets[2]} is damaged"):
        reader.read_record(7)
    # The one before is read too far.
    with pytest.raises(RecordError, match="a length of .* bytes, but"):
        reader.read_record(6)


@pytest.mark.parametrize("in_side_cars", [True, False])
def test_labels_come_from_side_cars_or_records(data, in_side_cars):
    directory, info, clips = data
    if in_side_cars:
        # Records are not needed then.
        for shard in (0, 1):
            path, offsets = offsets_of(directory, info, shard)
            damage(path, offsets[1] + 50)
    else:
        edit_side_car(directory, info, 1, labels=None)
    labels = RandomAccessReader(directory, info, "train").labels()
    assert labels.num_clips == 10
    for number, clip in enumerate([0, 2, 4, 6, 8, 1, 3, 5, 7, 9]):
        assert (
            labels.classes[labels.clips == number].tolist()
            == clips[f"train-{clip}"][1]
        )
    assert labels.class_counts(3).tolist() == list(
        info.splits["train"].class_counts
    )


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ([[0]], "must list the labels of 5 records"),
        ({}, "must list the labels of 5 records"),
        ([[0], [1], [2], [3], [0]], r"from 0 to 2. Received: \[3\]"),
        ([[0], [1], [2], 1, [0]], "Received: 1"),
    ],
)
def test_labels_that_cannot_be_are_refused(data, labels, message):
    directory, info, _ = data
    edit_side_car(directory, info, 0, labels=labels)
    reader = RandomAccessReader(directory, info, "train")
    with pytest.raises(ValueError, match=message):
        reader.labels()
