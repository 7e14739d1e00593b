import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ofa_aec_tf.nas import pareto
from ofa_aec_tf.nas.pareto import Point


def test_better_and_cheaper_dominates():
    assert pareto.dominates(Point(0.5, (1, 1)), Point(0.4, (2, 1)))


def test_better_but_dearer_does_not_dominate():
    assert not pareto.dominates(Point(0.5, (2,)), Point(0.4, (1,)))
    assert not pareto.dominates(Point(0.4, (1,)), Point(0.5, (2,)))


def test_equal_points_do_not_dominate_each_other():
    assert not pareto.dominates(Point(0.5, (1,)), Point(0.5, (1,)))


def test_the_front_of_one_cost_climbs_from_cheap_to_dear():
    points = [
        Point(0.9, (30,)),
        Point(0.5, (10,)),
        Point(0.4, (20,)),  # dearer and worse than the second
        Point(0.5, (15,)),  # dearer and no better than the second
        Point(0.7, (20,)),
    ]
    assert pareto.front(points) == [1, 4, 0]


def test_a_second_cost_keeps_points_that_the_first_alone_would_drop():
    points = [Point(0.5, (10, 5)), Point(0.5, (11, 4))]
    assert pareto.front(points) == [0, 1]
    assert pareto.front([Point(p.quality, p.costs[:1]) for p in points]) == [0]


_POINTS = st.lists(
    st.builds(
        Point,
        st.integers(0, 4).map(float),
        st.tuples(st.integers(0, 4), st.integers(0, 4)),
    ),
    max_size=25,
)


@given(_POINTS)
def test_the_front_is_what_brute_force_finds(points):
    expected = {
        index
        for index, point in enumerate(points)
        if not any(
            other.quality >= point.quality
            and other.costs[0] <= point.costs[0]
            and other.costs[1] <= point.costs[1]
            and other != point
            for other in points
        )
    }
    assert set(pareto.front(points)) == expected


@given(_POINTS)
def test_every_point_off_the_front_is_dominated_by_one_on_it(points):
    on_front = pareto.front(points)
    for index, point in enumerate(points):
        dominated = any(pareto.dominates(points[i], point) for i in on_front)
        assert dominated == (index not in on_front)


def test_points_without_a_value_are_refused():
    with pytest.raises(ValueError, match="1 of 2 points with NaN"):
        pareto.front([Point(float("nan"), (1,)), Point(0.5, (1,))])


def test_points_with_different_costs_are_refused():
    with pytest.raises(ValueError, match=r"Received: \[1, 2\]"):
        pareto.front([Point(0.5, (1,)), Point(0.5, (1, 2))])


def test_hypervolume_of_boxes_by_hand():
    reference = pareto.Point(0.0, (10.0, 10.0))
    # 0.5 x 6 x 8 and 0.8 x 2 x 3; both have 0.5 x 2 x 3.
    points = [pareto.Point(0.5, (4.0, 2.0)), pareto.Point(0.8, (8.0, 7.0))]
    volume = pareto.hypervolume(points, reference)
    assert volume == pytest.approx(24 + 4.8 - 3)
    # Dominated, equal, or beyond the reference: nothing more.
    more = [
        *points,
        pareto.Point(0.4, (4.0, 2.0)),
        points[0],
        pareto.Point(0.9, (11.0, 1.0)),
        pareto.Point(-0.1, (1.0, 1.0)),
    ]
    assert pareto.hypervolume(more, reference) == pytest.approx(25.8)
    assert pareto.hypervolume([], reference) == 0


@pytest.mark.parametrize("num_costs", [1, 2, 3])
def test_hypervolume_is_what_random_points_hit(num_costs):
    rng = np.random.default_rng(num_costs)
    points = [
        pareto.Point(row[0], tuple(row[1:]))
        for row in rng.uniform(size=(12, num_costs + 1))
    ]
    hits = [
        any(
            p.quality >= row[0]
            and all(c <= x for c, x in zip(p.costs, row[1:]))
            for p in points
        )
        for row in rng.uniform(size=(20_000, num_costs + 1))
    ]
    volume = pareto.hypervolume(points, pareto.Point(0.0, (1.0,) * num_costs))
    # Four standard deviations of the share of hits at the most.
    assert volume == pytest.approx(np.mean(hits), abs=0.015)
