"""Costs of subnets; files of known sizes stand in for conversions."""

import numpy as np
import pytest

from ofa_aec_tf.nas import candidates
from ofa_aec_tf.nas import subnet_costs
from ofa_aec_tf.nas.budgets import parse_budgets
from ofa_aec_tf.nas.subnet_costs import LatencySettings
from ofa_aec_tf.nas.subnet_costs import SubnetCosts
from tests import synthetic_data
from tests.nas.tabulated import FAMILY
from tests.nas.tabulated import SPACE

_ERROR = 5


class _FileSizes:
    """Predicts a byte for each parameter; real files have three more."""

    def __init__(self, networks):
        self.error_bytes = {"float32_file_bytes": 0, "int8_file_bytes": _ERROR}
        self.real = {}

    def costs(self, subnet, layers=None):
        return self.real.get(subnet) or self._of(subnet, 0)

    def _of(self, subnet, more):
        parameters = FAMILY.complexity(subnet, 64).parameters
        return {
            "float32_file_bytes": 4 * parameters,
            "int8_file_bytes": parameters + more,
        }

    def convert(self, subnet, network=None):
        self.real[subnet] = self._of(subnet, 3)

    def is_real(self, subnet):
        return subnet in self.real

    def to_json(self):
        return {}


@pytest.fixture
def costs_of(tmp_path, monkeypatch):
    monkeypatch.setattr(subnet_costs, "FileSizes", _FileSizes)
    dataset, _ = synthetic_data.write_dataset(tmp_path)
    return SubnetCosts(FAMILY, dataset, {"int8_file_bytes"}, LatencySettings())


def _sizes(listed):
    return {c.subnet: c.costs["int8_file_bytes"] for c in listed}


@pytest.mark.parametrize("distance", [0, _ERROR, _ERROR + 1])
def test_only_sizes_near_a_bound_are_found_out(costs_of, distance):
    listed, _ = candidates.list_candidates(
        SPACE, costs_of, np.random.default_rng(0)
    )
    before = _sizes(listed)
    middle = sorted(before.values())[len(before) // 2]
    (budget,) = parse_budgets([f"app:int8_file_bytes<={middle + distance}"])
    after = _sizes(costs_of.convert_borderline(listed, [budget]))
    near = {
        subnet
        for subnet, size in before.items()
        if abs(size - middle - distance) <= _ERROR
    }
    assert bool(near) == (distance <= _ERROR)
    assert after == {
        subnet: size + 3 * (subnet in near) for subnet, size in before.items()
    }


def test_other_budgets_convert_nothing(costs_of):
    listed, _ = candidates.list_candidates(
        SPACE, costs_of, np.random.default_rng(0)
    )
    budgets = parse_budgets(["a:parameters<=2k", "b:int8_file_bytes<=1M"])
    assert costs_of.convert_borderline(listed, budgets) == listed


def test_a_report_says_which_chosen_sizes_are_real(costs_of):
    small, large = SPACE.smallest(), SPACE.largest()
    costs_of.set_final_size(small, network=None)
    results = {
        "budgets": [
            {"chosen": {"subnet": dict(small)}},
            {"chosen": {"subnet": dict(large)}},
            {"chosen": None},
        ]
    }
    costs_of.add_sources(results)
    first, second, _ = results["budgets"]
    assert first["chosen"]["file_sizes_are_real"]
    assert not second["chosen"]["file_sizes_are_real"]
    assert "latency" not in results and "file_sizes" in results


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (
            {"latency_table": "a", "measure_latency": "int8"},
            "Give one of the two",
        ),
        ({"latency_threads": 2}, "is for --latency_table or"),
        ({"max_measured_latencies": 2}, "must be at least 3"),
    ],
)
def test_settings_of_latencies_that_cannot_be_are_refused(values, message):
    with pytest.raises(ValueError, match=message):
        LatencySettings(**values)


def test_latencies_are_a_cost_where_they_are_known():
    assert "latency_ms" not in LatencySettings().known_costs
    known = LatencySettings(measure_latency="int8").known_costs
    assert "latency_ms" in known
