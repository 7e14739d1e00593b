import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ofa_aec_tf.deployment.latency import latency_table
from ofa_aec_tf.nas import latency_model
from ofa_aec_tf.nas.budgets import parse_budgets
from ofa_aec_tf.nas.candidates import Candidate
from ofa_aec_tf.nas.latency_model import LatencyModel
from ofa_aec_tf.search_space.space import Decision
from ofa_aec_tf.search_space.space import SearchSpace

_SPACE = SearchSpace((Decision("width", tuple(range(1, 21))),))
_FAMILY = {"name": "net", "channels": (4, 8)}


def _subnets(widths):
    return [_SPACE.subnet({"width": width}) for width in widths]


def _model(macs, latencies_ms):
    subnets = _subnets(range(1, len(macs) + 1))
    return LatencyModel(subnets, macs, latencies_ms, {"device": "phone"})


def _row(width, latency_ms, mode="int8", threads=1, num_frames=100, **changes):
    return {
        "file": f"{width}.tflite",
        "threads": threads,
        "latency_ms": {"median": latency_ms, "p95": None, "mean": None},
        "macs": width * 10**6,
        # As it comes out of JSON, where there are no tuples.
        "network": {
            "family": {"name": "net", "channels": [4, 8]},
            "subnet": {"width": width},
            "num_frames": num_frames,
            "mode": mode,
            **changes,
        },
    }


def _from_rows(rows, **options):
    table = {"device": "phone", "rows": rows}
    return LatencyModel.from_table(table, _SPACE, _FAMILY, 100, **options)


_ROWS = [_row(1, 3.0), _row(2, 4.0), _row(4, 6.0)]

_positive = st.floats(0.01, 1e4)


@given(
    constant_ms=st.floats(0, 100),
    ms_per_gmac=st.floats(0.01, 1000),
    macs=st.lists(st.integers(10**6, 10**10), min_size=3, unique=True),
)
def test_a_device_that_is_linear_in_macs_is_predicted_exactly(
    constant_ms, ms_per_gmac, macs
):
    macs = np.array(macs[:10])
    model = _model(macs, constant_ms + ms_per_gmac * macs / 1e9)
    (unknown,) = _subnets([20])
    assert model.latency_ms(unknown, 5 * 10**9) == pytest.approx(
        constant_ms + 5 * ms_per_gmac, rel=1e-3, abs=1e-3
    )
    assert model.max_relative_residual < 1e-6


@given(
    macs=st.lists(st.integers(1, 10**11), min_size=3, max_size=10, unique=True),
    latencies_ms=st.lists(_positive, min_size=10, max_size=10),
    queries=st.lists(st.integers(0, 10**11), min_size=2, max_size=2),
)
def test_predictions_never_fall_with_macs_and_are_never_negative(
    macs, latencies_ms, queries
):
    model = _model(macs, latencies_ms[: len(macs)])
    (unknown,) = _subnets([20])
    fewer, more = (model.latency_ms(unknown, q) for q in sorted(queries))
    assert 0 <= fewer <= more


@given(st.lists(_positive, min_size=3, max_size=10))
def test_a_measured_subnet_has_what_was_measured(latencies_ms):
    macs = [10**6 * (i + 1) for i in range(len(latencies_ms))]
    model = _model(macs, latencies_ms)
    for subnet, expected in zip(_subnets(range(1, 11)), latencies_ms):
        assert model.is_measured(subnet)
        assert model.latency_ms(subnet, 1) == pytest.approx(expected, abs=5e-4)


def test_the_error_is_that_of_a_subnet_that_was_left_out():
    model = _model([10**9, 2 * 10**9, 3 * 10**9], [10.0, 20.0, 30.0])
    assert model.max_relative_error == pytest.approx(0, abs=1e-9)
    # 10 and 20 tell of 30 ms where 40 were measured, and 10 and 40 of 25
    # where 20 were.
    model = _model([10**9, 2 * 10**9, 3 * 10**9], [10.0, 20.0, 40.0])
    report = model.to_json()
    assert report["max_relative_error"] == pytest.approx(
        max(abs(30 / 40 - 1), abs(25 / 20 - 1), _nonnegative_error())
    )
    assert report["max_relative_residual"] < report["max_relative_error"]


def _nonnegative_error():
    # A line through (2, 20) and (3, 40) is below zero at no MACs, so that the
    # best constant is zero: b minimizes (2b/20 - 1)^2 + (3b/40 - 1)^2.
    slope = (2 / 20 + 3 / 40) / ((2 / 20) ** 2 + (3 / 40) ** 2)
    return abs(slope / 10 - 1)


def test_a_table_gives_its_only_mode_and_threads():
    model = _from_rows(_ROWS)
    (unknown,) = _subnets([8])
    # 2 ms, and 1 ms for each million.
    assert model.latency_ms(unknown, 8 * 10**6) == 10.0
    report = model.to_json()
    assert (report["device"], report["mode"], report["threads"]) == (
        "phone",
        "int8",
        1,
    )
    assert report["constant_ms"] == pytest.approx(2)
    assert report["ms_per_gmac"] == pytest.approx(1000)
    assert report["measured_subnets"] == [{"width": w} for w in (1, 2, 4)]


def test_a_front_end_in_the_files_is_a_constant():
    # 9 million more MACs in each file than in the network.
    rows = [
        {
            **_row(width, 2.0 + width, macs=width * 10**6),
            "macs": (width + 9) * 10**6,
        }
        for width in (1, 2, 4)
    ]
    model = _from_rows(rows)
    (unmeasured,) = _subnets([3])
    assert model.latency_ms(unmeasured, 3 * 10**6) == pytest.approx(5.0)


def test_a_subnet_that_was_measured_twice_has_the_mean():
    model = _from_rows([*_ROWS, _row(2, 5.0)])
    assert model.latency_ms(*_subnets([2]), 0) == 4.5


def test_the_mean_stands_in_for_a_median_that_is_missing():
    row = _row(8, None)
    row["latency_ms"]["mean"] = 77.0
    assert latency_table.typical_ms(row) == 77.0
    assert _from_rows([*_ROWS, row]).latency_ms(*_subnets([8]), 0) == 77.0


@pytest.mark.parametrize(
    ("other", "flag", "option", "first", "second"),
    [
        ({"mode": "float32"}, "--latency_mode", "mode", "int8", "float32"),
        ({"threads": 2}, "--latency_threads", "num_threads", 1, 2),
    ],
    ids=["mode", "threads"],
)
def test_several_modes_or_threads_need_a_choice(
    other, flag, option, first, second
):
    rows = [*_ROWS, *(_row(w, 50.0 + w, **other) for w in (1, 2, 4))]
    with pytest.raises(ValueError, match=flag):
        _from_rows(rows)
    subnet = _subnets([1])[0]
    latencies = {
        choice: _from_rows(rows, **{option: choice}).latency_ms(subnet, 0)
        for choice in (first, second)
    }
    assert latencies == {first: 3.0, second: 51.0}


@pytest.mark.parametrize(
    "rows",
    [
        _ROWS[:2],
        [*_ROWS[:2], _row(2, 5.0)],
        [*_ROWS[:2], _row(4, 6.0, num_frames=99)],
        [*_ROWS[:2], _row(4, 6.0, family={"name": "net", "channels": [4, 9]})],
        [*_ROWS[:2], {**_row(4, 6.0), "network": None}],
    ],
    ids=["two", "twice", "length", "family", "unknown"],
)
def test_fewer_than_three_subnets_of_the_supernet_are_not_enough(rows):
    with pytest.raises(ValueError, match="at least 3 subnets.*Received: 2"):
        _from_rows(rows)


def test_a_table_without_the_wanted_mode_is_not_enough():
    with pytest.raises(ValueError, match="Received: 0 in .*float16"):
        _from_rows(_ROWS, mode="float16")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "no latency table"),
        ("[]", "not a latency table"),
        ('{"rows": []}', "not a latency table"),
        (
            '{"device": "x", "rows": [{"file": "a"}]}',
            "Row 0 .*threads` is miss",
        ),
        ("nonsense", "not a JSON file"),
    ],
    ids=["missing", "list", "device", "row", "text"],
)
def test_other_files_are_no_tables(tmp_path, content, message):
    path = tmp_path / "table.json"
    if content is not None:
        path.write_text(content)
    with pytest.raises(ValueError, match=message):
        latency_table.read(path)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("threads", "1"),
        ("latency_ms", 3),
        ("latency_ms", {"mean": "1", "median": None}),
        ("latency_ms", {"median": "1"}),
        ("macs", "many"),
        ("network", []),
        ("network", {"family": 3}),
    ],
)
def test_rows_of_other_kinds_are_refused_by_name(tmp_path, key, value):
    path = tmp_path / "table.json"
    latency_table.write(path, "phone", [*_ROWS, {**_ROWS[0], key: value}])
    with pytest.raises(ValueError, match=f"Row {len(_ROWS)} of {path} .*{key}"):
        latency_table.read(path)


def test_a_row_is_an_object(tmp_path):
    path = tmp_path / "table.json"
    path.write_text('{"device": "x", "rows": [3]}')
    with pytest.raises(ValueError, match=f"Row 0 of {path} .*no object"):
        latency_table.read(path)


def test_a_table_is_read_as_it_was_written(tmp_path):
    path = tmp_path / "table.json"
    latency_table.write(path, "phone", _ROWS, measured_with="a clock")
    assert latency_table.read(path) == {
        "device": "phone",
        "measured_with": "a clock",
        "rows": _ROWS,
    }


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
