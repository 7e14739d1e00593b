"""Subnets of a step: a pure function of seed and step."""

import collections

import numpy as np
import pytest
import tensorflow as tf

from ofa_aec_tf.families.cnn10.family import Cnn10Family
from ofa_aec_tf.training.subnet_sampler import SubnetSampler

SPACE = Cnn10Family(5).search_space()


def make_sampler(rule="uniform", num_subnets=4, largest_steps=0, seed=0):
    return SubnetSampler(SPACE, num_subnets, rule, largest_steps, seed)


def draw(sampler, step):
    subnets, count = sampler.sample(tf.constant(step, tf.int64))
    return subnets.numpy(), int(count)


def test_same_seed_and_step_draw_the_same_in_and_outside_a_graph():
    sampler = make_sampler()
    in_graph = tf.function(sampler.sample)
    for step in (0, 7, 10**6):
        subnets, _ = in_graph(tf.constant(step, tf.int64))
        np.testing.assert_array_equal(subnets, draw(make_sampler(), step)[0])


def test_steps_and_seeds_draw_differently():
    drawn = [draw(make_sampler(seed=s), t)[0] for s in (0, 1) for t in (0, 1)]
    assert len({subnets.tobytes() for subnets in drawn}) == 4


def test_every_draw_is_a_subnet_and_every_choice_is_equally_likely():
    sampler = make_sampler(num_subnets=20)
    counts = [collections.Counter() for _ in SPACE.decisions]
    for step in range(100):
        subnets, count = draw(sampler, step)
        assert count == 20
        for indices in subnets:
            assert SPACE.contains(SPACE.from_indices(indices))
            for counter, index in zip(counts, indices):
                counter[int(index)] += 1
    for decision, counter in zip(SPACE.decisions, counts):
        expected = 2000 / len(decision.choices)
        assert len(counter) == len(decision.choices)
        # Five standard deviations of a binomial count.
        for value in counter.values():
            assert abs(value - expected) < 5 * np.sqrt(expected)


def test_the_largest_subnet_comes_alone_first():
    sampler = make_sampler(largest_steps=3)
    largest = SPACE.to_indices(SPACE.largest())
    subnets, count = draw(sampler, 2)
    assert count == 1
    np.testing.assert_array_equal(subnets[0], largest)
    assert draw(sampler, 3)[1] == 4


def test_sandwich_has_the_largest_first_and_the_smallest_last():
    for step in range(5):
        subnets, count = draw(make_sampler("sandwich"), step)
        assert count == 4
        np.testing.assert_array_equal(
            subnets[0], SPACE.to_indices(SPACE.largest())
        )
        np.testing.assert_array_equal(
            subnets[-1], SPACE.to_indices(SPACE.smallest())
        )


def test_impossible_settings_are_refused():
    with pytest.raises(ValueError, match="one of .*uniform.*'best'"):
        make_sampler("best")
    with pytest.raises(ValueError, match="sandwich rule needs at least 2"):
        make_sampler("sandwich", num_subnets=1)
    with pytest.raises(ValueError, match="uniform rule needs at least 1"):
        make_sampler(num_subnets=0)
