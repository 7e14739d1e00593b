"""What the experiments measure, of files that searches would leave."""

import numpy as np
import pytest

from ofa_aec_tf.experiments import paper_experiments
from ofa_aec_tf.experiments.step_runner import StepRunner
from ofa_aec_tf.experiments.steps import Output
from ofa_aec_tf.nas import report
from ofa_aec_tf.nas import search_methods
from ofa_aec_tf.nas.budgets import parse_budgets
from ofa_aec_tf.nas.objectives import Objectives
from ofa_aec_tf.nas.study import Trial
from tests.experiments import small_reproduction

_BUDGETS = parse_budgets(small_reproduction.BUDGETS)


def write_trials(runner, task, paper, **variant):
    """Writes the trials of a search over all subnets, with made-up scores."""
    rng = np.random.default_rng(0)
    costs_of = paper.costs_function(**variant)
    trials = [
        Trial(
            subnet,
            costs_of(subnet),
            {"mAP": float(rng.uniform(0.3, 0.7)), "mAUC": 0.5},
        )
        for subnet in paper.space(**variant).enumerate()
    ]
    table = report.trials_table(
        trials, _BUDGETS, paper.space(**variant), Objectives()
    )
    path = runner.path(Output(task.step, report.TRIALS_TABLE))
    path.parent.mkdir(parents=True)
    path.write_text(table)
    return trials


def planned(paper, experiment):
    return list(paper_experiments.tasks(paper, [experiment], (3,), (3,)))


def within(trials, budget):
    return [t for t in trials if budget.feasible(t.costs)]


def test_figure_4_has_all_subnets_of_each_budget(small_paper, tmp_path):
    runner = StepRunner(tmp_path / "run")
    tasks = planned(small_paper, "figure4")
    assert [task.title for task in tasks] == [
        f"subnets of {space} seed 3"
        for space in ("[2,2,X]", "[2,X,X]", "[X,X,X]", "EW-only")
    ]
    trials = write_trials(runner, tasks[2], small_paper, depth_pattern="XXX")
    measured = list(tasks[2].measure(runner))
    for budget in _BUDGETS:
        expected = within(trials, budget)
        found = [m for m in measured if m.budget == budget.name]
        assert [m.metrics["mAP"] for m in found] == [
            t.metrics["mAP"] for t in expected
        ]
        assert [m.subnet for m in found] == [dict(t.subnet) for t in expected]
        assert {(m.experiment, m.series, m.seed, m.split) for m in found} == {
            ("figure4", "[X,X,X]", 3, "validation")
        }


def test_calibration_has_means_over_each_budget(small_paper, tmp_path):
    runner = StepRunner(tmp_path / "run")
    tasks = planned(small_paper, "calibration")
    assert dict(tasks[1].step.arguments)["calibration"] == "largest"
    assert "calibration" not in dict(tasks[0].step.arguments)
    for task, series in zip(tasks, ("calibrated", "shared")):
        trials = write_trials(runner, task, small_paper)
        low, high = task.measure(runner)
        for measured, budget in zip((low, high), _BUDGETS):
            of_budget = within(trials, budget)
            assert (measured.series, measured.budget) == (series, budget.name)
            assert measured.subnet is None
            assert measured.metrics["mAP"] == pytest.approx(
                np.mean([t.metrics["mAP"] for t in of_budget])
            )
            assert measured.parameters == pytest.approx(
                np.mean([t.costs["parameters"] for t in of_budget])
            )


def test_methods_are_compared_on_all_subnets(small_paper, tmp_path):
    runner = StepRunner(tmp_path / "run")
    (task,) = planned(small_paper, "methods")
    assert "budget" not in dict(task.step.arguments)
    trials = write_trials(runner, task, small_paper)
    measured = list(task.measure(runner))
    assert {m.series for m in measured} == set(search_methods.METHODS)
    best = max(t.metrics["mAP"] for t in trials)
    assert max(m.metrics["mAP"] for m in measured) == best


@pytest.mark.parametrize(
    ("experiment", "series"),
    [
        ("sampling", ["uniform", "sandwich"]),
        ("subnets_per_step", ["K=1", "K=2", "K=4", "K=8"]),
        ("stem", ["static", "elastic"]),
    ],
)
def test_ablations_train_a_supernet_for_each_variant(
    small_paper, experiment, series
):
    tasks = planned(small_paper, experiment)
    assert [task.title for task in tasks] == [
        f"{experiment} {name} seed 3" for name in series
    ]
    supernets = set()
    for task in tasks:
        (found,) = {step.identity: step for step in task.step.needs()}.values()
        supernets.add(dict(found.arguments)["supernet"].step.identity)
    assert len(supernets) == len(series)
    # One of them is the supernet of the other experiments.
    assert small_paper.supernet(3).step.identity in supernets
