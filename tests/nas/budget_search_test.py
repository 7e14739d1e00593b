"""What keeps a budget is found, against spaces that are listed whole."""

import functools
import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st

from ofa_aec_tf.families.cnn10.family import Cnn10Family
from ofa_aec_tf.nas import candidates
from ofa_aec_tf.nas.budget_search import BudgetSearch
from ofa_aec_tf.nas.budget_search import nearest_subnets
from ofa_aec_tf.nas.budgets import Budget
from ofa_aec_tf.nas.budgets import Constraint
from ofa_aec_tf.nas.budgets import parse_budget
from ofa_aec_tf.nas.objectives import Objectives
from ofa_aec_tf.nas.search_methods import METHODS
from ofa_aec_tf.nas.search_methods import Proposals
from ofa_aec_tf.nas.search_methods import feasible_pools
from ofa_aec_tf.nas.study import Trial

# 8.6 million subnets.
LARGE = Cnn10Family(
    10,
    depth_pattern="XXX",
    elastic_stem=True,
    width_granularity="layer",
    width_ratios=(0.2, 0.3, 0.4, 0.5, 0.6, 0.8, 1.0),
)
SPACE = LARGE.search_space()
COSTS = ("parameters", "macs", "int8_peak_activation_bytes")


@functools.cache
def large_costs(subnet):
    return LARGE.complexity(subnet, 501).to_json()


def candidates_within(text, seed, number=24):
    """Few random draws, and what is found for a budget."""
    rng = np.random.default_rng(seed)
    drawn, complete = candidates.list_candidates(
        SPACE, large_costs, rng, max_enumerated=10, max_draws=20
    )
    assert not complete
    budget = parse_budget(text)
    listed = candidates.add_within_budgets(
        drawn, SPACE, large_costs, [budget], rng, number
    )
    return candidates.feasible_candidates(listed, budget, complete)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize(
    "text",
    [
        "a:parameters=444k+-7k",
        "a:parameters=2M+-1k",
        "a:macs=1G+-1M",
        "a:parameters=2M+-20k,macs=2G+-.1G",
        "a:parameters<=500k,macs>=600M,int8_peak_activation_bytes<=2Mi",
    ],
)
def test_a_narrow_budget_is_kept_by_many_whatever_the_seed(text, seed):
    found = candidates_within(text, seed)
    assert len(found) >= 24
    assert len({c.subnet for c in found}) == len(found)


@pytest.mark.parametrize("text", ["a:parameters<=125k", "a:parameters>=4.93M"])
def test_at_either_end_all_are_found(text):
    found = [
        {c.subnet for c in candidates_within(text, seed, number=10_000)}
        for seed in range(3)
    ]
    assert found[0] == found[1] == found[2]
    assert len(found[0]) > 3


def test_subnets_of_a_budget_are_of_all_kinds():
    found = candidates_within("a:parameters=2M+-20k", seed=0)
    for decision in SPACE.decisions:
        if decision.requires is None:
            assert len({c.subnet[decision.name] for c in found}) > 1, decision


def test_an_infeasible_budget_names_neighbours_that_are_near():
    # The largest subnet has 4,954,058 parameters, the one before 4,946,427.
    with pytest.raises(
        ValueError,
        match="No subnet of the space keeps the budget.*parameters=4,946,427; "
        ".*above:.*parameters=4,954,058",
    ):
        candidates_within("a:parameters=4954057+-0", seed=0)
    with pytest.raises(ValueError) as error:
        candidates_within("a:parameters=2000001+-0", seed=0)
    message = str(error.value)
    assert "There may be one, and nearer ones than these" in message
    below, above = (
        int(part.split()[0].rstrip(".;,").replace(",", ""))
        for part in message.split("parameters=")[2:4]
    )
    assert 1_999_000 < below < 2_000_001 < above < 2_001_000


@pytest.mark.parametrize("method", [m for m in METHODS if m != "exhaustive"])
def test_every_method_proposes_within_a_narrow_budget(method):
    budget = parse_budget("a:parameters=444k+-7k")
    found = candidates_within(str(budget), seed=0)
    batches = Proposals(
        SPACE,
        large_costs,
        [budget],
        Objectives(),
        feasible_pools(found, False, [budget]),
        population=8,
        max_evaluations=16,
        seed=0,
    ).batches(method)
    evaluated, results = set(), None
    while True:
        try:
            batch = batches.send(results)
        except StopIteration:
            break
        assert all(budget.feasible(c.costs) for c in batch)
        evaluated |= {c.subnet for c in batch}
        results = {
            c.subnet: Trial(c.subnet, c.costs, {"mAP": 0.5}) for c in batch
        }
    assert len(evaluated) == (8 if method == "random" else 16)


@st.composite
def spaces(draw):
    num_blocks = draw(st.integers(2, 3))
    return Cnn10Family(
        2,
        channels=tuple(
            draw(
                st.lists(
                    st.integers(4, 40), min_size=num_blocks, max_size=num_blocks
                )
            )
        ),
        hidden_units=4,
        width_ratios=draw(st.sampled_from([(0.25, 1.0), (0.3, 0.5, 1.0)])),
        depth_pattern=draw(
            st.text("2X", min_size=num_blocks - 1, max_size=num_blocks - 1)
        ),
        elastic_stem=draw(st.booleans()),
        width_granularity=draw(st.sampled_from(["block", "layer"])),
    )


@settings(max_examples=60)
@given(
    family=spaces(),
    names=st.lists(st.sampled_from(COSTS), min_size=1, max_size=2, unique=True),
    quantiles=st.lists(st.floats(0, 1), min_size=2, max_size=2),
    tolerance=st.sampled_from([0, 1, 30, 1000]),
    seed=st.integers(0, 9),
)
def test_all_that_keep_a_budget_come_once_as_in_the_whole_list(
    family, names, quantiles, tolerance, seed
):
    space = family.search_space()
    costs_of = functools.cache(lambda s: family.complexity(s, 40).to_json())
    everything = {
        s: costs_of(s) for s in itertools.islice(space.enumerate(), 3000)
    }
    constraints = []
    for name, quantile in zip(names, quantiles):
        values = sorted(costs[name] for costs in everything.values())
        middle = values[int(quantile * (len(values) - 1))] + 1
        constraints.append(
            Constraint(name, max(0, middle - tolerance), middle + tolerance)
        )
    budget = Budget("any", tuple(constraints), "any")
    rng = np.random.default_rng(seed)
    search = BudgetSearch(space, costs_of, budget, rng)
    found = [subnet for subnet, _ in search]
    assert search.is_complete
    assert len(set(found)) == len(found)
    expected = {s for s, costs in everything.items() if budget.feasible(costs)}
    assert set(found) == expected
    if expected:
        return
    near = dict(nearest_subnets(space, costs_of, budget, rng))
    for constraint in constraints:
        for sign in (-1, 1):
            assert min(
                (
                    abs(constraint.excess(costs))
                    for costs in near.values()
                    if sign * constraint.excess(costs) > 0
                ),
                default=None,
            ) == min(
                (
                    abs(constraint.excess(costs))
                    for costs in everything.values()
                    if sign * constraint.excess(costs) > 0
                ),
                default=None,
            )
