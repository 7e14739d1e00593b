import numpy as np
import pytest

from ofa_aec_tf.nas import candidates
from ofa_aec_tf.nas.budgets import parse_budget
from ofa_aec_tf.search_space.space import Decision
from ofa_aec_tf.search_space.space import SearchSpace

_SPACE = SearchSpace(
    (Decision("width", (1, 2, 3)), Decision("depth", (10, 20)))
)


def _costs(subnet):
    # Parameters 11, 21, 12, 22, 13, 23; MACs fall where parameters grow.
    parameters = subnet["width"] + subnet["depth"]
    return {"parameters": parameters, "macs": 100 - parameters}


def _list(**options):
    rng = np.random.default_rng(0)
    return candidates.list_candidates(_SPACE, _costs, rng, **options)


def test_a_small_space_is_listed_whole():
    listed, complete = _list(max_enumerated=6)
    assert complete
    assert [c.costs["parameters"] for c in listed] == [11, 21, 12, 22, 13, 23]


def test_of_a_large_space_a_bounded_part_with_both_ends_is_drawn():
    listed, complete = _list(max_enumerated=5, max_draws=2)
    assert not complete
    subnets = {c.subnet for c in listed}
    assert len(subnets) == len(listed) <= 4
    assert {_SPACE.smallest(), _SPACE.largest()} <= subnets


def test_only_candidates_within_the_budget_are_feasible():
    listed, _ = _list()
    feasible = candidates.feasible_candidates(
        listed, parse_budget("x:parameters=17+-5")
    )
    assert [c.costs["parameters"] for c in feasible] == [21, 12, 22, 13]


def test_an_infeasible_budget_names_the_nearest_subnets_on_both_sides():
    listed, _ = _list()
    with pytest.raises(
        ValueError,
        match=r"keeps the budget `gap:parameters=17\+-3`. "
        r'Nearest below in parameters: {"width": 3, "depth": 10} with '
        r'parameters=13; nearest above: {"width": 1, "depth": 20} with '
        r"parameters=21\. ",
    ):
        candidates.feasible_candidates(
            listed, parse_budget("gap:parameters=17+-3")
        )


def test_a_budget_below_the_space_has_no_nearest_below():
    listed, _ = _list()
    with pytest.raises(
        ValueError, match=r"below in parameters: none; .*parameters=11\."
    ):
        candidates.feasible_candidates(listed, parse_budget("x:parameters<=5"))


def test_the_message_does_not_speak_for_subnets_that_were_not_drawn():
    listed, complete = _list(max_enumerated=5, max_draws=2)
    with pytest.raises(
        ValueError, match=f"None of {len(listed)} subnets drawn from a large"
    ):
        candidates.feasible_candidates(
            listed, parse_budget("x:parameters<=5"), complete
        )


def test_constraints_that_exclude_each_other_name_the_nearest_to_both():
    listed, _ = _list()
    # Each alone is feasible: 11 parameters have 89 MACs, 23 have 77. The sum
    # of the relative excesses is smallest for 11 parameters: (89-80)/80.
    with pytest.raises(
        ValueError,
        match=r'together: {"width": 1, "depth": 10} with '
        r"parameters=11, macs=89\.",
    ) as raised:
        candidates.feasible_candidates(
            listed, parse_budget("x:parameters<=11,macs<=80")
        )
    assert "Nearest below" not in str(raised.value)


def test_a_population_has_no_duplicates_and_repeats_with_its_seed():
    listed, _ = _list()
    draws = [
        candidates.draw_population(listed, 4, np.random.default_rng(7))
        for _ in range(2)
    ]
    assert draws[0] == draws[1]
    assert len({c.subnet for c in draws[0]}) == 4


def test_a_population_larger_than_the_feasible_set_is_all_of_it():
    listed, _ = _list()
    assert (
        candidates.draw_population(listed, 25, np.random.default_rng(0))
        == listed
    )


def test_every_candidate_is_drawn_about_equally_often():
    listed, _ = _list()
    rng = np.random.default_rng(0)
    counts = dict.fromkeys((c.subnet for c in listed), 0)
    for _ in range(600):
        for candidate in candidates.draw_population(listed, 1, rng):
            counts[candidate.subnet] += 1
    # 100 expected, standard deviation 9.
    assert all(60 < count < 140 for count in counts.values())
