import csv
import io
import json

import numpy as np
import optuna
import pytest

from ofa_aec_tf.families.cnn10 import Cnn10Family
from ofa_aec_tf.nas import candidates
from ofa_aec_tf.nas import plot
from ofa_aec_tf.nas import report
from ofa_aec_tf.nas import subnet_search
from ofa_aec_tf.nas.budgets import parse_budgets
from ofa_aec_tf.nas.study import SearchStudy
from ofa_aec_tf.nas.study import Trial

_FAMILY = Cnn10Family(
    5,
    hidden_units=8,
    channels=(4, 8, 12),
    width_ratios=(0.5, 0.75, 1.0),
    depth_pattern="2X",
)
_SPACE = _FAMILY.search_space()
_IDENTITY = {"supernet_digest": "abc", "seed": 0}


def _costs(subnet):
    return _FAMILY.complexity(subnet, num_frames=64).to_json()


_CANDIDATES, _ = candidates.list_candidates(
    _SPACE, _costs, np.random.default_rng(0)
)


def _quality(subnet):
    """A fixed number for each subnet, in no order of size."""
    position = [c.subnet for c in _CANDIDATES].index(subnet)
    return (7 * position % len(_CANDIDATES)) / len(_CANDIDATES)


class _Evaluator:
    """Notes what it evaluates; can be interrupted or fail."""

    def __init__(self, interrupt_at=None, failing=()):
        self.calls = []
        self._interrupt_at = interrupt_at
        self._failing = failing

    def __call__(self, subnet):
        if len(self.calls) == self._interrupt_at:
            raise KeyboardInterrupt
        self.calls.append(subnet)
        if subnet in self._failing:
            raise ValueError("outputs are not finite")
        return {"mAP": _quality(subnet), "accuracy": None, "num_clips": 4}


def _plan(budgets=(), method="exhaustive", population=25, seed=0):
    return subnet_search.plan_evaluations(
        _CANDIDATES,
        True,
        parse_budgets(budgets),
        method,
        population,
        np.random.default_rng(seed),
    )


def _search(directory, evaluator, planned, identity=_IDENTITY, **options):
    return subnet_search.evaluate_candidates(
        SearchStudy(directory, _SPACE, identity),
        planned,
        evaluator,
        show_progress=False,
        **options,
    )


def test_without_budgets_the_whole_space_is_planned():
    assert len(_CANDIDATES) == 3 * 3 * 2
    assert _plan() == _CANDIDATES


def test_exhaustive_search_plans_the_union_of_the_budgets_once():
    planned = _plan(["small:parameters<=1.7k", "also:parameters<=1.3k"])
    assert len({c.subnet for c in planned}) == len(planned)
    assert {c.subnet for c in planned} == {
        c.subnet for c in _CANDIDATES if c.costs["parameters"] <= 1700
    }
    assert 0 < len(planned) < len(_CANDIDATES)


def test_random_search_draws_a_population_for_each_budget():
    budgets = ["low:parameters<=1.7k", "high:parameters>=1.8k"]
    planned = _plan(budgets, "random", population=3)
    low = [c for c in planned if c.costs["parameters"] <= 1700]
    assert (len(low), len(planned)) == (3, 6)
    assert planned == _plan(budgets, "random", population=3)
    assert planned != _plan(budgets, "random", population=3, seed=1)


def test_an_infeasible_budget_is_refused_before_anything_is_planned():
    with pytest.raises(ValueError, match="nearest above: .*parameters="):
        _plan(["fine:parameters<=1M", "tiny:parameters<=10"], "random")


def test_an_exhaustive_search_of_a_part_of_a_space_is_refused():
    with pytest.raises(ValueError, match="too large to list"):
        subnet_search.plan_evaluations(
            _CANDIDATES, False, (), "exhaustive", 1, np.random.default_rng(0)
        )


@pytest.mark.parametrize(
    ("method", "population", "message"),
    [("genetic", 1, "Received: method='genetic'"), ("random", 0, "at least 1")],
)
def test_unknown_methods_and_empty_populations_are_refused(
    method, population, message
):
    with pytest.raises(ValueError, match=message):
        _plan(method=method, population=population)


def test_an_interrupted_search_goes_on_without_repeating_a_trial(tmp_path):
    uninterrupted = _search(tmp_path / "a", _Evaluator(), _plan())
    first, second = _Evaluator(interrupt_at=5), _Evaluator()
    with pytest.raises(KeyboardInterrupt):
        _search(tmp_path / "b", first, _plan())
    resumed = _search(tmp_path / "b", second, _plan())
    assert len(first.calls) == 5
    assert first.calls + second.calls == [c.subnet for c in _CANDIDATES]
    assert resumed == uninterrupted


def test_a_search_with_more_budgets_keeps_the_trials_of_the_first(tmp_path):
    small = _plan(["small:parameters<=1.7k"])
    _search(tmp_path, _Evaluator(), small)
    second = _Evaluator()
    trials = _search(tmp_path, second, _plan())
    assert len(second.calls) == len(_CANDIDATES) - len(small)
    assert {t.subnet for t in trials} == {c.subnet for c in _CANDIDATES}


def test_a_failed_trial_is_stored_with_its_reason_and_not_repeated(tmp_path):
    failing = _CANDIDATES[2].subnet
    trials = _search(tmp_path, _Evaluator(failing={failing}), _plan())
    assert len(trials) == len(_CANDIDATES)
    assert trials[2] == Trial(
        failing,
        _CANDIDATES[2].costs,
        None,
        "ValueError: outputs are not finite",
    )
    again = _Evaluator()
    assert _search(tmp_path, again, _plan()) == trials
    assert again.calls == []


def test_an_undefined_objective_fails_the_trial(tmp_path):
    def evaluate(subnet):
        quality = None if subnet == _SPACE.smallest() else 0.5
        return {"mAP": quality}

    trials = _search(tmp_path, evaluate, _plan())
    failed = [t for t in trials if t.failure is not None]
    assert [t.subnet for t in failed] == [_SPACE.smallest()]
    assert "no class has a positive clip" in failed[0].failure


def test_other_exceptions_end_the_search_unless_named_recoverable(tmp_path):
    def evaluate(subnet):
        if subnet == _SPACE.smallest():
            raise MemoryError("too large")
        return {"mAP": 0.5}

    with pytest.raises(MemoryError):
        _search(tmp_path / "a", evaluate, _plan())
    trials = _search(
        tmp_path / "b", evaluate, _plan(), recoverable_errors=(MemoryError,)
    )
    assert trials[0].failure == "MemoryError: too large"


def test_a_search_in_which_everything_fails_is_an_error(tmp_path):
    everything = {c.subnet for c in _CANDIDATES}
    with pytest.raises(ValueError, match="None of 18 .*not finite"):
        _search(tmp_path, _Evaluator(failing=everything), _plan())


def test_trials_of_another_supernet_are_refused_with_both_values(tmp_path):
    _search(tmp_path, _Evaluator(), _plan())
    other = {**_IDENTITY, "supernet_digest": "xyz"}
    with pytest.raises(
        ValueError,
        match="{'supernet_digest': 'abc'}. Received: "
        "{'supernet_digest': 'xyz'}",
    ):
        SearchStudy(tmp_path, _SPACE, other)


def test_the_database_is_an_optuna_study_with_decisions_as_parameters(tmp_path):
    trials = _search(tmp_path, _Evaluator(), _plan())
    study = optuna.load_study(
        study_name=None, storage=f"sqlite:///{tmp_path / 'study.db'}"
    )
    best = max(trials, key=lambda trial: trial.metrics["mAP"])
    assert study.best_params == dict(best.subnet)
    assert study.best_value == best.metrics["mAP"]
    assert study.best_trial.user_attrs["costs"] == best.costs


def test_conditional_decisions_survive_the_database(tmp_path):
    space = Cnn10Family(
        5,
        channels=(4, 8),
        depth_pattern="X",
        width_granularity="layer",
        width_ratios=(0.5, 1.0),
    ).search_space()
    study = SearchStudy(tmp_path, space, _IDENTITY)
    for subnet in space.enumerate():
        study.add(Trial(subnet, {"parameters": 1}, {"mAP": 0.5}))
    stored = [trial.subnet for trial in study.trials()]
    assert stored == list(space.enumerate())
    assert {len(subnet) for subnet in stored} == {2, 3}


def _trial(candidate, quality):
    return Trial(candidate.subnet, candidate.costs, {"mAP": quality})


def test_the_best_trial_is_the_cheapest_of_the_highest_map_in_the_budget():
    by_size = sorted(_CANDIDATES, key=lambda c: c.costs["parameters"])
    trials = [
        _trial(by_size[3], 0.5),
        _trial(by_size[1], 0.5),
        _trial(by_size[0], 0.4),
        _trial(by_size[-1], 0.9),
    ]
    limit = by_size[3].costs["parameters"]
    (budget,) = parse_budgets([f"x:parameters<={limit}"])
    assert subnet_search.best_trial(trials, budget) == trials[1]


def test_a_budget_whose_evaluations_all_failed_has_no_best_trial():
    (budget,) = parse_budgets(["x:parameters<=1M"])
    failed = Trial(_CANDIDATES[0].subnet, _CANDIDATES[0].costs, None, "broken")
    assert subnet_search.best_trial([failed], budget) is None


_BUDGETS = parse_budgets(["small:parameters<=1.7k", "any:macs<=1G"])


def test_the_report_counts_and_chooses_for_each_budget(tmp_path):
    failing = {_CANDIDATES[0].subnet}
    trials = _search(tmp_path, _Evaluator(failing=failing), _plan())
    values = report.pareto_report(
        trials, _BUDGETS, _CANDIDATES, True, "validation"
    )
    json.dumps(values, allow_nan=False)
    assert values["objective"] == "mAP"
    assert values["split"] == "validation"
    assert (values["num_trials"], values["num_failed"]) == (18, 1)
    small, everything = values["budgets"]
    num_small = sum(c.costs["parameters"] <= 1700 for c in _CANDIDATES)
    assert small["name"] == "small"
    assert small["text"] == "parameters<=1.7k"
    assert small["num_feasible"] == num_small
    assert small["num_evaluated"] == num_small - 1
    best = max(
        _quality(c.subnet)
        for c in _CANDIDATES[1:]
        if c.costs["parameters"] <= 1700
    )
    assert small["chosen"]["metrics"]["mAP"] == best
    assert everything["chosen"]["metrics"]["mAP"] == max(
        map(_quality, (c.subnet for c in _CANDIDATES))
    )
    assert everything["chosen"] in values["front"]


def test_a_space_too_large_to_list_has_no_count_of_feasible_subnets(tmp_path):
    trials = _search(tmp_path, _Evaluator(), _plan())
    values = report.pareto_report(
        trials, _BUDGETS, _CANDIDATES, False, "validation"
    )
    assert values["budgets"][0]["num_feasible"] is None


def test_the_table_has_every_trial_with_its_failure(tmp_path):
    failing = {_CANDIDATES[2].subnet}
    trials = _search(tmp_path, _Evaluator(failing=failing), _plan())
    text = report.trials_table(trials, _BUDGETS, _SPACE)
    rows = list(csv.DictReader(io.StringIO(text)))
    assert len(rows) == len(_CANDIDATES)
    assert rows[2]["mAP"] == ""
    assert rows[2]["failure"] == "ValueError: outputs are not finite"
    assert float(rows[3]["mAP"]) == _quality(_CANDIDATES[3].subnet)
    assert int(rows[3]["macs"]) == _CANDIDATES[3].costs["macs"]
    assert rows[0]["budgets"] == "small;any"
    assert rows[-1]["budgets"] == "any"
    front = report.front_trials(trials)
    assert sum(int(row["on_front"]) for row in rows) == len(front)


def test_the_plot_is_a_png_file(tmp_path):
    trials = _search(tmp_path, _Evaluator(), _plan())
    path = tmp_path / "plots" / "pareto.png"
    plot.plot_search(path, trials, _BUDGETS, "title")
    assert path.read_bytes().startswith(b"\x89PNG")
