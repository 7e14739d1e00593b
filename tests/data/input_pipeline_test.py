"""Batches as a pure function of seed and step."""

import dataclasses
import time

import numpy as np
import pytest
import tensorflow as tf

from ofa_aec_tf.data import input_pipeline
from ofa_aec_tf.data.augmentation_config import AugmentationConfig
from ofa_aec_tf.data.dataset_info import DatasetInfo
from ofa_aec_tf.data.record_reader import RandomAccessReader
from ofa_aec_tf.data.sampling import CLASS_BALANCED
from ofa_aec_tf.data.sampling import SAMPLINGS
from ofa_aec_tf.data.sampling import UNIFORM
from ofa_aec_tf.data.sampling import WEIGHTED
from ofa_aec_tf.data.sampling import make_sampler
from tests.synthetic_data import damage
from tests.synthetic_data import write_dataset

PLAIN = AugmentationConfig(num_time_masks=0, num_frequency_masks=0)


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    directory = tmp_path_factory.mktemp("data")
    info, clips = write_dataset(directory, num_clips=(10, 5, 4))
    return directory, info, clips


def batches(
    data, first, last, seed=0, augmentation=PLAIN, batch_size=4, **options
):
    directory, info, _ = data
    dataset = input_pipeline.make_train_dataset(
        directory, info, batch_size, first, last, seed, augmentation, **options
    )
    return [
        {key: value.numpy() for key, value in batch.items()}
        for batch in dataset
    ]


def test_dataset_json_survives_writing_and_reading(data):
    directory, info, _ = data
    assert DatasetInfo.read(directory) == info


def test_every_pass_shows_every_clip_once(data):
    _, _, clips = data
    log_mel = np.concatenate([b["log_mel"] for b in batches(data, 0, 5)])
    assert len(log_mel) == 20
    known = {
        values.astype(np.float16).astype(np.float32).tobytes(): clip_id
        for clip_id, (values, _) in clips.items()
    }
    passes = [known[clip.tobytes()] for clip in log_mel]
    for one_pass in (passes[:10], passes[10:]):
        assert sorted(one_pass) == sorted(f"train-{i}" for i in range(10))
    assert passes[:10] != passes[10:]


def test_labels_are_those_of_the_clip(data):
    _, _, clips = data
    for batch in batches(data, 0, 3):
        for log_mel, labels in zip(batch["log_mel"], batch["labels"]):
            matches = [
                indices
                for values, indices in clips.values()
                if np.allclose(values, log_mel, atol=0.05)
            ]
            (indices,) = matches
            assert list(labels.nonzero()[0]) == indices


@pytest.mark.parametrize("sampling", SAMPLINGS)
def test_a_run_that_starts_later_sees_the_same_batches(data, sampling):
    options = {
        "augmentation": AugmentationConfig(
            time_roll=True, gain_db=6.0, mixup_alpha=1.0
        ),
        "sampling": sampling,
    }
    whole = batches(data, 0, 6, **options)
    resumed = batches(data, 4, 6, **options)
    check_equal(whole[4:], resumed)


@pytest.mark.parametrize("sampling", SAMPLINGS)
def test_batches_are_the_same_at_any_parallelism(data, sampling):
    options = {
        "augmentation": AugmentationConfig(gain_db=6.0, mixup_alpha=1.0),
        "sampling": sampling,
    }
    one, four = (
        batches(data, 0, 20, num_parallel_calls=n, **options) for n in (1, 4)
    )
    check_equal(one, four)


def check_equal(some, others):
    assert len(some) == len(others)
    for batch, other in zip(some, others):
        for key in ("log_mel", "labels"):
            np.testing.assert_array_equal(batch[key], other[key])


def ids_of(data, log_mel):
    """The clips of a batch, told by their values."""
    known = {
        values.astype(np.float16).astype(np.float32).tobytes(): clip_id
        for clip_id, (values, _) in data[2].items()
    }
    return [known[clip.tobytes()] for clip in log_mel]


@pytest.mark.parametrize("name", [CLASS_BALANCED, WEIGHTED])
def test_batches_have_the_clips_that_the_sampler_names(data, name):
    directory, info, _ = data
    labels = RandomAccessReader(directory, info, "train").labels()
    sampler = make_sampler(name, labels, 3, 7)
    # The first shard has the even clips.
    order = [f"train-{i}" for i in (0, 2, 4, 6, 8, 1, 3, 5, 7, 9)]
    drawn = batches(data, 3, 6, seed=7, sampling=name)
    for step, batch in zip(range(3, 6), drawn):
        assert ids_of(data, batch["log_mel"]) == [
            order[number] for number in sampler.clip_numbers(step, 4)
        ]


def test_an_unknown_sampling_is_refused(data):
    with pytest.raises(ValueError, match="`sampling` must be one of .*'fair'"):
        batches(data, 0, 1, sampling="fair")


@pytest.fixture
def damaged(tmp_path):
    """A data set of which one training and one test record are damaged."""
    info, clips = write_dataset(tmp_path, num_clips=(10, 5, 4))
    for split in ("train", "test"):
        path = tmp_path / info.splits[split].shards[1].file
        damage(path, 4000)
    return tmp_path, info, clips


def test_a_damaged_record_is_one_plain_error(damaged):
    directory, info, _ = damaged
    path = directory / info.splits["train"].shards[1].file
    message = (
        f"^{path}: the record at byte 0 is damaged: its data checksum is "
        "wrong. .*$"
    )
    for sampling in SAMPLINGS:
        with pytest.raises(ValueError, match=message) as raised:
            with input_pipeline.reading_errors():
                batches(damaged, 0, 20, sampling=sampling)
        assert "\n" not in str(raised.value)
    with pytest.raises(ValueError, match=message):
        input_pipeline.load_split(directory, info, "train")
    with pytest.raises(ValueError, match="test-00001.*at byte 0 is damaged"):
        with input_pipeline.reading_errors():
            list(input_pipeline.make_eval_dataset(directory, info, "test", 3))


def test_other_errors_stay_what_they_are():
    with pytest.raises(tf.errors.InvalidArgumentError, match="not ours"):
        with input_pipeline.reading_errors():
            raise tf.errors.InvalidArgumentError(None, None, "not ours")
    with pytest.raises(KeyError):
        with input_pipeline.reading_errors():
            raise KeyError


def test_an_error_waits_until_reading_ahead_is_over(data, monkeypatch):
    directory, info, _ = data
    begun, ended = [], []
    read = RandomAccessReader.read

    def slow_read(reader, numbers):
        begun.append(numbers)
        time.sleep(0.05)
        ended.append(numbers)
        return read(reader, numbers)

    monkeypatch.setattr(RandomAccessReader, "read", slow_read)
    iterator = iter(
        input_pipeline.make_train_dataset(directory, info, 4, 0, 1000, 0, PLAIN)
    )
    with pytest.raises(KeyError):
        with input_pipeline.reading_errors():
            next(iterator)
            raise KeyError
    num_begun = len(begun)
    assert 1 < num_begun == len(ended) < 20
    time.sleep(0.3)
    assert len(begun) == num_begun


@pytest.mark.parametrize("sampling", SAMPLINGS)
def test_a_damaged_record_enters_no_batch(damaged, sampling):
    options = {"skip_corrupt": True, "sampling": sampling, "batch_size": 9}
    drawn = batches(damaged, 0, 12, **options)
    clips = np.concatenate([batch["log_mel"] for batch in drawn])
    # The first record of the second shard, which has the odd clips.
    assert set(ids_of(damaged, clips)) == {
        f"train-{i}" for i in range(10) if i != 1
    }
    check_equal(drawn, batches(damaged, 0, 12, **options))
    if sampling == UNIFORM:
        assert len(set(ids_of(damaged, drawn[0]["log_mel"]))) == 9


def test_evaluation_leaves_damaged_records_out(damaged):
    directory, info, _ = damaged
    dataset = input_pipeline.make_eval_dataset(
        directory, info, "test", 3, skip_corrupt=True
    )
    ids = [i.decode() for batch in dataset for i in batch["id"].numpy()]
    assert ids == ["test-0", "test-2", "test-3"]
    *_, ids = input_pipeline.load_split(
        directory, info, "test", skip_corrupt=True
    )
    assert ids == ["test-0", "test-2", "test-3"]


def test_gain_keeps_the_floor_of_the_front_end(tmp_path):
    info, _ = write_dataset(tmp_path, num_clips=(4, 4, 4))
    info = dataclasses.replace(
        info, frontend=dataclasses.replace(info.frontend, power_floor=1e-6)
    )
    # Noise around -60 dB, half of which is below this floor and stays.
    config = dataclasses.replace(PLAIN, gain_db=5.0)
    (plain,) = batches((tmp_path, info, None), 0, 1)
    (moved,) = batches((tmp_path, info, None), 0, 1, augmentation=config)
    before, after = plain["log_mel"], moved["log_mel"]
    assert (after[before > -60] >= -60).all()
    np.testing.assert_array_equal(after[before <= -60], before[before <= -60])
    assert np.abs(after - before).max() > 0.1


def test_seeds_change_the_order(data):
    first, second = (batches(data, 0, 2, seed=s) for s in (0, 1))
    assert any(
        not np.array_equal(a["log_mel"], b["log_mel"])
        for a, b in zip(first, second)
    )


@pytest.mark.parametrize("seed", [0, 1])
def test_passes_are_permutations_that_look_random(seed):
    num_clips, num_passes = 60, 200
    draw = tf.function(
        lambda step: input_pipeline.clip_numbers(
            step, num_clips, num_clips, seed
        )
    )
    passes = np.stack(
        [draw(tf.constant(step, tf.int64)) for step in range(num_passes)]
    )
    np.testing.assert_array_equal(
        np.sort(passes), np.tile(np.arange(num_clips), (num_passes, 1))
    )
    # Which clip is at a position, and which clip follows which.
    at_position = np.zeros((num_clips, num_clips))
    follows = np.zeros((num_clips, num_clips))
    for numbers in passes:
        at_position[np.arange(num_clips), numbers] += 1
        follows[numbers[:-1], numbers[1:]] += 1
    np.fill_diagonal(follows, follows.sum() / num_clips / (num_clips - 1))
    for counts in (at_position, follows):
        expected = counts.mean()
        chi_squared = ((counts - expected) ** 2 / expected).sum()
        # As many degrees of freedom as cells, nearly; five deviations.
        assert abs(chi_squared / counts.size - 1) < 0.15


def test_eval_dataset_reads_all_clips_in_order(data):
    directory, info, clips = data
    dataset = input_pipeline.make_eval_dataset(directory, info, "test", 3)
    ids = [i.decode() for batch in dataset for i in batch["id"].numpy()]
    assert ids == ["test-0", "test-2", "test-1", "test-3"]
    log_mel = np.concatenate([batch["log_mel"] for batch in dataset])
    for clip_id, values in zip(ids, log_mel):
        # Stored in float16.
        np.testing.assert_allclose(values, clips[clip_id][0], atol=0.04)
    short = input_pipeline.make_eval_dataset(
        directory, info, "test", 3, max_clips=2
    )
    assert sum(len(batch["id"]) for batch in short) == 2


def test_load_split_chooses_at_random_and_repeatably(data):
    directory, info, _ = data

    def ids(max_clips=None, seed=None):
        log_mel, labels, found = input_pipeline.load_split(
            directory, info, "train", max_clips, seed
        )
        assert len(log_mel) == len(labels) == len(found)
        return found

    assert len(ids()) == 10
    assert ids(4) == ids()[:4]
    assert ids(4, seed=1) == ids(4, seed=1)
    assert len({tuple(ids(4, seed=s)) for s in range(5)}) > 1


def test_a_missing_split_names_those_there_are(data):
    directory, info, _ = data
    with pytest.raises(ValueError, match="splits .*train.*'dev'"):
        input_pipeline.load_split(directory, info, "dev")


def test_damaged_shards_are_refused_by_name(tmp_path):
    info, _ = write_dataset(tmp_path)
    shard = tmp_path / info.splits["train"].shards[1].file
    content = shard.read_bytes()
    shard.write_bytes(content[:-1])
    with pytest.raises(ValueError, match=f"{shard.name} should have"):
        input_pipeline.load_split(tmp_path, info, "train")
    shard.write_bytes(content)
    shard.with_name(shard.name + ".json").unlink()
    with pytest.raises(ValueError, match="offsets of records, is missing"):
        input_pipeline.load_split(tmp_path, info, "train")
    shard.unlink()
    with pytest.raises(ValueError, match="Received: no file"):
        input_pipeline.load_split(tmp_path, info, "train")
