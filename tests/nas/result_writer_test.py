"""What is written of a search whose file sizes were predicted."""

import csv
import json

import pytest

from ofa_aec_tf.nas.budgets import parse_budgets
from ofa_aec_tf.nas.candidates import Candidate
from ofa_aec_tf.nas.objectives import Objectives
from ofa_aec_tf.nas.result_writer import Question
from ofa_aec_tf.nas.result_writer import ResultWriter
from ofa_aec_tf.nas.study import Trial
from tests.nas import tabulated
from tests.nas.tabulated import CANDIDATES
from tests.nas.tabulated import SPACE

_LIMIT = 2000
_COVERAGE = {"num_clips": 4, "num_classes": 5, "num_scored_classes": 5}


def _predicted(subnet):
    """A byte for each parameter, and no word of the weights."""
    return tabulated.costs_of(subnet)["parameters"]


class _Costs:
    """In the place of SubnetCosts: real files have more bytes.

    Args:
        num_more: function from a subnet to how many.
    """

    def __init__(self, num_more):
        self._num_more = num_more
        self.final = []

    def __call__(self, subnet):
        num_bytes = _predicted(subnet)
        if subnet in self.final:
            num_bytes += self._num_more(subnet)
        return {**tabulated.costs_of(subnet), "int8_file_bytes": num_bytes}

    def has_final_size(self, subnet):
        return subnet in self.final

    def set_final_size(self, subnet, network):
        assert network == f"network of {subnet}"
        self.final.append(subnet)

    def add_sources(self, results):
        pass


def _writer(directory, costs_of, budgets=(f"app:int8_file_bytes<={_LIMIT}",)):
    listed = [Candidate(c.subnet, costs_of(c.subnet)) for c in CANDIDATES]
    return ResultWriter(
        directory,
        "title",
        Question(SPACE, parse_budgets(budgets), Objectives(), listed, True),
        costs_of,
        lambda subnet: f"network of {subnet}",
        split="validation",
        coverage=_COVERAGE,
        method="exhaustive",
        identity=tabulated.IDENTITY,
    )


def _trials():
    return [
        Trial(c.subnet, c.costs, {"mAP": tabulated.quality(c.subnet)})
        for c in CANDIDATES
    ]


def _ranked():
    """Subnets that keep the budget by prediction, the best first."""
    kept = [c.subnet for c in CANDIDATES if _predicted(c.subnet) <= _LIMIT]
    return sorted(kept, key=tabulated.quality, reverse=True)


@pytest.mark.parametrize("num_broken", [0, 1, 3])
def test_a_subnet_whose_file_breaks_the_budget_is_replaced(
    tmp_path, num_broken
):
    ranked = _ranked()
    assert len(ranked) > num_broken + 1
    broken = ranked[:num_broken]
    costs_of = _Costs(lambda subnet: _LIMIT if subnet in broken else 0)
    results = _writer(tmp_path, costs_of).write(_trials(), {})
    (budget,) = results["budgets"]
    chosen = budget["chosen"]
    assert chosen["subnet"] == dict(ranked[num_broken])
    assert chosen["costs"]["int8_file_bytes"] <= _LIMIT
    # None is converted but those that were chosen on the way.
    assert costs_of.final == ranked[: num_broken + 1]
    assert json.loads((tmp_path / "pareto.json").read_text()) == results
    rows = csv.DictReader((tmp_path / "trials.csv").read_text().splitlines())
    kept = [row for row in rows if row["budgets"] == "app"]
    assert len(kept) == len(ranked) - num_broken


def test_a_budget_that_no_file_keeps_chooses_nothing(tmp_path):
    costs_of = _Costs(lambda subnet: _LIMIT)
    results = _writer(tmp_path, costs_of).write(_trials(), {})
    assert results["budgets"][0]["chosen"] is None
    assert costs_of.final == _ranked()


def test_unfinished_results_convert_nothing(tmp_path):
    costs_of = _Costs(lambda subnet: _LIMIT)
    _writer(tmp_path, costs_of).write_unfinished(_trials())
    results = json.loads((tmp_path / "pareto.json").read_text())
    assert not results["is_finished"]
    assert results["budgets"][0]["chosen"]["subnet"] == dict(_ranked()[0])
    assert costs_of.final == []
