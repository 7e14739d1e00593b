"""Samplers against counts by hand, and as functions of (seed, step)."""

from collections import Counter

import numpy as np
import pytest

from ofa_aec_tf.data import sampling
from ofa_aec_tf.data.record_reader import ClipLabels

# The class of each clip; class 3 has none.
SINGLE = [0, 1, 1, 2, 2, 2, 2, 2, 4, 4, 4]
NUM_CLASSES = 5


def clip_labels(labels_of_clips):
    pairs = [
        (clip, label)
        for clip, labels in enumerate(labels_of_clips)
        for label in labels
    ]
    clips, classes = np.array(pairs, np.int64).reshape(-1, 2).T
    return ClipLabels(clips, classes, len(labels_of_clips))


def balanced(seed=0):
    labels = clip_labels([[label] for label in SINGLE])
    return sampling.ClassBalancedSampler(labels, NUM_CLASSES, seed)


def draw(sampler, num_steps, batch_size, first_step=0):
    return np.concatenate(
        [
            sampler.clip_numbers(step, batch_size)
            for step in range(first_step, num_steps)
        ]
    ).tolist()


def test_every_pass_shows_every_class_once_in_another_order():
    classes = [SINGLE[clip] for clip in draw(balanced(), 100, 4)]
    passes = [tuple(classes[i : i + 4]) for i in range(0, 400, 4)]
    assert {tuple(sorted(one)) for one in passes} == {(0, 1, 2, 4)}
    # All 24 orders come up in 100 passes but for the odd one.
    assert len(set(passes)) > 18


def test_class_frequencies_are_equal_however_unequal_the_counts():
    # 45 labels of one class for every one of the other.
    labels = clip_labels([[0]] * 450 + [[1]] * 10)
    sampler = sampling.ClassBalancedSampler(labels, 2, 3)
    drawn = Counter(clip >= 450 for clip in draw(sampler, 50, 20))
    assert drawn == {False: 500, True: 500}


def test_every_clip_of_a_class_comes_before_one_comes_again():
    drawn = draw(balanced(), 600, 4)
    for label, count in Counter(SINGLE).items():
        of_class = [clip for clip in drawn if SINGLE[clip] == label]
        assert len(of_class) == 600
        walks = [tuple(of_class[i : i + count]) for i in range(0, 600, count)]
        members = tuple(c for c, other in enumerate(SINGLE) if other == label)
        assert {tuple(sorted(walk)) for walk in walks} == {members}
        if count == 3:
            # Each of the 6 orders in a sixth of 200 walks: 33, give or take.
            orders = Counter(walks)
            assert len(orders) == 6
            assert all(12 < n < 58 for n in orders.values())


def test_a_clip_with_two_labels_is_in_both_lists():
    labels = clip_labels([[0, 1], [0], [0], [1], [], [1], [1]])
    sampler = sampling.ClassBalancedSampler(labels, 2, 0)
    # 12 passes: class 0 goes 4 times through its 3 clips, class 1 3 times
    # through its 4; and the clip of nothing comes in each.
    drawn = Counter(draw(sampler, 12, 3))
    assert drawn == {0: 4 + 3, 1: 4, 2: 4, 3: 3, 4: 12, 5: 3, 6: 3}


@pytest.mark.parametrize("name", ["class_balanced", "weighted"])
def test_clips_without_a_label_are_drawn_as_often_as_a_class(name):
    labels = clip_labels([[0]] * 10 + [[]] * 90 + [[1]] * 30)
    sampler = sampling.make_sampler(name, labels, 2, 0)
    drawn = Counter(
        "none" if 10 <= clip < 100 else clip >= 100
        for clip in draw(sampler, 100, 30)
    )
    # 1,000 each; five standard deviations of a binomial distribution.
    for count in drawn.values():
        assert abs(count - 1000) < 5 * np.sqrt(3000 * 2 / 9)


def test_weights_by_hand():
    labels = clip_labels([[0], [0, 1], [], [1], [3]])
    expected = [1 / 2.01, 2 / 2.01, 1 / 1.01, 1 / 2.01, 1 / 1.01]
    np.testing.assert_allclose(
        sampling.clip_weights(labels, 5), expected, rtol=1e-12
    )
    np.testing.assert_allclose(
        sampling.class_weights(np.array([2, 2, 0, 1, 0])),
        [1 / 2.01, 1 / 2.01, 0, 1 / 1.01, 0],
        rtol=1e-12,
    )


def test_clips_are_drawn_as_often_as_their_weights_say():
    labels = clip_labels([[], [0], [0, 1], [], [1], [3], []])
    sampler = sampling.WeightedSampler(labels, 5, 0)
    num_draws = 40_000
    drawn = np.bincount(draw(sampler, 400, 100), minlength=7)
    none = 1 / 3.01
    weights = np.array(
        [none, 1 / 2.01, 2 / 2.01, none, 1 / 2.01, 1 / 1.01, none]
    )
    expected = num_draws * weights / weights.sum()
    # Five standard deviations of a binomial distribution.
    assert (np.abs(drawn - expected) < 5 * np.sqrt(expected) + 1e-9).all()


@pytest.mark.parametrize("name", ["class_balanced", "weighted"])
def test_a_step_depends_on_no_step_before(name):
    labels = clip_labels([[label, 3] for label in SINGLE])

    def make(seed=5):
        return sampling.make_sampler(name, labels, NUM_CLASSES, seed)

    uninterrupted = draw(make(), 200, 7)
    assert draw(make(), 200, 7, first_step=150) == uninterrupted[150 * 7 :]
    backwards = make()
    for step in reversed(range(0, 200, 13)):
        assert (
            backwards.clip_numbers(step, 7).tolist()
            == uninterrupted[7 * step : 7 * step + 7]
        )
    assert draw(make(6), 200, 7) != uninterrupted


def test_balanced_batches_of_any_size_are_parts_of_one_walk():
    walk = draw(balanced(), 1, 240)
    assert draw(balanced(), 80, 3) == draw(balanced(), 24, 10) == walk


@pytest.mark.parametrize("name", ["class_balanced", "weighted"])
def test_clips_without_any_label_cannot_be_sampled_by_class(name):
    with pytest.raises(ValueError, match="None of the 2 clips has a label"):
        sampling.make_sampler(name, clip_labels([[], []]), 3, 0)


def test_labels_of_some_clips_are_numbered_anew():
    labels = clip_labels([[0], [1, 2], [], [2], [0, 1]])
    kept = labels.of_clips(np.array([False, True, True, False, True]))
    assert kept.clips.tolist() == [0, 0, 2, 2]
    assert kept.classes.tolist() == [1, 2, 0, 1]
    assert kept.num_clips == 3
    assert kept.class_counts(4).tolist() == [1, 2, 1, 0]
