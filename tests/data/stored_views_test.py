"""Views: the same clip, view and seed sound the same in any batch."""

import numpy as np
import tensorflow as tf

from ofa_aec_tf.data import augmentation
from ofa_aec_tf.data.augmentation_config import AugmentationConfig
from ofa_aec_tf.data.stored_logits import StoredViews
from ofa_aec_tf.data.stored_views import as_views
from ofa_aec_tf.data.stored_views import taught_batch

CONFIG = AugmentationConfig(
    time_roll=True, gain_db=6.0, max_time_mask_frames=10
)
VIEWS = StoredViews(3, 5, CONFIG)
FILL, FLOOR_DB = tf.zeros(16), -100.0
IDS = np.array([b"a", b"b", b"c", b"d"])
CLIPS = np.random.default_rng(0).normal(-40, 10, (4, 40, 16)).astype(np.float32)


def augmented(numbers, views, seed=5):
    return augmentation.augment_views(
        tf.constant(CLIPS[numbers]),
        tf.constant(IDS[numbers]),
        tf.constant(views, tf.int32),
        FILL,
        FLOOR_DB,
        CONFIG,
        seed,
    ).numpy()


def test_a_view_does_not_depend_on_the_batch():
    together = augmented([0, 1, 2, 3], [0, 1, 2, 0])
    np.testing.assert_array_equal(augmented([2], [2]), together[2:3])
    np.testing.assert_array_equal(augmented([3, 1], [0, 1]), together[[3, 1]])


def test_views_clips_and_seeds_differ():
    views = augmented([0, 0, 0], [0, 1, 2])
    assert not np.array_equal(views[0], views[1])
    assert not np.array_equal(views[1], views[2])
    assert not np.array_equal(augmented([0], [0], seed=6), views[:1])
    # Another id, the same sound.
    renamed = augmentation.augment_views(
        tf.constant(CLIPS[:1]),
        tf.constant([b"z"]),
        tf.constant([0]),
        FILL,
        FLOOR_DB,
        CONFIG,
        5,
    )
    assert not np.array_equal(renamed, views[:1])


class _Stored:
    """Logits that tell which view of which clip was looked up."""

    views = VIEWS
    num_teachers = 1

    def look_up(self, ids, views):
        numbers = [IDS.tolist().index(clip_id) for clip_id in ids]
        logits = np.stack([numbers, views], axis=1).astype(np.float32)
        return logits[:, None], np.array(ids) != b"b"


def test_a_taught_batch_has_the_views_that_its_logits_are_of():
    clips = {
        "id": tf.constant(IDS),
        "log_mel": tf.constant(CLIPS),
        "labels": tf.zeros((4, 2)),
    }
    seen = set()
    for step in range(8):
        batch = taught_batch(
            clips, _Stored(), FILL, FLOOR_DB, tf.constant([0, step])
        )
        numbers, views = batch["teacher_logits"].numpy()[:, 0].astype(int).T
        np.testing.assert_array_equal(numbers, range(4))
        np.testing.assert_array_equal(
            batch["log_mel"], augmented(numbers, views)
        )
        assert batch["is_taught"].numpy().tolist() == [True, False, True, True]
        seen |= set(views)
    assert seen == {0, 1, 2}


def test_all_clips_as_one_view():
    batches = tf.data.Dataset.from_tensor_slices(
        {"id": IDS, "log_mel": CLIPS, "labels": np.zeros((4, 2))}
    ).batch(3)
    whole = np.concatenate(
        [
            batch["log_mel"].numpy()
            for batch in as_views(batches, VIEWS, 2, FILL, FLOOR_DB)
        ]
    )
    np.testing.assert_array_equal(whole, augmented([0, 1, 2, 3], [2] * 4))
