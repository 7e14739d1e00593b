"""Augmentation: what it changes, what it must not, and equal seeds."""

import dataclasses

import numpy as np
import pytest
import tensorflow as tf

from ofa_aec_tf.data import augmentation
from ofa_aec_tf.data.augmentation_config import AugmentationConfig

NUM_FRAMES, NUM_MEL_BINS = 50, 16
FLOOR_DB = -100.0
FILL = np.linspace(-70, -40, NUM_MEL_BINS).astype(np.float32)


def make_batch(num_clips=64, seed=0):
    rng = np.random.default_rng(seed)
    log_mel = rng.normal(0, 1, (num_clips, NUM_FRAMES, NUM_MEL_BINS))
    labels = np.eye(5, dtype=np.float32)[rng.integers(0, 5, num_clips)]
    return log_mel.astype(np.float32), labels


def seed_of(step):
    return tf.stack([7, step])


def test_equal_seeds_give_equal_batches_and_others_differ():
    config = AugmentationConfig(time_roll=True, mixup_alpha=1.0)
    log_mel, labels = make_batch()

    def run(step):
        return augmentation.augment_batch(
            log_mel, labels, FILL, FLOOR_DB, config, seed_of(step)
        )

    for first, second in zip(run(3), tf.function(run)(tf.constant(3))):
        np.testing.assert_allclose(first, second, atol=1e-5)
    assert np.abs(run(3)[0] - run(4)[0]).max() > 1


def test_all_off_changes_nothing():
    config = AugmentationConfig(num_time_masks=0, num_frequency_masks=0)
    log_mel, labels = make_batch()
    outputs = augmentation.augment_batch(
        log_mel, labels, FILL, FLOOR_DB, config, seed_of(0)
    )
    np.testing.assert_array_equal(outputs[0], log_mel)
    np.testing.assert_array_equal(outputs[1], labels)


def masked_positions(outputs, log_mel, axis):
    """Clip by clip, which frames or bands are filled throughout."""
    filled = outputs == np.broadcast_to(FILL, outputs.shape)
    untouched = outputs == log_mel
    assert (filled | untouched).all()
    return filled.all(axis=2 if axis == 1 else 1)


@pytest.mark.parametrize(("axis", "size"), [(1, NUM_FRAMES), (2, NUM_MEL_BINS)])
def test_masks_are_stretches_narrower_than_allowed(axis, size):
    log_mel, _ = make_batch(200)
    outputs = augmentation.mask_axis(
        log_mel, FILL, axis, 1, 8, seed_of(0)
    ).numpy()
    masked = masked_positions(outputs, log_mel, axis)
    assert masked.shape == (200, size)
    widths = masked.sum(1)
    assert set(widths) == set(range(8))
    for row in masked[widths > 0]:
        (positions,) = row.nonzero()
        assert (np.diff(positions) == 1).all()
    # Masks reach both ends.
    assert masked[:, 0].any() and masked[:, -1].any()


def test_two_masks_cover_about_the_expected_share():
    log_mel, _ = make_batch(400)
    outputs = augmentation.mask_axis(
        log_mel, FILL, 1, 2, 10, seed_of(1)
    ).numpy()
    share = masked_positions(outputs, log_mel, 1).mean()
    # Two masks of 4.5 of 50 frames each, less what overlaps.
    assert 0.13 < share < 0.18


def test_a_mask_is_never_wider_than_the_clip():
    log_mel, _ = make_batch()
    outputs = augmentation.mask_axis(log_mel, FILL, 1, 2, 500, seed_of(0))
    masked_positions(outputs.numpy(), log_mel, 1)


def test_mixup_mixes_clip_and_labels_with_one_weight():
    log_mel, labels = make_batch()
    mixed, mixed_labels = augmentation.mixup(
        log_mel, labels, 1.0, 1.0, seed_of(0)
    )
    partner, partner_labels = np.roll(log_mel, 1, 0), np.roll(labels, 1, 0)
    weights = []
    for clip in range(len(log_mel)):
        difference = (log_mel[clip] - partner[clip]).ravel()
        weight = np.dot(
            (mixed[clip].numpy() - partner[clip]).ravel(), difference
        ) / np.dot(difference, difference)
        weights.append(weight)
        np.testing.assert_allclose(
            mixed_labels[clip],
            weight * labels[clip] + (1 - weight) * partner_labels[clip],
            atol=1e-4,
        )
    # Beta(1, 1) is uniform: mean 1/2, variance 1/12.
    assert abs(np.mean(weights) - 0.5) < 0.15
    assert abs(np.var(weights) - 1 / 12) < 0.04


def test_mixup_of_tiny_alpha_stays_finite():
    log_mel, labels = make_batch()
    for output in augmentation.mixup(log_mel, labels, 1e-4, 1.0, seed_of(0)):
        assert np.isfinite(output).all()


def test_time_roll_moves_frames_around_the_end():
    log_mel, _ = make_batch(100)
    rolled = augmentation.time_roll(log_mel, 0, seed_of(0)).numpy()
    shifts = set()
    for clip, original in zip(rolled, log_mel):
        matches = [
            shift
            for shift in range(NUM_FRAMES)
            if np.array_equal(np.roll(original, shift, 0), clip)
        ]
        assert len(matches) == 1
        shifts.update(matches)
    assert len(shifts) > 30


@pytest.mark.parametrize("forwards", [False, True])
def test_time_roll_reaches_its_farthest_and_no_farther(forwards):
    log_mel, _ = make_batch(200)
    rolled = augmentation.time_roll(log_mel, 3, seed_of(0)).numpy()
    sign = 1 if forwards else -1
    counts = [
        sum(
            np.array_equal(np.roll(original, sign * shift, 0), clip)
            for clip, original in zip(rolled, log_mel)
        )
        for shift in range(5)
    ]
    # A seventh of 200 each.
    assert all(10 < count < 50 for count in counts[:4])
    assert counts[4] == 0


def test_bands_move_up_and_down_and_edges_are_repeated():
    bands = np.arange(8, dtype=np.float32)
    clips = np.broadcast_to(bands, (200, 3, 8))
    shifted = augmentation.shift_bands(clips, 2, tf.constant([1, 2])).numpy()
    expected = {
        tuple(np.clip(bands - shift, 0, 7)) for shift in (-2, -1, 0, 1, 2)
    }
    assert {tuple(clip[0]) for clip in shifted} == expected
    # All frames of a clip move together.
    assert (shifted == shifted[:, :1]).all()


def test_a_filter_is_linear_between_five_bands_and_the_same_in_time():
    log_mel = np.zeros((400, 3, 64), np.float32)
    gains = augmentation.random_filter(log_mel, 6.0, FLOOR_DB, seed_of(0))
    gains = gains.numpy()
    assert (gains == gains[:, :1]).all()
    gains = gains[:, 0]
    nodes = np.linspace(0, 63, 5)
    ends = gains[:, [0, 63]]
    assert np.abs(ends).max() < 6 and abs(ends.var() - 12) < 2
    assert abs(np.corrcoef(ends.T)[0, 1]) < 0.2
    # Lines from one node to the next have no curvature, nodes have.
    curvature = np.abs(np.diff(gains, 2)).max(0)
    between = [band for band in range(1, 63) if np.abs(nodes - band).min() >= 1]
    assert curvature[np.array(between) - 1].max() < 1e-5
    assert (curvature > 1e-2).sum() == 6


def test_a_filter_keeps_the_floor():
    log_mel = np.full((50, 2, 8), FLOOR_DB, np.float32)
    log_mel[:, 0] += 1
    filtered = augmentation.random_filter(log_mel, 6.0, FLOOR_DB, seed_of(0))
    assert filtered.numpy().min() == FLOOR_DB
    assert (filtered.numpy()[:, 1] == FLOOR_DB).all()
    assert filtered.numpy().max() > FLOOR_DB + 4


def test_a_batch_is_filtered_where_it_is_asked_for():
    off = AugmentationConfig(num_time_masks=0, num_frequency_masks=0)
    on = dataclasses.replace(off, filter_db=3.0)
    log_mel, labels = make_batch()
    same, other = (
        augmentation.augment_batch(
            log_mel, labels, FILL, FLOOR_DB, config, seed_of(0)
        )[0]
        for config in (off, on)
    )
    np.testing.assert_array_equal(same, log_mel)
    changes = np.abs(other - log_mel)
    assert 2 < changes.max() < 3.001


def test_a_batch_is_shifted_where_it_is_asked_for():
    config = AugmentationConfig(
        max_shift_bands=1, num_time_masks=0, num_frequency_masks=0
    )
    log_mel, labels = make_batch(30)
    outputs, _ = augmentation.augment_batch(
        log_mel, labels, FILL, FLOOR_DB, config, seed_of(0)
    )
    up, down = (np.roll(log_mel, shift, 2) for shift in (1, -1))
    up[:, :, 0], down[:, :, -1] = log_mel[:, :, 0], log_mel[:, :, -1]
    counts = [
        sum(map(np.array_equal, outputs.numpy(), candidates))
        for candidates in (log_mel, up, down)
    ]
    assert sum(counts) == 30 and all(count > 3 for count in counts)


def test_more_bands_than_there_are_leave_an_edge():
    clips = np.broadcast_to(np.arange(4, dtype=np.float32), (50, 2, 4))
    shifted = augmentation.shift_bands(clips, 9, tf.constant([1, 2])).numpy()
    assert {0.0, 3.0} <= {clip[0, 0] for clip in shifted if np.ptp(clip) == 0}


def test_a_share_of_the_clips_is_mixed():
    log_mel, labels = make_batch(400)
    mixed, mixed_labels = augmentation.mixup(
        log_mel, labels, 10.0, 0.3, seed_of(0)
    )
    is_same = (mixed.numpy() == log_mel).all(axis=(1, 2))
    assert 0.62 < is_same.mean() < 0.78
    np.testing.assert_array_equal(
        mixed_labels.numpy()[is_same], labels[is_same]
    )
    differs = (labels != np.roll(labels, 1, 0)).any(1)
    weights = mixed_labels.numpy()[~is_same & differs].max(1)
    # The larger of the two weights. Beta(10, 10) has a standard deviation of
    # 0.11, so that its mean distance from 1/2 is about 0.09.
    assert 0.55 < weights.mean() < 0.63


def test_gain_moves_every_clip_by_its_own_amount():
    log_mel, _ = make_batch(400)
    louder = augmentation.gain(log_mel, 6.0, FLOOR_DB, seed_of(0)).numpy()
    differences = louder - log_mel
    gains = differences[:, 0, 0]
    np.testing.assert_allclose(
        differences,
        np.broadcast_to(gains[:, None, None], log_mel.shape),
        atol=1e-5,
    )
    # Uniform over -6 ... 6: mean 0, variance 12.
    assert gains.min() > -6 and gains.max() < 6
    assert abs(gains.mean()) < 0.6
    assert abs(gains.var() - 12) < 2


def test_gain_stops_at_the_floor_and_leaves_silence_silent():
    log_mel = np.full((100, 3, 2), FLOOR_DB, np.float32)
    log_mel[:, 0] += 1
    louder = augmentation.gain(log_mel, 6.0, FLOOR_DB, seed_of(0)).numpy()
    assert louder.min() == FLOOR_DB
    assert (louder[:, 1:] == FLOOR_DB).all()
    softened, raised = louder[:, 0].min(1), louder[:, 0].max(1)
    # Softer by more than 1 dB in five of twelve cases.
    assert 0.3 < np.mean(softened == FLOOR_DB) < 0.55
    assert raised.max() > FLOOR_DB + 5


def test_masks_are_filled_whatever_the_gain():
    config = AugmentationConfig(gain_db=9.0)
    log_mel, labels = make_batch()
    outputs, _ = augmentation.augment_batch(
        log_mel, labels, FILL, FLOOR_DB, config, seed_of(0)
    )
    filled = outputs.numpy() == FILL
    assert 0.05 < filled.mean() < 0.9


def test_mixed_clips_have_masks_of_their_own():
    log_mel, labels = make_batch()
    masked, _ = augmentation.augment_batch(
        log_mel, labels, FILL, FLOOR_DB, AugmentationConfig(), seed_of(0)
    )
    config = AugmentationConfig(mixup_alpha=1.0)
    outputs, mixed_labels = augmentation.augment_batch(
        log_mel, labels, FILL, FLOOR_DB, config, seed_of(0)
    )
    # Every output is on the line between two clips that are masked already.
    masked = masked.numpy()
    partner, partner_labels = np.roll(masked, 1, 0), np.roll(labels, 1, 0)
    for clip in range(len(labels)):
        differs = labels[clip] != partner_labels[clip]
        if not differs.any():
            continue
        weight = np.abs(mixed_labels[clip] - partner_labels[clip])[differs][0]
        np.testing.assert_allclose(
            outputs[clip],
            weight * masked[clip] + (1 - weight) * partner[clip],
            atol=1e-3,
        )


def test_negative_settings_are_refused():
    with pytest.raises(ValueError, match="num_time_masks.*-1"):
        AugmentationConfig(num_time_masks=-1)
    with pytest.raises(ValueError, match="`mixup_rate` must be at most 1"):
        AugmentationConfig(mixup_rate=1.5)
