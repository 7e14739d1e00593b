"""The methods of search: what they ask for, and that they ask it again."""

import functools

import numpy as np
import pytest

from ofa_aec_tf.families.cnn10.family import Cnn10Family
from ofa_aec_tf.nas import candidates
from ofa_aec_tf.nas import pareto
from ofa_aec_tf.nas import search_methods
from ofa_aec_tf.nas.budgets import parse_budgets
from ofa_aec_tf.nas.objectives import Objectives
from ofa_aec_tf.nas.study import Trial
from tests.nas import tabulated
from tests.nas.tabulated import CANDIDATES

_FRONT = Objectives()


def _pools(*budgets, listed=CANDIDATES, complete=True):
    return search_methods.feasible_pools(
        listed, complete, parse_budgets(budgets)
    )


def _proposals(pools, population, seed=0):
    return search_methods.Proposals(
        tabulated.SPACE,
        tabulated.costs_of,
        (),
        _FRONT,
        pools,
        population,
        1000,
        seed,
    )


def _drive(batches, quality, failing=()):
    """All subnets that a method asks for, batch by batch."""
    asked, results = [], None
    while True:
        try:
            batch = batches.send(results)
        except StopIteration:
            return asked
        asked.append([c.subnet for c in batch])
        results = {
            c.subnet: Trial(c.subnet, c.costs, None, "broken")
            if c.subnet in failing
            else Trial(c.subnet, c.costs, {"mAP": quality(c.subnet)})
            for c in batch
        }


def test_without_budgets_everything_is_asked_for():
    (batch,) = _drive(search_methods.exhaustive(_pools()), tabulated.quality)
    assert batch == [c.subnet for c in CANDIDATES]
    assert len(batch) == 3 * 3 * 2


def test_exhaustive_search_asks_for_the_union_of_the_budgets_once():
    pools = _pools("small:parameters<=1.7k", "also:parameters<=1.3k")
    (batch,) = _drive(search_methods.exhaustive(pools), tabulated.quality)
    assert len(set(batch)) == len(batch)
    assert set(batch) == {
        c.subnet for c in CANDIDATES if c.costs["parameters"] <= 1700
    }
    assert 0 < len(batch) < len(CANDIDATES)


def test_random_search_draws_a_population_for_each_budget():
    pools = _pools("low:parameters<=1.7k", "high:parameters>=1.8k")

    def ask(seed):
        (batch,) = _drive(
            _proposals(pools, 3, seed=seed).random(),
            tabulated.quality,
        )
        return batch

    low = [s for s in ask(0) if tabulated.costs_of(s)["parameters"] <= 1700]
    assert (len(low), len(ask(0))) == (3, 6)
    assert ask(0) == ask(0) != ask(1)


def test_an_infeasible_budget_is_refused_before_anything_is_asked_for():
    with pytest.raises(ValueError, match="nearest above: .*parameters="):
        _pools("fine:parameters<=1M", "tiny:parameters<=10")


@pytest.mark.parametrize(
    ("num_feasible", "complete", "method"),
    [
        (512, True, "exhaustive"),
        (513, True, "nsga2"),
        (512, False, "nsga2"),
    ],
)
def test_by_default_small_spaces_are_evaluated_whole(
    num_feasible, complete, method
):
    pool = [candidates.Candidate(subnet, {}) for subnet in _WIDE_SUBNETS][
        :num_feasible
    ]
    # Two budgets may allow the same.
    resolved = search_methods.resolve_method(
        "auto", [pool, pool], complete, 512
    )
    assert resolved == method


def test_an_exhaustive_search_of_a_part_of_a_space_is_refused():
    with pytest.raises(ValueError, match="too large for an exhaustive"):
        search_methods.resolve_method("exhaustive", [CANDIDATES], False, 9)
    with pytest.raises(ValueError, match="Received: method='genetic'"):
        search_methods.resolve_method("genetic", [CANDIDATES], True, 9)


_WIDE = Cnn10Family(10, (16, 32, 64, 128), 128, width_granularity="layer")
_WIDE_SUBNETS = list(_WIDE.search_space().enumerate())


@functools.cache
def _wide_costs(subnet):
    return _WIDE.complexity(subnet, num_frames=501).to_json()


@functools.cache
def _wide_quality(subnet):
    """Smooth in the logarithm of the parameters, and rough beside."""
    parameters = _wide_costs(subnet)["parameters"]
    indices = _WIDE.search_space().to_indices(subnet)
    roughness = np.sin(indices @ np.arange(1, len(indices) + 1) * 1.7)
    shape = 0.02 * abs(indices[0] - indices[1]) + 0.01 * indices[-1]
    return 0.1 * np.log(parameters) - shape + 0.01 * roughness


def _wide_search(max_evaluations=256, population=24, seed=0, budgets=()):
    listed = [candidates.Candidate(s, _wide_costs(s)) for s in _WIDE_SUBNETS]
    return search_methods.Proposals(
        _WIDE.search_space(),
        _wide_costs,
        parse_budgets(budgets),
        _FRONT,
        _pools(*budgets, listed=listed),
        population,
        max_evaluations,
        seed,
    )


@pytest.mark.parametrize("method", ["nsga2", "tpe"])
def test_a_sampler_asks_the_same_again_and_nothing_twice(method):
    first, again = (
        _drive(getattr(_wide_search(60), method)(), _wide_quality)
        for _ in range(2)
    )
    assert first == again
    flat = [subnet for batch in first for subnet in batch]
    assert len(set(flat)) == len(flat) == 60
    other = _drive(getattr(_wide_search(60, seed=1), method)(), _wide_quality)
    assert other != first


@pytest.mark.parametrize("method", ["nsga2", "tpe"])
def test_a_sampler_asks_only_for_what_keeps_a_budget(method):
    budgets = ["a:parameters=100k+-4k", "b:macs<=135M"]
    search = _wide_search(64, budgets=budgets)
    asked = _drive(getattr(search, method)(), _wide_quality)
    parsed = parse_budgets(budgets)
    flat = [subnet for batch in asked for subnet in batch]
    assert len(flat) == 64
    for budget in parsed:
        assert any(budget.feasible(_wide_costs(s)) for s in flat)
    for subnet in flat:
        assert any(b.feasible(_wide_costs(subnet)) for b in parsed)


@pytest.mark.parametrize("method", ["nsga2", "tpe"])
def test_a_sampler_survives_failures_and_an_exhausted_space(method):
    search = _proposals([CANDIDATES], 4)
    failing = {c.subnet for c in CANDIDATES[::3]}
    asked = _drive(getattr(search, method)(), tabulated.quality, failing)
    flat = [subnet for batch in asked for subnet in batch]
    # Whatever it prefers, in the end it has asked for everything.
    assert len(flat) == len(CANDIDATES)
    assert set(flat) == {c.subnet for c in CANDIDATES}


def _predicted(max_evaluations, seed=0, failing=()):
    listed = [candidates.Candidate(s, _wide_costs(s)) for s in _WIDE_SUBNETS]
    return _drive(
        search_methods.Proposals(
            _WIDE.search_space(),
            _wide_costs,
            (),
            _FRONT,
            _pools("x:parameters<=100k", "y:macs>=300M", listed=listed),
            20,
            max_evaluations,
            seed,
        ).batches("predictor"),
        _wide_quality,
        failing,
    )


def test_a_predictor_finds_better_subnets_than_chance():
    batches = _predicted(120)
    assert batches == _predicted(120)
    assert [len(batch) for batch in batches] == [40, 40, 40]
    flat = [subnet for batch in batches for subnet in batch]
    assert len(set(flat)) == 120
    parsed = parse_budgets(["x:parameters<=100k", "y:macs>=300M"])
    assert all(any(b.feasible(_wide_costs(s)) for b in parsed) for s in flat)

    def best(subnets):
        return max(
            _wide_quality(s)
            for s in subnets
            if _wide_costs(s)["parameters"] <= 100_000
        )

    feasible = sorted(
        (
            _wide_quality(s)
            for s in _WIDE_SUBNETS
            if _wide_costs(s)["parameters"] <= 100_000
        ),
        reverse=True,
    )
    # Among the best hundredth, of which 60 random ones miss half.
    assert best(flat) >= feasible[len(feasible) // 100]
    assert best(flat) > best(batches[0])


def test_a_predictor_that_knows_too_little_goes_on_at_random():
    first, *_ = _predicted(40)
    batches = _predicted(120, failing=set(first))
    assert batches[0] == first
    assert len({s for batch in batches for s in batch}) == 120


def test_a_predictor_ends_with_the_space():
    batches = _drive(
        _proposals([CANDIDATES], 5).predictor(),
        tabulated.quality,
    )
    flat = [subnet for batch in batches for subnet in batch]
    assert sorted(map(str, flat)) == sorted(str(c.subnet) for c in CANDIDATES)


def _hypervolume(subnets):
    reference = pareto.Point(0.0, (1.0, 1.0))
    largest = _wide_costs(_WIDE.search_space().largest())
    return pareto.hypervolume(
        [
            pareto.Point(
                _wide_quality(subnet),
                tuple(
                    _wide_costs(subnet)[name] / largest[name] / 1.01
                    for name in _FRONT.costs
                ),
            )
            for subnet in subnets
        ],
        reference,
    )


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
def test_nsga2_finds_the_front_of_5120_subnets_in_a_tenth(seed):
    assert len(_WIDE_SUBNETS) == 5120
    asked = _drive(_wide_search(512, seed=seed).nsga2(), _wide_quality)
    flat = [subnet for batch in asked for subnet in batch]
    assert len(flat) == 512
    assert _hypervolume(flat) >= 0.99 * _hypervolume(_WIDE_SUBNETS)
