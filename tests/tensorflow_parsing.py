"""Records back to tensors by TensorFlow, which knows nothing of our reader."""

import tensorflow as tf

from ofa_aec_tf.data import records


def parse_records(serialized_batch, num_frames, num_mel_bins, num_classes):
    """Parses a batch of records; for `Dataset.map` after `Dataset.batch`.

    Args:
        serialized_batch: string tensor of shape (batch,), the records.
        num_frames: int. Frames of every clip.
        num_mel_bins: int. Mel bands of every clip.
        num_classes: int.

    Returns:
        dict of tensors: `id`, string of shape (batch,); `log_mel`, float32 of
        shape (batch, num_frames, num_mel_bins), in dB; `labels`, float32 of
        shape (batch, num_classes), 1 for the classes of a clip.

    Raises:
        tf.errors.InvalidArgumentError: if a record has another shape, or a
            class beyond `num_classes`.
    """
    parsed = tf.io.parse_example(
        serialized_batch,
        {
            records.ID: tf.io.FixedLenFeature([], tf.string),
            records.LOG_MEL: tf.io.FixedLenFeature([], tf.string),
            records.SHAPE: tf.io.FixedLenFeature([2], tf.int64),
            records.LABELS: tf.io.VarLenFeature(tf.int64),
        },
    )
    check = tf.debugging.assert_equal(
        parsed[records.SHAPE],
        tf.constant([[num_frames, num_mel_bins]], tf.int64),
        "Records have another number of frames or mel bands than their "
        "dataset.json says; preprocess again.",
    )
    # Eager execution has checked already, and gives no operation.
    with tf.control_dependencies([check] if check is not None else []):
        log_mel = tf.io.decode_raw(
            parsed[records.LOG_MEL], tf.float16, little_endian=True
        )
    labels = tf.sparse.to_indicator(parsed[records.LABELS], num_classes)
    return {
        "id": parsed[records.ID],
        "log_mel": tf.cast(
            tf.reshape(log_mel, [-1, num_frames, num_mel_bins]), tf.float32
        ),
        "labels": tf.cast(labels, tf.float32),
    }
