"""Batches of the views of clips that stored logits belong to."""

import tensorflow as tf

from ofa_aec_tf.data import augmentation


def taught_batch(clips, stored, mel_mean_db, floor_db, seed):
    """Clips, each as one of its views, with the teachers' logits of it.

    Args:
        clips: dict of tensors with `id`, `log_mel` and `labels`.
        stored: StoredLogits.
        mel_mean_db: as for `augment_batch`.
        floor_db: as for `augment_batch`.
        seed: int32 tensor of shape (2,), for the choice of views.

    Returns:
        dict of tensors, as `make_train_dataset` has them.
    """
    (batch,) = clips["id"].shape
    views = tf.random.stateless_uniform(
        (batch,), seed, maxval=stored.views.num_views, dtype=tf.int32
    )
    logits, is_taught = tf.numpy_function(
        stored.look_up,
        [clips["id"], views],
        (tf.float32, tf.bool),
        stateful=False,
    )
    return {
        "log_mel": augmentation.augment_views(
            clips["log_mel"],
            clips["id"],
            views,
            mel_mean_db,
            floor_db,
            stored.views.augmentation,
            stored.views.seed,
        ),
        "labels": clips["labels"],
        "teacher_logits": tf.ensure_shape(
            logits,
            (batch, stored.num_teachers, clips["labels"].shape[-1]),
        ),
        "is_taught": tf.ensure_shape(is_taught, (batch,)),
    }


def as_views(batches, views, view, mel_mean_db, floor_db):
    """Batches of clips, all augmented to the same view.

    Args:
        batches: tf.data.Dataset of dicts with `id` and `log_mel`.
        views: StoredViews.
        view: int.
        mel_mean_db: as for `augment_batch`.
        floor_db: as for `augment_batch`.

    Returns:
        tf.data.Dataset of the same dicts.
    """

    def augment(batch):
        log_mel = augmentation.augment_views(
            batch["log_mel"],
            batch["id"],
            tf.fill(tf.shape(batch["id"]), view),
            mel_mean_db,
            floor_db,
            views.augmentation,
            views.seed,
        )
        return {**batch, "log_mel": log_mel}

    return batches.map(augment)
