"""The search over stored trials, and what it reports."""

import csv
import io
import json

import pytest

from ofa_aec_tf.nas import plot
from ofa_aec_tf.nas import report
from ofa_aec_tf.nas import search_methods
from ofa_aec_tf.nas import trial_runner
from ofa_aec_tf.nas.budgets import parse_budgets
from ofa_aec_tf.nas.objectives import Objectives
from ofa_aec_tf.nas.study import Trial
from tests.nas import tabulated
from tests.nas.tabulated import CANDIDATES
from tests.nas.tabulated import SPACE
from tests.nas.tabulated import Evaluator
from tests.nas.tabulated import quality

_FRONT = Objectives()


def _all(budgets=()):
    pools = search_methods.feasible_pools(
        CANDIDATES, True, parse_budgets(budgets)
    )
    return search_methods.exhaustive(pools)


def _search(directory, evaluator, batches=None, **options):
    return trial_runner.run_trials(
        tabulated.open_study(directory),
        _all() if batches is None else batches,
        evaluator,
        show_progress=False,
        **options,
    )


def test_an_interrupted_search_goes_on_without_repeating_a_trial(tmp_path):
    uninterrupted = _search(tmp_path / "a", Evaluator())
    first, second = Evaluator(interrupt_at=5), Evaluator()
    with pytest.raises(KeyboardInterrupt):
        _search(tmp_path / "b", first)
    resumed = _search(tmp_path / "b", second)
    assert len(first.calls) == 5
    assert first.calls + second.calls == [c.subnet for c in CANDIDATES]
    assert resumed == uninterrupted


def test_a_search_with_more_budgets_keeps_the_trials_of_the_first(tmp_path):
    first, second = Evaluator(), Evaluator()
    _search(tmp_path, first, _all(["small:parameters<=1.7k"]))
    assert 0 < len(first.calls) < len(CANDIDATES)
    trials = _search(tmp_path, second)
    assert len(second.calls) == len(CANDIDATES) - len(first.calls)
    assert {t.subnet for t in trials} == {c.subnet for c in CANDIDATES}


def test_a_batch_is_evaluated_in_the_order_that_is_asked_for(tmp_path):
    evaluator = Evaluator()
    _search(tmp_path, evaluator, order=quality)
    assert evaluator.calls == sorted(
        (c.subnet for c in CANDIDATES), key=quality
    )


def test_a_failed_trial_is_stored_with_its_reason_and_not_repeated(tmp_path):
    failing = CANDIDATES[2].subnet
    trials = _search(tmp_path, Evaluator(failing={failing}))
    assert len(trials) == len(CANDIDATES)
    assert trials[2] == Trial(
        failing,
        CANDIDATES[2].costs,
        None,
        "ValueError: outputs are not finite",
    )
    again = Evaluator()
    assert _search(tmp_path, again) == trials
    assert again.calls == []


def test_what_failed_can_be_tried_again(tmp_path):
    failing = CANDIDATES[2].subnet
    _search(tmp_path, Evaluator(failing={failing}))
    study = tabulated.open_study(tmp_path)
    study.forget_failures()
    again = Evaluator()
    trials = trial_runner.run_trials(study, _all(), again, show_progress=False)
    assert again.calls == [failing]
    assert all(trial.failure is None for trial in trials)
    assert len(trials) == len(CANDIDATES)


def test_quality_alone_has_a_front_of_the_best(tmp_path):
    trials = _search(tmp_path, Evaluator())
    values = report.pareto_report(
        trials,
        (),
        CANDIDATES,
        True,
        "validation",
        Objectives(costs=()),
    )
    best = max(trials, key=lambda trial: trial.metrics["mAP"])
    assert values["front"] == [best.to_json()]
    plot.plot_search(
        tmp_path / "plot.png", trials, (), Objectives(costs=()), "title"
    )


def test_an_undefined_objective_fails_the_trial(tmp_path):
    def evaluate(subnet):
        quality = None if subnet == SPACE.smallest() else 0.5
        return {"mAP": quality}

    trials = _search(tmp_path, evaluate)
    failed = [t for t in trials if t.failure is not None]
    assert [t.subnet for t in failed] == [SPACE.smallest()]
    assert "no class has a positive clip" in failed[0].failure


def test_other_exceptions_end_the_search_unless_named_recoverable(tmp_path):
    def evaluate(subnet):
        if subnet == SPACE.smallest():
            raise MemoryError("too large")
        return {"mAP": 0.5}

    with pytest.raises(MemoryError):
        _search(tmp_path / "a", evaluate)
    trials = _search(
        tmp_path / "b", evaluate, recoverable_errors=(MemoryError,)
    )
    assert trials[0].failure == "MemoryError: too large"


def test_a_search_in_which_everything_fails_is_an_error(tmp_path):
    everything = {c.subnet for c in CANDIDATES}
    with pytest.raises(ValueError, match="None of 18 .*not finite"):
        _search(tmp_path, Evaluator(failing=everything))


def _trial(candidate, quality):
    return Trial(candidate.subnet, candidate.costs, {"mAP": quality})


def test_the_best_trial_is_the_cheapest_of_the_highest_map_in_the_budget():
    by_size = sorted(CANDIDATES, key=lambda c: c.costs["parameters"])
    trials = [
        _trial(by_size[3], 0.5),
        _trial(by_size[1], 0.5),
        _trial(by_size[0], 0.4),
        _trial(by_size[-1], 0.9),
    ]
    limit = by_size[3].costs["parameters"]
    (budget,) = parse_budgets([f"x:parameters<={limit}"])
    assert report.best_trial(trials, budget) == trials[1]


def test_a_budget_whose_evaluations_all_failed_has_no_best_trial():
    (budget,) = parse_budgets(["x:parameters<=1M"])
    failed = Trial(CANDIDATES[0].subnet, CANDIDATES[0].costs, None, "broken")
    assert report.best_trial([failed], budget) is None


_BUDGETS = parse_budgets(["small:parameters<=1.7k", "any:macs<=1G"])


def test_the_report_counts_and_chooses_for_each_budget(tmp_path):
    failing = {CANDIDATES[0].subnet}
    trials = _search(tmp_path, Evaluator(failing=failing))
    values = report.pareto_report(
        trials, _BUDGETS, CANDIDATES, True, "validation", _FRONT
    )
    json.dumps(values, allow_nan=False)
    assert values["objective"] == "mAP"
    assert values["split"] == "validation"
    assert (values["num_trials"], values["num_failed"]) == (18, 1)
    small, everything = values["budgets"]
    num_small = sum(c.costs["parameters"] <= 1700 for c in CANDIDATES)
    assert small["name"] == "small"
    assert small["text"] == "parameters<=1.7k"
    assert small["num_feasible"] == num_small
    assert small["num_evaluated"] == num_small - 1
    best = max(
        quality(c.subnet)
        for c in CANDIDATES[1:]
        if c.costs["parameters"] <= 1700
    )
    assert small["chosen"]["metrics"]["mAP"] == best
    assert everything["chosen"]["metrics"]["mAP"] == max(
        map(quality, (c.subnet for c in CANDIDATES))
    )
    assert everything["chosen"] in values["front"]


def test_a_space_too_large_to_list_has_no_count_of_feasible_subnets(tmp_path):
    trials = _search(tmp_path, Evaluator())
    values = report.pareto_report(
        trials, _BUDGETS, CANDIDATES, False, "validation", _FRONT
    )
    assert values["budgets"][0]["num_feasible"] is None


def test_the_table_has_every_trial_with_its_failure(tmp_path):
    failing = {CANDIDATES[2].subnet}
    trials = _search(tmp_path, Evaluator(failing=failing))
    text = report.trials_table(trials, _BUDGETS, SPACE, _FRONT)
    rows = list(csv.DictReader(io.StringIO(text)))
    assert len(rows) == len(CANDIDATES)
    assert rows[2]["mAP"] == ""
    assert rows[2]["failure"] == "ValueError: outputs are not finite"
    assert float(rows[3]["mAP"]) == quality(CANDIDATES[3].subnet)
    assert int(rows[3]["macs"]) == CANDIDATES[3].costs["macs"]
    assert rows[0]["budgets"] == "small;any"
    assert rows[-1]["budgets"] == "any"
    front = report.front_trials(trials, _FRONT)
    assert sum(int(row["on_front"]) for row in rows) == len(front)


def test_the_plot_is_a_png_file(tmp_path):
    trials = _search(tmp_path, Evaluator())
    path = tmp_path / "plots" / "pareto.png"
    plot.plot_search(path, trials, _BUDGETS, _FRONT, "title")
    assert path.read_bytes().startswith(b"\x89PNG")
