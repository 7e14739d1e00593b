"""Batches as a pure function of seed and step."""

import numpy as np
import pytest
import tensorflow as tf

from ofa_aec_tf.data import input_pipeline
from ofa_aec_tf.data.augmentation import AugmentationConfig
from ofa_aec_tf.data.dataset_info import DatasetInfo
from tests.synthetic_data import write_dataset

PLAIN = AugmentationConfig(num_time_masks=0, num_frequency_masks=0)


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    directory = tmp_path_factory.mktemp("data")
    info, clips = write_dataset(directory, num_clips=(10, 5, 4))
    return directory, info, clips


def batches(data, first, last, seed=0, augmentation=PLAIN, batch_size=4):
    directory, info, _ = data
    dataset = input_pipeline.make_train_dataset(
        directory, info, batch_size, first, last, seed, augmentation
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


def test_a_run_that_starts_later_sees_the_same_batches(data):
    augmentation = AugmentationConfig(time_roll=True, mixup_alpha=1.0)
    whole = batches(data, 0, 6, augmentation=augmentation)
    resumed = batches(data, 4, 6, augmentation=augmentation)
    for expected, batch in zip(whole[4:], resumed):
        for key in ("log_mel", "labels"):
            np.testing.assert_array_equal(batch[key], expected[key])


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
    with pytest.raises(ValueError, match="offsets of its shard, is missing"):
        input_pipeline.load_split(tmp_path, info, "train")
    shard.unlink()
    with pytest.raises(ValueError, match="Received: no file"):
        input_pipeline.load_split(tmp_path, info, "train")
