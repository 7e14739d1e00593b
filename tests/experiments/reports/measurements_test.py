"""Measurements as CSV, and back."""

import random

import pytest

from ofa_aec_tf.experiments.reports import measurements as measurements_lib
from ofa_aec_tf.experiments.reports.measurements import Measurement

_HEADER = (
    "experiment,series,budget,seed,split,subnet,costs.parameters,metrics.mAP\n"
)


def measurement(**changes):
    values = {
        "experiment": "table1",
        "series": "OFA",
        "budget": "0.9M",
        "seed": 0,
        "subnet": {"block2_width": 0.4, "block4_depth": 1},
        "costs": {"parameters": 900_000, "macs": 3.5e9},
        "metrics": {"mAP": 0.266, "accuracy": None},
        "split": "test",
    }
    return Measurement(**{**values, **changes})


def several():
    return [
        measurement(series="teacher", budget="", subnet=None),
        measurement(seed=1, metrics={"mAP": 0.1 + 0.2, "d_prime": -1}),
        measurement(),
        measurement(experiment="methods", series='a "b", [2,2,X]; ü'),
        measurement(seed=10),
        measurement(split="validation"),
    ]


def test_measurements_are_read_back_as_they_were_written(tmp_path):
    path = tmp_path / "new" / "measurements.csv"
    measurements_lib.write_measurements(path, several())
    read = measurements_lib.read_measurements(path)
    assert len(read) == 6 and all(m in several() for m in read)
    assert [m.seed for m in read[1:5]] == [0, 0, 1, 10]
    assert isinstance(read[0].costs["parameters"], int)
    assert read[0].subnet is None


def test_the_file_does_not_depend_on_the_order(tmp_path):
    shuffled = several()
    random.Random(3).shuffle(shuffled)
    table = measurements_lib.measurements_table(several())
    assert measurements_lib.measurements_table(shuffled) == table
    assert table.splitlines()[:2] == [
        "experiment,series,budget,seed,split,subnet,costs.macs,"
        "costs.parameters,metrics.d_prime,metrics.mAP",
        "table1,teacher,,0,test,,3500000000.0,900000,,0.266",
    ]


def test_no_measurements_are_a_file_too(tmp_path):
    path = tmp_path / "measurements.csv"
    measurements_lib.write_measurements(path, [])
    assert measurements_lib.read_measurements(path) == []


def test_a_byte_order_mark_does_no_harm(tmp_path):
    path = tmp_path / "measurements.csv"
    path.write_text(_HEADER + "table1,KD,,2,test,,5,0.5\n", "utf-8-sig")
    (read,) = measurements_lib.read_measurements(path)
    assert (read.series, read.seed, read.metrics) == ("KD", 2, {"mAP": 0.5})


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("table3,KD,,0,test,,5,0.5", "line 3, column experiment: expected"),
        ("table1,,,0,test,,5,0.5", "line 3, column series: expected a name"),
        ("table1,KD,,x,test,,5,0.5", "column seed: expected an integer.*'x'"),
        ("table1,KD,,0,train,,5,0.5", "column split: expected one of test"),
        ("table1,KD,,0,test,{,5,0.5", "column subnet: expected a JSON obj"),
        ("table1,KD,,0,test,[1],5,0.5", "column subnet: expected a JSON obj"),
        ("table1,KD,,0,test,,,0.5", "column costs.parameters: expected a num"),
        ("table1,KD,,0,test,,-1,0.5", "costs.parameters: expected .*0, inf"),
        ("table1,KD,,0,test,,5,", "column metrics.mAP: expected a number"),
        ("table1,KD,,0,test,,5,half", "metrics.mAP: expected .*'half'"),
        ("table1,KD,,0,test,,5,nan", "metrics.mAP: expected a finite"),
        ("table1,KD,,0,test,,5,26.6", r"metrics.mAP: expected .*\[0, 1\]"),
        ("table1,KD,,0,test,,5", "line 3: expected 8 columns. Received: 7"),
        ("table1,KD,,1,test,,5,0.4", "line 3: Expected one measurement of"),
    ],
)
def test_errors_name_line_and_column(tmp_path, row, message):
    path = tmp_path / "measurements.csv"
    path.write_text(f"{_HEADER}table1,KD,,1,test,,5,0.5\n{row}\n")
    with pytest.raises(ValueError, match=message) as error:
        measurements_lib.read_measurements(path)
    assert str(error.value).startswith(str(path))


@pytest.mark.parametrize(
    ("header", "message"),
    [
        ("", "line 1: expected a column experiment"),
        (_HEADER.replace("seed,", ""), "line 1: expected a column seed"),
        (_HEADER.replace("split", "split,latency"), "1, column latency: exp"),
        (_HEADER.replace("split", "split,split"), "1, column split: expected"),
    ],
    ids=["empty", "missing", "unknown", "twice"],
)
def test_a_wrong_header_is_an_error(tmp_path, header, message):
    path = tmp_path / "measurements.csv"
    path.write_text(header)
    with pytest.raises(ValueError, match=message):
        measurements_lib.read_measurements(path)


def test_a_missing_file_is_an_error(tmp_path):
    with pytest.raises(ValueError, match="no measurements .*none.csv"):
        measurements_lib.read_measurements(tmp_path / "none.csv")


def test_a_name_must_be_on_one_line():
    with pytest.raises(ValueError, match="budget: expected a name on one"):
        measurement(budget="0.9M\n")


def test_the_same_thing_cannot_be_written_twice():
    twice = [measurement(), measurement(metrics={"mAP": 0.3})]
    with pytest.raises(ValueError, match="series 'OFA', budget '0.9M', seed 0"):
        measurements_lib.measurements_table(twice)


def test_select_keeps_what_is_asked_for():
    found = measurements_lib.select(several(), "table1", "OFA", split="test")
    assert [m.seed for m in found] == [1, 0, 10]
    assert measurements_lib.select(several(), "table1", budget="") == [
        several()[0]
    ]


def test_budgets_are_in_the_order_of_their_parameters():
    measured = [
        measurement(budget="10M", costs={"parameters": 10_000_000}),
        measurement(budget="phone", costs={"parameters": 2_000_000}),
        measurement(budget="1.8M", costs={"parameters": 1_700_000}),
        measurement(budget="1.8M", costs={"parameters": 1_900_000}),
    ]
    names = measurements_lib.budgets(measured)
    assert names == ["1.8M", "phone", "10M"]


def test_values_by_seed_are_one_a_seed():
    measured = [
        measurement(seed=2, metrics={"mAP": 0.2, "mAUC": 0.8}),
        measurement(seed=1, metrics={"mAP": 0.1}),
    ]
    values = measurements_lib.values_by_seed(measured)
    assert list(values.items()) == [(1, 0.1), (2, 0.2)]
    assert measurements_lib.values_by_seed(measured, "mAUC") == {2: 0.8}
    measured.append(measurement(seed=1, subnet=None))
    with pytest.raises(ValueError, match="Received: two"):
        measurements_lib.values_by_seed(measured)
