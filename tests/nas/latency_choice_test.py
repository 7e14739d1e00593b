import pytest

from ofa_aec_tf.nas import latency_model
from ofa_aec_tf.nas.budgets import parse_budgets
from ofa_aec_tf.nas.candidates import Candidate
from ofa_aec_tf.search_space.space import Decision
from ofa_aec_tf.search_space.space import SearchSpace

_SPACE = SearchSpace((Decision("width", tuple(range(1, 21))),))


def _candidates(widths):
    """One million MACs for each width, and fewer parameters for more."""
    return [
        Candidate(
            _SPACE.subnet({"width": width}),
            {"macs": width * 10**6, "parameters": 100 - width},
        )
        for width in widths
    ]


def _spread(widths, number):
    chosen = latency_model.spread(_candidates(widths), number)
    return [c.subnet["width"] for c in chosen]


def _measured(budgets, max_measured=20):
    subnets = latency_model.subnets_to_measure(
        _candidates(_SPACE.decisions[0].choices),
        True,
        parse_budgets(budgets, has_latency=True),
        max_measured,
    )
    return [subnet["width"] for subnet in subnets]


def test_some_are_spread_from_the_fewest_macs_to_the_most():
    # Ranks 0, 3, 6 and 9 of ten.
    widths = [20, 1, 2, 9, 3, 4, 5, 6, 7, 8]
    assert _spread(widths, 4) == [1, 4, 7, 20]
    assert _spread(widths, 2) == [1, 20]
    # Rank 4.5 of ten to the even one.
    assert _spread(widths, 3) == [1, 5, 20]
    assert _spread(widths, 1) == [1]


def test_no_more_than_there_are_and_none_of_none():
    assert _spread([3, 1, 2], 3) == _spread([3, 1, 2], 9) == [1, 2, 3]
    assert _spread([3, 1, 2], 0) == _spread([], 3) == []


@pytest.mark.parametrize(
    ("budgets", "expected"),
    [
        (["a:macs<=4M,latency_ms<=1"], [1, 2, 3, 4]),
        (["a:macs<=2M,latency_ms<=1", "b:macs>=19M"], [1, 2, 19, 20]),
        (["a:macs<=2M", "b:parameters<=98"], list(range(1, 21))),
        (["a:latency_ms<=0"], list(range(1, 21))),
        ([], list(range(1, 21))),
    ],
    ids=["one", "two", "overlapping", "latency", "none"],
)
def test_what_keeps_all_but_the_latency_is_measured(budgets, expected):
    assert _measured(budgets) == expected


def test_of_many_some_are_measured():
    assert _measured(["a:latency_ms<=1,macs>=10M"], 3) == [10, 15, 20]
    assert _measured([], 3) == [1, 11, 20]


def test_others_help_to_predict_where_few_keep_a_budget():
    assert _measured(["a:macs<=2M"]) == [1, 2, 3]
    assert _measured(["a:macs=9M+-0"]) == [9, 1, 20]


def test_a_budget_that_no_latency_would_help_is_refused():
    budget = "a:parameters<=7,latency_ms<=9"
    with pytest.raises(ValueError, match="nearest above: .*parameters=80"):
        _measured([budget])
