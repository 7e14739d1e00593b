"""The table of a search, and what can be read back from it."""

import pytest

from ofa_aec_tf.nas import report
from ofa_aec_tf.nas.budgets import parse_budgets
from ofa_aec_tf.nas.objectives import Objectives
from ofa_aec_tf.nas.study import Trial
from tests.nas import tabulated


def _trials():
    for number, candidate in enumerate(tabulated.CANDIDATES):
        if number == 1:
            yield Trial(candidate.subnet, candidate.costs, None, "broken")
        else:
            metrics = {
                "mAP": tabulated.quality(candidate.subnet),
                "accuracy": None,
            }
            yield Trial(candidate.subnet, candidate.costs, metrics)


def test_a_table_is_read_as_it_was_written(tmp_path):
    trials = list(_trials())
    middle = sorted(t.costs["parameters"] for t in trials)[len(trials) // 2]
    budgets = parse_budgets([f"half:parameters<={middle}", "all:macs<=1G"])
    path = tmp_path / report.TRIALS_TABLE
    path.write_text(
        report.trials_table(trials, budgets, tabulated.SPACE, Objectives()),
        encoding="utf-8",
    )
    read = list(
        report.read_trials_table(
            path,
            tabulated.SPACE,
            ("parameters", "macs"),
            ("mAP", "accuracy", "d_prime"),
        )
    )
    succeeded = [trial for trial in trials if trial.failure is None]
    assert len(read) == len(succeeded) == len(trials) - 1
    for row, trial in zip(read, succeeded):
        assert tabulated.SPACE.subnet(row["subnet"]) == trial.subnet
        assert row["costs"] == {
            name: trial.costs[name] for name in ("parameters", "macs")
        }
        # Neither what is empty nor what is no column.
        assert row["metrics"] == {
            "mAP": pytest.approx(trial.metrics["mAP"], abs=1e-12)
        }
        is_small = trial.costs["parameters"] <= middle
        assert row["budgets"] == (["half"] if is_small else []) + ["all"]
