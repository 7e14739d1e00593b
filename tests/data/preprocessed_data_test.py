"""Clips of a data set as arrays."""

import numpy as np
import pytest
import soundfile

from ofa_aec_tf.data.preprocessed_data import PreprocessedData
from tests import synthetic_data


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    directory = tmp_path_factory.mktemp("data")
    info, clips = synthetic_data.write_dataset(
        directory, num_clips=(6, 3, 5), num_shards=1
    )
    return directory, info, clips


@pytest.fixture(scope="module")
def data(written):
    return PreprocessedData(written[0])


def _log_mel(written, split, numbers):
    return np.stack([written[2][f"{split}-{n}"][0] for n in numbers])


def test_clips_are_loaded_in_order(written, data):
    assert data.info == written[1]
    # Records are rounded to float16.
    np.testing.assert_allclose(
        data.load("validation"),
        _log_mel(written, "validation", range(3)),
        atol=0.05,
    )
    np.testing.assert_allclose(
        data.load("train", 2), _log_mel(written, "train", range(2)), atol=0.05
    )


def test_a_seed_chooses_clips(data):
    every = data.load("train")
    chosen = [data.load("train", 3, seed) for seed in range(5)]
    for clips in chosen:
        assert len(clips) == 3
        assert all((clip == every).all(axis=(1, 2)).any() for clip in clips)
    assert any((clips != chosen[0]).any() for clips in chosen)


def test_batches_have_all_clips_and_their_labels(written, data):
    batches = list(data.batches("test", 2))
    assert [len(log_mel) for log_mel, _ in batches] == [2, 2, 1]
    labels = np.concatenate([labels for _, labels in batches])
    for number, row in enumerate(labels):
        assert list(np.flatnonzero(row)) == written[2][f"test-{number}"][1]


def test_training_batches_are_clips_as_they_are(data):
    every = data.load("train")
    batches = list(data.training_batches(2, 3, seed=1))
    assert len(batches) == 3
    clips = np.concatenate([log_mel for log_mel, _ in batches])
    # A pass has each clip once.
    order = [int(np.flatnonzero((c == every).all((1, 2)))[0]) for c in clips]
    assert sorted(order) == list(range(6)) and order != sorted(order)


def test_recordings_are_the_files_that_clip_ids_name(written, data, tmp_path):
    with pytest.raises(ValueError, match="--audio_dir must have the files"):
        next(data.recordings("validation", tmp_path))
    for number in range(3):
        soundfile.write(
            tmp_path / f"validation-{number}",
            np.full(4000, 0.1 * (number + 1)),
            32000,
            format="WAV",
            subtype="FLOAT",
        )
    for number, (waveform, labels) in enumerate(
        data.recordings("validation", tmp_path)
    ):
        assert waveform.shape == (1, 16000) and labels.shape == (1, 3)
        # Padded with zeros to the length of a clip.
        np.testing.assert_allclose(waveform[0, :4000], 0.1 * (number + 1))
        assert not waveform[0, 4000:].any()
