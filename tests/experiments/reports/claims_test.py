"""Verdicts on constructed cases."""

import pytest

from ofa_aec_tf.experiments.reports import claims
from tests.experiments.reports.paper_data import measurement

_PARAMETERS = {"0.9M": 900_000, "3.6M": 3_600_000}


def measured(experiment, series, budget, means):
    """One measurement a seed, the seeds from 0 on."""
    return [
        measurement(
            experiment,
            series,
            budget,
            seed,
            mean,
            costs={"parameters": _PARAMETERS[budget]},
        )
        for seed, mean in enumerate(means)
    ]


def table1(ofa, kd, scratch):
    return [
        *measured("table1", "OFA", "0.9M", ofa),
        *measured("table1", "KD", "0.9M", kd),
        *measured("table1", "scratch", "0.9M", scratch),
        # Of no consequence: it is not the smallest budget.
        *measured("table1", "OFA", "3.6M", [0.1, 0.1, 0.1]),
        *measured("table1", "KD", "3.6M", [0.9, 0.9, 0.9]),
        # Has the most parameters, and no budget.
        measurement(
            "table1", "teacher", mean=0.8, costs={"parameters": 10_000}
        ),
    ]


@pytest.mark.parametrize(
    ("ofa", "kd", "scratch", "verdicts"),
    [
        (
            [0.5, 0.6, 0.7],
            [0.4, 0.5, 0.6],
            [0.1, 0.2, 0.3],
            ["holds", "holds", "holds"],
        ),
        (
            [0.5, 0.6, 0.7],
            [0.51, 0.62, 0.71],
            [0.1, 0.2, 0.3],
            ["does not hold", "does not hold", "holds"],
        ),
        (
            [0.5, 0.6, 0.7],
            [0.4, 0.61, 0.6],
            [0.1, 0.2, 0.3],
            ["undecided", "undecided: the interval contains 0", "holds"],
        ),
        (
            [0.5, 0.6, 0.7],
            [0.5, 0.6, 0.7],
            [0.1, 0.2, 0.3],
            ["undecided", "undecided: the interval contains 0", "holds"],
        ),
        (
            [0.5, 0.6],
            [0.4, 0.5, 0.6],
            [0.1, 0.2, 0.3],
            ["undecided", "undecided: 2 seeds, fewer than 3", "holds"],
        ),
        (
            [0.5],
            [0.4],
            [0.6],
            [
                "undecided",
                "undecided: one seed, fewer than 3",
                "undecided: one seed, fewer than 3",
            ],
        ),
        (
            [0.5, 0.6, 0.7],
            [0.4, 0.5, 0.6],
            [],
            [
                "undecided",
                "holds",
                "undecided: not measured in a common seed",
            ],
        ),
    ],
    ids=["holds", "fails", "mixed", "equal", "two", "one", "missing"],
)
def test_verdicts_at_the_smallest_budget(ofa, kd, scratch, verdicts):
    (claim,) = claims.claims(table1(ofa, kd, scratch))
    assert claim.statement.endswith("smallest budget measured, 0.9M")
    assert [claim.verdict, *(c.reason for c in claim.comparisons)] == verdicts


def test_one_failed_comparison_outweighs_an_undecided_one():
    (claim,) = claims.claims(table1([0.5], [0.1, 0.2, 0.3], [0.4, 0.4, 0.4]))
    assert claim.verdict == "does not hold"


def test_a_claim_carries_its_numbers():
    (claim,) = claims.claims(
        table1([0.5, 0.6, 0.7], [0.4, 0.4, 0.4], [0.1, 0.2, 0.3])
    )
    difference = claim.comparisons[0].difference
    text = difference.statistics.text(signed=True)
    assert text == "+20.00 ± 10.00 [+10.00, +30.00]"
    assert difference.positive_text() == "3 of 3"


def subnets(space, budget, seed, center, spread):
    """Two subnets, whose mean and standard deviation are as given."""
    return [
        measurement(
            "figure4",
            space,
            budget,
            seed,
            center + sign * spread / 2**0.5,
            subnet={"width": sign},
            costs={"parameters": _PARAMETERS[budget]},
            split="validation",
        )
        for sign in (-1, 1)
    ]


def test_spaces_are_compared_in_mean_and_spread_over_the_budgets():
    made = []
    for seed in range(3):
        made += subnets("[2,2,X]", "0.9M", seed, 0.50, 0.01)
        made += subnets("[X,X,X]", "0.9M", seed, 0.40, 0.04 + 0.01 * seed)
        made += subnets("[2,2,X]", "3.6M", seed, 0.60, 0.02)
        made += subnets("[X,X,X]", "3.6M", seed, 0.64, 0.05)
    # Lacks a budget, and would turn the verdict.
    made += subnets("[2,2,X]", "0.9M", 3, 0.3, 0.3)
    made += subnets("[X,X,X]", "0.9M", 3, 0.9, 0.1)
    (claim,) = claims.claims(made)
    mean, spread = (c.difference.statistics for c in claim.comparisons)
    assert claim.verdict == "holds"
    # (0.10 - 0.04) / 2, and (0.03 + 0.01 * seed + 0.03) / 2.
    assert (mean.num_seeds, mean.mean) == (3, pytest.approx(0.03))
    assert spread.mean == pytest.approx(0.035)
    assert spread.interval == pytest.approx((0.03, 0.04))


def test_a_better_mean_with_a_larger_spread_is_not_enough():
    made = []
    for seed in range(3):
        made += subnets("[2,2,X]", "0.9M", seed, 0.5, 0.05)
        made += subnets("[X,X,X]", "0.9M", seed, 0.4, 0.01)
    (claim,) = claims.claims(made)
    assert [c.verdict for c in claim.comparisons] == ["holds", "does not hold"]
    assert claim.verdict == "does not hold"


def test_single_subnets_have_no_spread():
    made = [
        m
        for seed in range(3)
        for space in ("[2,2,X]", "[X,X,X]")
        for m in subnets(space, "0.9M", seed, 0.5, 0.01)[:1]
    ]
    (claim,) = claims.claims(made)
    assert claim.comparisons[1].difference is None
    assert claim.verdict == "undecided"


@pytest.mark.parametrize(
    ("large", "verdict"),
    [
        ([0.59, 0.70, 0.80], "holds"),
        ([0.58, 0.69, 0.78], "undecided"),
        ([0.56, 0.66, 0.76], "does not hold"),
    ],
)
def test_gains_of_large_and_small_subnets(large, verdict):
    made = [
        *measured("table2", "OFA", "0.9M", [0.3, 0.4, 0.5]),
        # Gains of 0.08, 0.09 and 0.08.
        *measured("table2", "OFA +long", "0.9M", [0.38, 0.49, 0.58]),
        *measured("table2", "OFA", "3.6M", [0.5, 0.6, 0.7]),
        *measured("table2", "OFA +long", "3.6M", large),
    ]
    (claim,) = claims.claims(made)
    assert claim.statement.endswith("3.6M more than 0.9M")
    assert claim.verdict == verdict


def test_one_budget_has_no_larger_one():
    made = [
        *measured("table2", "OFA", "0.9M", [0.3, 0.4, 0.5]),
        *measured("table2", "OFA +long", "0.9M", [0.4, 0.5, 0.6]),
    ]
    assert claims.claims(made) == []


def test_nothing_measured_is_no_claim():
    assert claims.claims([]) == []
