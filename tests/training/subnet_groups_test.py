"""Subnets that share stages are put next to each other."""

import dataclasses

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st

from ofa_aec_tf.families.cnn10.family import Cnn10Family
from ofa_aec_tf.search_space.space import Decision
from ofa_aec_tf.search_space.space import SearchSpace
from ofa_aec_tf.training.subnet_groups import SubnetGroups


@dataclasses.dataclass(frozen=True)
class FakeStage:
    decisions: tuple[str, ...]


SPACE = SearchSpace(
    (
        Decision("early", (1, 2, 3)),
        Decision("late_depth", (1, 2)),
        Decision("late_width", (0.5, 0.8, 1.0)),
    )
)
STAGES = (FakeStage(("early",)), FakeStage(("late_depth", "late_width")))


def sort(rows, count=None):
    groups = SubnetGroups(SPACE, STAGES)
    subnets, keys = groups.sort(
        tf.constant(rows), tf.constant(len(rows) if count is None else count)
    )
    return groups, subnets.numpy().tolist(), keys


def test_order_goes_by_early_stages_first():
    _, subnets, keys = sort([[2, 0, 1], [0, 1, 2], [2, 0, 0], [0, 1, 1]])
    assert subnets == [[0, 1, 1], [0, 1, 2], [2, 0, 0], [2, 0, 1]]
    early, late = keys.numpy()
    assert early[0] == early[1] != early[2] == early[3]
    assert len(set(late)) == 4


def test_groups_are_the_runs_of_equal_decisions():
    groups, _, keys = sort([[1, 0, 0], [0, 0, 0], [1, 0, 0], [1, 1, 0]])
    size = lambda stage, first, last: int(  # noqa: E731
        groups.group_size(keys, stage, tf.constant(first), tf.constant(last))
    )
    assert size(0, 0, 4) == 1
    assert size(0, 1, 4) == 3
    # Drawn twice: one subnet at the last stage.
    assert size(1, 1, 4) == 2
    assert size(1, 3, 4) == 1


def test_subnets_that_are_not_visited_come_last():
    _, subnets, _ = sort([[2, 1, 2], [0, 0, 0], [1, 0, 0]], count=1)
    assert subnets[0] == [2, 1, 2]


def test_spaces_beyond_64_bits_are_sorted():
    names = [f"layer{number}" for number in range(70)]
    space = SearchSpace(tuple(Decision(name, (1, 2, 3)) for name in names))
    stages = (FakeStage(tuple(names[:69])), FakeStage((names[69],)))
    rows = np.zeros((4, 70), np.int32)
    rows[0, 0], rows[1, 68], rows[2, 69] = 1, 1, 1
    subnets, keys = SubnetGroups(space, stages).sort(
        tf.constant(rows), tf.constant(4)
    )
    np.testing.assert_array_equal(subnets, rows[[3, 2, 1, 0]])
    np.testing.assert_array_equal(keys, [[0, 0, 1, 2], [0, 1, 2, 3]])


def test_every_decision_belongs_to_one_stage():
    with pytest.raises(ValueError, match="one stage.*late_width.*Received"):
        SubnetGroups(SPACE, STAGES[:1])
    with pytest.raises(ValueError, match="one stage"):
        SubnetGroups(SPACE, (STAGES[0], *STAGES))


def test_each_stage_of_cnn10_owns_the_decisions_about_its_block():
    family = Cnn10Family(
        num_classes=5, depth_pattern="2XX", width_granularity="layer"
    )
    assert family.block_decisions(1) == ()
    assert family.block_decisions(2) == (
        "block2_conv1_width",
        "block2_conv2_width",
    )
    assert set(family.block_decisions(4)) == {
        "block4_depth",
        "block4_conv1_width",
        "block4_conv2_width",
    }


@given(
    rows=st.lists(
        st.tuples(st.integers(0, 2), st.integers(0, 1), st.integers(0, 2)),
        min_size=1,
        max_size=9,
    ),
    data=st.data(),
)
@settings(max_examples=40, deadline=None)
def test_walking_the_groups_visits_each_subnet_once(rows, data):
    count = data.draw(st.integers(1, len(rows)))
    groups, subnets, keys = sort([list(row) for row in rows], count)

    def walk(stage, first, last):
        if stage == len(STAGES):
            visited.append((tuple(subnets[first]), last - first))
            return
        while first < last:
            size = int(groups.group_size(keys, stage, first, last))
            members = {tuple(subnets[i]) for i in range(first, first + size)}
            num_decisions = sum(len(s.decisions) for s in STAGES[: stage + 1])
            assert len({m[:num_decisions] for m in members}) == 1
            walk(stage + 1, first, first + size)
            first += size

    visited = []
    walk(0, 0, count)
    expected = {}
    for row in rows[:count]:
        expected[row] = expected.get(row, 0) + 1
    assert dict(visited) == expected
    assert len(visited) == len(expected)


def test_keys_of_the_largest_spaces_do_not_overflow():
    family = Cnn10Family(
        num_classes=5,
        depth_pattern="XXX",
        width_granularity="layer",
        elastic_stem=True,
        width_ratios=(0.2, 0.4, 0.6, 0.8, 1.0),
    )
    space = family.search_space()
    stages = [FakeStage(family.block_decisions(b)) for b in range(1, 5)]
    groups = SubnetGroups(space, stages)
    rng = np.random.default_rng(0)
    rows = [space.to_indices(space.sample(rng)) for _ in range(200)]
    _, keys = groups.sort(tf.constant(np.array(rows)), tf.constant(len(rows)))
    distinct = {tuple(row) for row in rows}
    assert len(set(keys[-1].numpy())) == len(distinct)
    assert (np.diff(keys.numpy(), axis=1) >= 0).all()
