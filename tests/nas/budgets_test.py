import pytest
from hypothesis import given
from hypothesis import strategies as st

from ofa_aec_tf.nas import budgets
from ofa_aec_tf.nas.budgets import Budget
from ofa_aec_tf.nas.budgets import Constraint
from ofa_aec_tf.search_space.complexity import COST_NAMES

_FACTORS = {"": 1, "k": 10**3, "M": 10**6, "G": 10**9}


def test_a_budget_may_have_several_constraints():
    assert budgets.parse_budget("phone:parameters<=1M,macs<=2.5G") == Budget(
        "phone",
        (
            Constraint("parameters", 0, 1_000_000),
            Constraint("macs", 0, 2_500_000_000),
        ),
        "parameters<=1M,macs<=2.5G",
    )


@pytest.mark.parametrize(
    ("text", "minimum", "maximum"),
    [
        ("parameters<=60k", 0, 60_000),
        ("parameters>=60k", 60_000, None),
        # In binary floating point 1.001 * 1e6 is below 1,001,000.
        ("parameters<=1.001M", 0, 1_001_000),
        ("parameters=0.9M+-0.1M", 800_000, 1_000_000),
        ("parameters = 2.7M ± 0.1M", 2_600_000, 2_800_000),
        ("parameters=50+-100", 0, 150),
        ("parameters<=1.5", 0, 1),
        ("parameters<=.5M", 0, 500_000),
        ("parameters <= 2 Ki", 0, 2048),
        ("parameters≥1Mi", 1_048_576, None),
        ("parameters<=3Gi", 0, 3 * 2**30),
        ("parameters<=1.5e6", 0, 1_500_000),
        ("parameters=7k+-0", 7000, 7000),
        ("parameters>=1.5", 2, None),
    ],
)
def test_a_constraint_is_a_range_of_whole_numbers(text, minimum, maximum):
    (constraint,) = budgets.parse_budget(f"x:{text}").constraints
    assert (constraint.minimum, constraint.maximum) == (minimum, maximum)


def test_both_ends_of_a_range_are_feasible():
    budget = budgets.parse_budget("x:parameters=900+-100")
    feasible = [
        value
        for value in (799, 800, 1000, 1001)
        if budget.feasible({"parameters": value})
    ]
    assert feasible == [800, 1000]


def test_all_constraints_must_hold():
    budget = budgets.parse_budget("x:parameters<=10,macs<=20")
    assert budget.feasible({"parameters": 10, "macs": 20})
    assert not budget.feasible({"parameters": 10, "macs": 21})
    assert not budget.feasible({"parameters": 11, "macs": 20})


@given(
    st.sampled_from(COST_NAMES),
    st.integers(0, 999),
    st.integers(0, 999),
    st.sampled_from(sorted(_FACTORS)),
    st.sampled_from(["<=", ">="]),
)
def test_decimal_numbers_with_suffixes_are_exact(
    cost, whole, thousandths, suffix, relation
):
    text = f"{cost}{relation}{whole}.{thousandths:03d}{suffix}"
    (constraint,) = budgets.parse_budget(f"name:{text}").constraints
    thousands = (whole * 1000 + thousandths) * _FACTORS[suffix]
    if relation == "<=":
        assert constraint == Constraint(cost, 0, thousands // 1000)
    else:
        assert constraint == Constraint(cost, -(-thousands // 1000), None)


@given(st.text(max_size=40))
def test_any_other_text_is_refused_in_words_and_nothing_else_is_raised(text):
    try:
        budget = budgets.parse_budget(text)
    except ValueError as error:
        assert "Received" in str(error)
    else:
        assert budgets.parse_budget(str(budget)) == budget


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("parameters<=1M", "Write a budget as"),
        (":parameters<=1M", "Write a budget as"),
        ("a b:parameters<=1M", "Write a budget as"),
        ("x:", "Write a constraint as"),
        ("x:parameters", "Write a constraint as"),
        ("x:parameters=1M", "Write a constraint as"),
        ("x:parameters<=-1", "Write a constraint as"),
        ("x:parameters<=1M,", "Write a constraint as"),
        ("x:parameters<=1m", "may end in .*Received: 1m in"),
        ("x:parameters<=1,000,000", "numbers without commas.*Received: '000'"),
        ("x:parameters<=nan", "Write a constraint as"),
        ("x:parameters<=inf", "Write a constraint as"),
        ("x:parameters<=1e", "may end in .*Received: 1e in"),
        ("x:parameters<=1KiB", "may end in .*'Ki'.*Received: 1KiB in"),
        ("x:parameters<=1e999999999", "Write a constraint as"),
        ("x:parameters=1M+-nan", "Write a constraint as"),
        (
            "x:parameters<=1k,macs<=9,parameters>=2k",
            "`parameters` contradict each other.*least 2,000.*most 1,000",
        ),
        ("x:flops<=1M", "one of the costs .*macs.*Received: 'flops'"),
    ],
)
def test_malformed_budgets_are_refused_with_what_is_expected(text, message):
    with pytest.raises(ValueError, match=message):
        budgets.parse_budget(text)


def test_two_budgets_of_one_name_are_refused():
    with pytest.raises(ValueError, match=r"Received twice: \['a'\]"):
        budgets.parse_budgets(["a:macs<=1", "b:macs<=1", "A:macs<=2"])


def test_a_range_that_is_upside_down_is_refused():
    with pytest.raises(ValueError, match="minimum=2, maximum=1"):
        Constraint("macs", 2, 1)


def test_latencies_are_no_whole_numbers():
    (constraint,) = budgets.parse_budget("x:latency_ms<=2.5").constraints
    assert constraint == Constraint("latency_ms", 0, 2.5)
    (constraint,) = budgets.parse_budget("x:latency_ms=2.5+-0.5").constraints
    assert (constraint.minimum, constraint.maximum) == (2.0, 3.0)
    assert not constraint.feasible({"latency_ms": 3.01})


def test_distance_of_a_latency_is_relative_to_its_bound():
    budget = budgets.parse_budget("x:latency_ms<=0.5")
    assert budget.distance({"latency_ms": 0.75}) == 0.5


def test_a_latency_needs_measurements():
    texts = ["a:macs<=1G", "b:latency_ms<=20"]
    with pytest.raises(
        ValueError, match=r"--latency_table.*Received: \['b:latency_ms<=20'\]"
    ):
        budgets.parse_budgets(texts)
    assert len(budgets.parse_budgets(texts, has_latency=True)) == 2


def test_a_budget_without_a_cost_keeps_the_others():
    budget = budgets.parse_budget("a:latency_ms<=2,macs<=5,latency_ms>=1")
    others = budget.without("latency_ms")
    assert others.feasible({"macs": 5})
    assert not others.feasible({"macs": 6})
    assert str(others) == str(budget)
    assert others.without("macs").feasible({})


def test_a_file_may_have_a_budget_of_bytes():
    budget = budgets.parse_budget("app:int8_file_bytes<=500k")
    assert budget.feasible({"int8_file_bytes": 500_000})
    assert not budget.feasible({"int8_file_bytes": 500_001})


def test_costs_that_budgets_are_about():
    parsed = budgets.parse_budgets(
        ["a:parameters<=1,macs<=2", "b:macs<=3,float32_file_bytes>=4"]
    )
    assert budgets.cost_names(parsed) == {
        "parameters",
        "macs",
        "float32_file_bytes",
    }
    assert budgets.cost_names([]) == set()
