"""Reading from thousands of files with few descriptors."""

import concurrent.futures
import dataclasses
import os
import subprocess
import sys

import numpy as np
import pytest

from ofa_aec_tf.data import open_files
from ofa_aec_tf.data.open_files import OpenFiles
from ofa_aec_tf.data.record_reader import RandomAccessReader
from ofa_aec_tf.data.records import side_car_path
from tests.synthetic_data import write_dataset

_NUM_SHARDS = 3900
# Within the descriptors that macOS gives a process.
_READING = """
import resource, sys
resource.setrlimit(resource.RLIMIT_NOFILE, (256, 256))
from ofa_aec_tf.data import input_pipeline
from ofa_aec_tf.data.augmentation_config import AugmentationConfig
from ofa_aec_tf.data.dataset_info import DatasetInfo
directory = sys.argv[1]
info = DatasetInfo.read(directory)
dataset = input_pipeline.make_train_dataset(
    directory, info, 50, 0, 10, 0, AugmentationConfig()
)
with input_pipeline.reading_errors():
    print(sum(len(batch["labels"]) for batch in dataset))
    dataset = input_pipeline.make_eval_dataset(
        directory, info, "train", 50, max_clips=500
    )
    print(sum(len(batch["labels"]) for batch in dataset))
"""


def _num_open():
    return len(os.listdir("/dev/fd"))


@pytest.fixture
def files(tmp_path):
    paths = [tmp_path / str(number) for number in range(100)]
    for path in paths:
        path.write_text(path.name)
    return paths


def test_no_more_than_some_are_open_at_a_time(files, monkeypatch):
    monkeypatch.setattr(open_files, "MAX_OPEN", 5)
    opened = OpenFiles()
    before = _num_open()
    for path in files * 2:
        with opened.opened(path) as descriptor:
            assert os.pread(descriptor, 9, 0) == path.name.encode()
        assert _num_open() <= before + 6
    opened.close()
    assert _num_open() == before


def test_a_file_that_was_read_lately_stays_open(files, monkeypatch):
    monkeypatch.setattr(open_files, "MAX_OPEN", 5)
    opened = OpenFiles()
    for path in files[:5]:
        with opened.opened(path):
            pass
    paths = []
    original = os.open
    monkeypatch.setattr(
        os, "open", lambda path, flags: paths.append(path) or original(path, 0)
    )
    # The second is closed for the sixth: the first was used after it.
    for index in (0, 5, 0, 1):
        with opened.opened(files[index]):
            pass
    assert paths == [files[5], files[1]]
    opened.close()


def test_threads_read_what_they_asked_for(files, monkeypatch):
    monkeypatch.setattr(open_files, "MAX_OPEN", 3)
    opened = OpenFiles()
    before = _num_open()

    def read(number):
        path = files[number % 7]
        with opened.opened(path) as descriptor:
            return os.pread(descriptor, 9, 0) == path.name.encode()

    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        assert all(pool.map(read, range(3000)))
    assert _num_open() <= before + 3
    opened.close()
    assert _num_open() == before


@pytest.fixture(scope="module")
def many_shards(tmp_path_factory):
    """A data set of thousands of shards, which are all the same file."""
    directory = tmp_path_factory.mktemp("data")
    info, _ = write_dataset(directory, (1, 1, 1), 1, clip_seconds=0.05)
    (shard,) = info.splits["train"].shards
    shards = []
    for number in range(_NUM_SHARDS):
        name = f"train-{number:05d}-of-{_NUM_SHARDS:05d}.tfrecord"
        os.link(directory / shard.file, directory / name)
        os.link(
            side_car_path(directory / shard.file),
            side_car_path(directory / name),
        )
        shards.append(dataclasses.replace(shard, file=name))
    split = dataclasses.replace(info.splits["train"], shards=tuple(shards))
    info = dataclasses.replace(info, splits={**info.splits, "train": split})
    info.write(directory)
    return directory, info


def test_thousands_of_shards_are_read_with_few_descriptors(many_shards):
    directory, info = many_shards
    before = _num_open()
    reader = RandomAccessReader(directory, info, "train", skip_corrupt=True)
    numbers = np.random.default_rng(0).permutation(len(reader))
    assert len(reader.read(numbers)[0]) == _NUM_SHARDS
    assert _num_open() <= before + open_files.MAX_OPEN
    del reader
    assert _num_open() == before


def test_training_and_evaluation_keep_to_256_descriptors(many_shards):
    directory, _ = many_shards
    result = subprocess.run(
        [sys.executable, "-c", _READING, str(directory)],
        capture_output=True,
        text=True,
        env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "2"},
    )
    assert result.returncode == 0, result.stderr
    assert result.stdout.split() == ["500", "500"]
