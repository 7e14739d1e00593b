"""The verify command on whole and damaged data sets, and what it finds."""

import dataclasses
import hashlib
import json
import subprocess
import sys

import numpy as np
import pytest

from data_pipeline.reports import findings
from ofa_aec_tf.data import records
from ofa_aec_tf.data.dataset_info import DatasetInfo
from tests import commands
from tests.synthetic_data import damage
from tests.synthetic_data import damage_a_record
from tests.synthetic_data import write_dataset


@pytest.fixture
def data(tmp_path):
    info, _ = write_dataset(tmp_path, num_clips=(10, 4, 4))
    return tmp_path, info


def _verify(data_dir, *arguments):
    return commands.run(
        "data_pipeline.verify", f"--data_dir={data_dir}", *arguments
    )


def _findings(directory):
    info = DatasetInfo.read(directory)
    reports = list(findings.verify_shards(directory, info))
    found = [str(f) for report in reports for f in report.findings]
    whole = findings.verify_whole(directory, info, reports)
    return [*found, *map(str, whole)]


def _shard(data, number=1, split="train"):
    directory, info = data
    return directory / info.splits[split].shards[number].file


def _offsets(path):
    return json.loads(records.side_car_path(path).read_text())["offsets"]


def _rewrite(data, path, encoded, **details):
    """A shard with other records, which dataset.json knows."""
    directory, info = data
    with records.RecordFileWriter(path) as writer:
        for record in encoded:
            writer.write(record)
        side_car = writer.finish(**details)
    splits = {
        name: dataclasses.replace(
            split,
            shards=tuple(
                dataclasses.replace(
                    shard,
                    num_records=side_car["num_records"],
                    num_bytes=side_car["num_bytes"],
                    sha256=side_car["sha256"],
                )
                if shard.file == path.name
                else shard
                for shard in split.shards
            ),
        )
        for name, split in info.splits.items()
    }
    dataclasses.replace(info, splits=splits).write(directory)


def _encoded(path):
    """The records of a shard."""
    found = []
    with open(path, "rb") as file:
        for offset in _offsets(path):
            found.append(
                bytes(
                    records.read_framed_record(file.fileno(), path, offset)[0]
                )
            )
    return found


@pytest.mark.parametrize("num_workers", [1, 2])
def test_a_whole_data_set_has_no_findings(data, num_workers):
    result = _verify(data[0], f"--num_workers={num_workers}")
    assert result.returncode == 0, result.stderr
    line, *told = result.stdout.splitlines()
    num_bytes = sum(p.stat().st_size for p in data[0].glob("*.tfrecord"))
    assert line == (
        f"18 of 18 records in 6 shards ({num_bytes / 2**20:.1f} MiB) are "
        "whole, 0 findings"
    )
    # Warnings are no findings.
    assert told[1].split()[:3] == ["class", "train", "minutes"]
    assert told[2].split()[0] == "low"
    assert "warning: the test split has 4 clips, too few" in "\n".join(told)


@pytest.mark.parametrize("num_workers", [1, 2])
def test_each_finding_is_a_line_and_the_status_1(data, num_workers):
    path = _shard(data)
    offset = _offsets(path)[3]
    damage(path, offset + 200)
    result = _verify(data[0], f"--num_workers={num_workers}")
    assert result.returncode == 1, result.stderr
    sha256, damaged, summary = result.stdout.splitlines()
    assert sha256.startswith(f"{path.name}: its sha256 is ")
    assert damaged == f"{path.name}, byte {offset}: its data checksum is wrong"
    assert summary.startswith("17 of 18 records in 6 shards")
    assert summary.endswith("2 findings")


def test_no_data_set_is_a_mistake(tmp_path):
    result = _verify(tmp_path)
    assert result.returncode == 2
    (line,) = result.stderr.splitlines()
    assert "holds no preprocessed data" in line


@pytest.mark.parametrize("seed", range(16))
def test_any_damaged_byte_is_found_with_its_offset(data, seed):
    path = _shard(data)
    offsets = _offsets(path)
    number, part = damage_a_record(path, offsets, seed)
    sha256, damaged = _findings(data[0])
    assert "its sha256 is" in sha256
    assert damaged == (
        f"{path.name}, byte {offsets[number]}: its {part} checksum is wrong"
    )


def test_a_shard_that_ends_early_or_is_missing(data):
    path = _shard(data)
    offset = _offsets(path)[2]
    path.write_bytes(path.read_bytes()[: offset + 1000])
    size, sha256, early = _findings(data[0])
    assert f"has {offset + 1000} bytes, but dataset.json has" in size
    assert early.startswith(f"{path.name}, byte {offset}: it ends early: ")
    path.unlink()
    assert _findings(data[0]) == [f"{path.name}: is missing"]


def test_a_cut_between_records_is_found_by_the_count(data):
    path = _shard(data)
    path.write_bytes(path.read_bytes()[: _offsets(path)[4]])
    *_, count = _findings(data[0])
    assert count == (f"{path.name}: has 4 records, but dataset.json has 5")


def test_records_are_found_without_their_side_car(data):
    side_car = records.side_car_path(_shard(data))
    side_car.unlink()
    (finding,) = _findings(data[0])
    assert finding.startswith(f"{side_car.name}: ")
    assert "is missing" in finding


def test_a_side_car_of_another_shard_is_found(data):
    path = _shard(data)
    side_car = records.side_car_path(path)
    values = json.loads(side_car.read_text())
    values["offsets"][2] += 1
    values["sha256"] = "0" * 64
    values["labels"][4] = [2, 1, 0]
    side_car.write_text(json.dumps(values))
    sha256, offset, labels = _findings(data[0])
    assert sha256.startswith(f"{side_car.name}: sha256 is 000")
    assert offset == (
        f"{path.name}, byte {values['offsets'][2] - 1}: record 2 starts here, "
        "but not in the side-car"
    )
    assert "but the side-car has [2, 1, 0]" in labels
    side_car.write_text(json.dumps({**values, "labels": [[0]]}))
    assert any(
        "labels are not those of 5 records" in finding
        for finding in _findings(data[0])
    )


def test_clips_of_the_side_car_are_compared_with_the_records(data):
    path = _shard(data)
    side_car = records.side_car_path(path)
    values = json.loads(side_car.read_text())
    ids = [records.decode_record(r, path, 0).clip_id for r in _encoded(path)]
    values["clips"] = {"ids": ids}
    side_car.write_text(json.dumps(values))
    assert _findings(data[0]) == []
    values["clips"]["ids"][2] = "another"
    side_car.write_text(json.dumps(values))
    (finding,) = _findings(data[0])
    assert "its id is 'train-5', but the side-car has 'another'" in finding
    values["clips"]["ids"] = ["short"]
    side_car.write_text(json.dumps(values))
    (finding,) = _findings(data[0])
    assert "its clips are not those of 5 records" in finding


def test_equal_content_across_splits_is_a_warning(data):
    for split in ("train", "test"):
        side_car = records.side_car_path(_shard(data, 0, split))
        values = json.loads(side_car.read_text())
        number = values["num_records"]
        values["clips"] = {
            "ids": [f"{split}-{2 * i}" for i in range(number)],
            "seconds": [0.5] * number,
            "digests": ["same", *(f"{split}{i}" for i in range(1, number))],
        }
        side_car.write_text(json.dumps(values))
    result = _verify(data[0])
    assert result.returncode == 0, result.stdout
    assert "1 (train-0 in train = test-0 in test)" in result.stdout


def test_records_that_are_no_clips_are_found(data):
    path = _shard(data)
    first, second, third, fourth, fifth = _encoded(path)
    shape = (data[1].num_frames, data[1].frontend.num_mel_bins)
    hot = np.zeros(shape)
    hot[3, 5], hot[4, 5] = np.nan, np.inf
    _rewrite(
        data,
        path,
        [
            records.encode_record("wrong", np.zeros((5, 64)), [0]),
            records.encode_record("hot", hot, [0]),
            b"\xff\xff",
            records.encode_record("class", np.zeros(shape), [3]),
            fifth,
        ],
    )
    wrong_shape, not_finite, no_example, no_class = _findings(data[0])
    assert f"wrong shape: expected {shape}, received (5, 64)" in wrong_shape
    assert f"2 of {hot.size} values are not finite" in not_finite
    assert "not an Example" in no_example
    assert "class indices from 0 to 2, but it has (3,)" in no_class


def test_ids_are_distinct_over_the_whole_data_set(data):
    path = _shard(data, 0, "test")
    _rewrite(data, path, [_encoded(_shard(data))[2], *_encoded(path)[1:]])
    other = _shard(data)
    repeated, *counts = _findings(data[0])
    assert repeated == (
        f"{path.name}, byte 0: its id 'train-5' is also that of {other.name}, "
        f"byte {_offsets(other)[2]}"
    )


def test_class_counts_of_the_data_set_are_checked(data):
    directory, info = data
    split = info.splits["test"]
    counts = (split.class_counts[0] + 2, *split.class_counts[1:])
    splits = {
        **info.splits,
        "test": dataclasses.replace(split, class_counts=counts),
    }
    dataclasses.replace(info, splits=splits).write(directory)
    assert _findings(directory) == [
        f"dataset.json: counts {counts[0]} clips of 'low' in the split test, "
        f"but there are {counts[0] - 2}"
    ]


def test_the_summary_needs_no_tensorflow():
    code = (
        "import sys; import data_pipeline.verify;"
        "sys.exit('tensorflow' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


def test_the_sha256_is_that_of_the_file(data):
    path = _shard(data)
    damage(path, 100)
    sha256, _ = _findings(data[0])
    assert hashlib.sha256(path.read_bytes()).hexdigest() in sha256
