"""Measurements, and their table."""

import csv
import io
import json
import random

import pytest

from ofa_aec_tf.experiments.reports import measurements as measurements_lib
from ofa_aec_tf.experiments.reports.measurements import Measurement


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


def test_a_table_has_a_line_for_each_measurement(tmp_path):
    path = tmp_path / "new" / "measurements.csv"
    measurements_lib.write_measurements(path, several())
    rows = list(csv.DictReader(io.StringIO(path.read_text("utf-8"))))
    assert len(rows) == len(several())
    assert [row["seed"] for row in rows[1:5]] == ["0", "0", "1", "10"]
    assert [
        row["series"] for row in rows if row["experiment"] == "methods"
    ] == ['a "b", [2,2,X]; ü']
    assert rows[0]["subnet"] == ""
    assert json.loads(rows[1]["subnet"]) == {
        "block2_width": 0.4,
        "block4_depth": 1,
    }
    # To the last digit.
    assert float(rows[3]["metrics.mAP"]) == 0.1 + 0.2


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


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"experiment": "table3"}, "`experiment` must be one of"),
        ({"split": "train"}, "`split` must be one of"),
        ({"series": ""}, "names on one line"),
        ({"budget": "0.9M\n"}, "names on one line"),
        ({"costs": {}}, "`parameters` must be a number from 0"),
        ({"costs": {"parameters": -1}}, "`parameters` must be"),
        ({"metrics": {"mAP": None}}, "`mAP` must be a number from 0 to 1"),
        ({"metrics": {"mAP": float("nan")}}, "`mAP` must be"),
        ({"metrics": {"mAP": 26.6}}, "`mAP` must be"),
    ],
)
def test_what_cannot_be_measured_is_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        measurement(**changes)


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
