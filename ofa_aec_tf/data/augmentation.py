"""Augmentation of batches, as pure functions of batch and seed."""

import numpy as np
import tensorflow as tf

# Mel bands of a random filter that have gains of their own.
_NUM_FILTER_NODES = 5


def augment_batch(log_mel, labels, mel_mean_db, floor_db, config, seed):
    """Augments one batch.

    Args:
        log_mel: float32 tensor of shape (batch, num_frames, num_mel_bins), in
            dB.
        labels: float32 tensor of shape (batch, num_classes).
        mel_mean_db: float32 tensor of shape (num_mel_bins,), the values of
            masked frames and bands: 0 dB would be a loud sound.
        floor_db: float. Output of the front end for silence.
        config: AugmentationConfig.
        seed: int32 tensor of shape (2,).

    Returns:
        `(log_mel, labels)` of the same shapes. Equal for equal seeds.
    """
    seeds = tf.random.split(seed, 7)
    if config.time_roll:
        log_mel = time_roll(log_mel, config.max_roll_frames, seeds[0])
    if config.gain_db > 0:
        log_mel = gain(log_mel, config.gain_db, floor_db, seeds[1])
    if config.filter_db > 0:
        log_mel = random_filter(log_mel, config.filter_db, floor_db, seeds[6])
    if config.max_shift_bands:
        log_mel = shift_bands(log_mel, config.max_shift_bands, seeds[5])
    log_mel = mask_axis(
        log_mel,
        mel_mean_db,
        1,
        config.num_time_masks,
        config.max_time_mask_frames,
        seeds[2],
    )
    log_mel = mask_axis(
        log_mel,
        mel_mean_db,
        2,
        config.num_frequency_masks,
        config.max_frequency_mask_bands,
        seeds[3],
    )
    if config.mixup_alpha > 0:
        log_mel, labels = mixup(
            log_mel, labels, config.mixup_alpha, config.mixup_rate, seeds[4]
        )
    return log_mel, labels


def augment_views(log_mel, ids, views, mel_mean_db, floor_db, config, seed):
    """Augments clips one by one, in a repeatable way.

    Args:
        log_mel: float32 tensor of shape (batch, num_frames, num_mel_bins), in
            dB.
        ids: string tensor of shape (batch,).
        views: int32 tensor of shape (batch,). Numbers of augmentations.
        mel_mean_db: as for `augment_batch`.
        floor_db: as for `augment_batch`.
        config: AugmentationConfig without mixup.
        seed: int.

    Returns:
        float32 tensor of the shape of `log_mel`. Each clip depends on its id,
        its view and the seed, and not on the batch.
    """
    numbers = tf.strings.to_hash_bucket_fast(ids, 2**31 - 1)

    def augment(clip):
        one_log_mel, number, view = clip
        clip_seed = tf.random.fold_in(
            tf.stack([tf.constant(seed, tf.int32), tf.cast(number, tf.int32)]),
            view,
        )
        augmented, _ = augment_batch(
            one_log_mel[None],
            tf.zeros((1, 0)),
            mel_mean_db,
            floor_db,
            config,
            clip_seed,
        )
        return augmented[0]

    return tf.map_fn(
        augment, (log_mel, numbers, views), fn_output_signature=log_mel.dtype
    )


def time_roll(log_mel, max_frames, seed):
    """Rolls every clip by its own random number of frames.

    Args:
        log_mel: tensor of shape (batch, num_frames, num_mel_bins).
        max_frames: int. The largest number, forwards or backwards; 0 is any.
        seed: int32 tensor of shape (2,).
    """
    batch, num_frames = tf.shape(log_mel)[0], tf.shape(log_mel)[1]
    shifts = tf.random.stateless_uniform(
        (batch, 1),
        seed,
        minval=-max_frames,
        maxval=max_frames + 1 if max_frames else num_frames,
        dtype=tf.int32,
    )
    frames = (tf.range(num_frames)[None, :] - shifts) % num_frames
    return tf.gather(log_mel, frames, axis=1, batch_dims=1)


def gain(log_mel, max_gain_db, floor_db, seed):
    """Makes every clip louder or softer by its own random amount.

    This equals a factor on the waveform, except at the floor: values there,
    such as the silence that short clips are padded with, stay.

    Args:
        log_mel: tensor of shape (batch, num_frames, num_mel_bins), in dB.
        max_gain_db: float. Gains are uniform between this and its negative.
        floor_db: float. Output of the front end for silence.
        seed: int32 tensor of shape (2,).
    """
    gains_db = tf.random.stateless_uniform(
        (tf.shape(log_mel)[0], 1, 1), seed, -max_gain_db, max_gain_db
    )
    return _add_gains(log_mel, gains_db, floor_db)


def _add_gains(log_mel, gains_db, floor_db):
    return tf.where(
        log_mel > floor_db, tf.maximum(log_mel + gains_db, floor_db), log_mel
    )


def random_filter(log_mel, max_gain_db, floor_db, seed):
    """Filters every clip at random, in the same way in all its frames.

    Each clip has random gains at evenly spaced mel bands, from the lowest to
    the highest, interpolated linearly in between. The floor stays, as in
    `gain`.

    Args:
        log_mel: tensor of shape (batch, num_frames, num_mel_bins), in dB.
        max_gain_db: float. Gains are uniform between this and its negative.
        floor_db: float. Output of the front end for silence.
        seed: int32 tensor of shape (2,).
    """
    nodes_db = tf.random.stateless_uniform(
        (tf.shape(log_mel)[0], _NUM_FILTER_NODES),
        seed,
        -max_gain_db,
        max_gain_db,
    )
    nodes = np.arange(_NUM_FILTER_NODES)
    positions = np.linspace(0, nodes[-1], log_mel.shape[2])
    # The weight of each node in each band.
    shares = [np.interp(positions, nodes, row) for row in np.eye(len(nodes))]
    gains_db = tf.matmul(nodes_db, tf.constant(np.stack(shares), tf.float32))
    return _add_gains(log_mel, gains_db[:, None, :], floor_db)


def shift_bands(log_mel, max_bands, seed):
    """Shifts every clip along the mel axis by its own number of bands.

    The edge band that a clip is shifted away from is repeated.

    Args:
        log_mel: tensor of shape (batch, num_frames, num_mel_bins).
        max_bands: int. The largest number, upwards or downwards.
        seed: int32 tensor of shape (2,).
    """
    batch, num_bands = tf.shape(log_mel)[0], tf.shape(log_mel)[2]
    shifts = tf.random.stateless_uniform(
        (batch, 1), seed, -max_bands, max_bands + 1, dtype=tf.int32
    )
    bands = tf.range(num_bands)[None, :] - shifts
    bands = tf.clip_by_value(bands, 0, num_bands - 1)
    return tf.gather(log_mel, bands, axis=2, batch_dims=1)


def mixup(log_mel, labels, alpha, rate, seed):
    """Mixes clips with the next one of their batch, which is a random one.

    Args:
        log_mel: tensor of shape (batch, num_frames, num_mel_bins).
        labels: tensor of shape (batch, num_classes).
        alpha: float. The weight of a clip is drawn from Beta(alpha, alpha).
        rate: float in [0, 1]. Probability that a clip is mixed.
        seed: int32 tensor of shape (2,).

    Returns:
        `(log_mel, labels)`, both mixed with the same weights.
    """
    batch = tf.shape(log_mel)[0]
    # Beta as a ratio of Gammas: TensorFlow has no stateless Beta.
    gammas = tf.random.stateless_gamma((2, batch), seed, alpha=alpha)
    weight = gammas[0] / (gammas[0] + gammas[1])
    # Both Gammas underflow to 0 for a tiny alpha.
    weight = tf.where(tf.math.is_nan(weight), 0.5, weight)
    if rate < 1:
        mixed = tf.random.stateless_uniform((batch,), tf.random.split(seed)[1])
        weight = tf.where(mixed < rate, weight, 1.0)
    clip_weight, label_weight = weight[:, None, None], weight[:, None]
    return (
        log_mel * clip_weight + tf.roll(log_mel, 1, 0) * (1 - clip_weight),
        labels * label_weight + tf.roll(labels, 1, 0) * (1 - label_weight),
    )


def mask_axis(log_mel, fill, axis, num_masks, max_width, seed):
    """SpecAugment: masks random stretches of one axis, clip by clip.

    Args:
        log_mel: tensor of shape (batch, num_frames, num_mel_bins).
        fill: tensor of shape (num_mel_bins,).
        axis: int. 1 masks frames, 2 masks mel bands.
        num_masks: int.
        max_width: int. Widths are uniform over 0 ... max_width - 1, and starts
            uniform over all places where the mask fits.
        seed: int32 tensor of shape (2,).
    """
    if not num_masks or max_width < 2:
        return log_mel
    batch, size = tf.shape(log_mel)[0], tf.shape(log_mel)[axis]
    width_seed, start_seed = tf.unstack(tf.random.split(seed, 2))
    shape = (batch, num_masks, 1)
    widths = tf.random.stateless_uniform(
        shape, width_seed, maxval=tf.minimum(max_width, size), dtype=tf.int32
    )
    fractions = tf.random.stateless_uniform(shape, start_seed)
    num_starts = tf.cast(size - widths + 1, tf.float32)
    starts = tf.cast(fractions * num_starts, tf.int32)
    positions = tf.range(size)[None, None, :]
    masked = (positions >= starts) & (positions < starts + widths)
    masked = tf.reduce_any(masked, axis=1)
    masked = masked[:, :, None] if axis == 1 else masked[:, None, :]
    return tf.where(masked, fill, log_mel)
