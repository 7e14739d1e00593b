"""The outcome of a search: the Pareto front, chosen subnets, all trials."""

import csv
import io
import json
import pathlib
from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence

from ofa_aec_tf.nas import pareto
from ofa_aec_tf.nas.budgets import LATENCY
from ofa_aec_tf.nas.budgets import Budget
from ofa_aec_tf.nas.candidates import Candidate
from ofa_aec_tf.nas.objectives import FLOAT_QUALITY
from ofa_aec_tf.nas.objectives import Objectives
from ofa_aec_tf.nas.study import Trial
from ofa_aec_tf.search_space.complexity import FILE_SIZE_NAMES
from ofa_aec_tf.search_space.space import SearchSpace

TRIALS_TABLE = "trials.csv"
PARETO_REPORT = "pareto.json"


def front_trials(
    trials: Sequence[Trial], objectives: Objectives
) -> list[Trial]:
    """The trials that no other trial dominates, the cheapest first."""
    succeeded = [trial for trial in trials if trial.failure is None]
    indices = pareto.front(
        [objectives.point(trial.metrics, trial.costs) for trial in succeeded]
    )
    return [succeeded[index] for index in indices]


def best_trial(
    trials: Sequence[Trial], budget: Budget, quality: str = FLOAT_QUALITY
) -> Trial | None:
    """The trial of highest quality within a budget, the cheapest if tied.

    Args:
        trials: sequence of Trial.
        budget: Budget.
        quality: str. Name of the metric.

    Returns:
        Trial, or None if the evaluation of every feasible subnet failed.
    """
    feasible = [
        trial
        for trial in trials
        if trial.failure is None and budget.feasible(trial.costs)
    ]
    return min(
        feasible,
        key=lambda trial: (
            -trial.metrics[quality],
            *trial.costs.values(),
            str(trial.subnet),
        ),
        default=None,
    )


def pareto_report(
    trials: Sequence[Trial],
    budgets: Sequence[Budget],
    candidates: Sequence[Candidate],
    complete: bool,
    split: str,
    objectives: Objectives,
) -> dict:
    """The outcome of a search as JSON types.

    Args:
        trials: sequence of Trial.
        budgets: sequence of Budget.
        candidates: distinct Candidates.
        complete: bool. Whether they are the whole space.
        split: str. The split that the trials were scored on.
        objectives: Objectives.

    Returns:
        dict with `objective` (what chooses subnets), `objectives` (those of
        the front), `split`, `front` and `budgets`. The `chosen` subnet of a
        budget is None if no evaluation succeeded; `num_feasible` is None for a
        space too large to count.
    """
    return {
        "objective": objectives.quality,
        "objectives": objectives.to_json(),
        "split": split,
        "num_trials": len(trials),
        "num_failed": sum(trial.failure is not None for trial in trials),
        "front": [
            trial.to_json() for trial in front_trials(trials, objectives)
        ],
        "budgets": [
            _budget_report(
                trials, budget, candidates, complete, objectives.quality
            )
            for budget in budgets
        ],
    }


def _budget_report(trials, budget, candidates, complete, quality) -> dict:
    chosen = best_trial(trials, budget, quality)
    return {
        "name": budget.name,
        "text": budget.text,
        "num_feasible": sum(budget.feasible(c.costs) for c in candidates)
        if complete
        else None,
        "num_evaluated": sum(
            trial.failure is None and budget.feasible(trial.costs)
            for trial in trials
        ),
        "chosen": None if chosen is None else chosen.to_json(),
    }


def summary_lines(results: Mapping, notes: Sequence[str]) -> Iterator[str]:
    """The outcome of a search, for people.

    Args:
        results: dict, the content of `pareto.json`.
        notes: sequence of str. Lines to put before the budgets.

    Yields:
        str, a line each.
    """
    yield (
        f"{results['num_trials']} subnets evaluated, "
        f"{results['num_failed']} failed, {len(results['front'])} on the "
        f"Pareto front ({results['split']} split, {results['num_clips']} clips)"
    )
    yield from notes
    for budget in results["budgets"]:
        chosen = budget["chosen"]
        if chosen is None:
            yield f"{budget['name']}: no subnet of it could be evaluated"
            continue
        costs = chosen["costs"]
        sizes = "".join(
            f"{costs[name]:,} bytes in {name.removesuffix('_file_bytes')}, "
            for name in FILE_SIZE_NAMES
            if name in costs
        )
        yield (
            f"{budget['name']}: {results['objective']} "
            f"{chosen['metrics'][results['objective']]:.4f}, "
            f"{costs['parameters']:,} parameters, "
            f"{costs['macs'] / 1e9:.3f} GMAC, {sizes}"
            f"{_latency_text(chosen, results.get('latency'))}"
            f"{chosen['subnet']}"
        )


def _latency_text(chosen: Mapping, latency: Mapping | None) -> str:
    """The latency of a chosen subnet and its source; empty without any."""
    if latency is None:
        return ""
    source = (
        "measured"
        if chosen["latency_is_measured"]
        else f"predicted, off by at most {latency['max_relative_error']:.0%} "
        f"for the {len(latency['measured_subnets'])} measured"
    )
    latency_ms = chosen["costs"][LATENCY]
    return f"{latency_ms:.2f} ms on {latency['device']} ({source}), "


def trials_table(
    trials: Sequence[Trial],
    budgets: Sequence[Budget],
    space: SearchSpace,
    objectives: Objectives,
) -> str:
    """All trials as CSV, one a line, in the given order.

    Args:
        trials: sequence of Trial.
        budgets: sequence of Budget.
        space: SearchSpace.
        objectives: Objectives of the front.

    Returns:
        str. Columns: the decisions, the costs, the metrics, `on_front` (0 or
        1), `budgets` (names of those that the subnet keeps, joined by `;`) and
        `failure`.
    """
    on_front = {trial.subnet for trial in front_trials(trials, objectives)}
    cost_names = list(dict.fromkeys(name for t in trials for name in t.costs))
    metric_names = list(
        dict.fromkeys(name for t in trials for name in t.metrics or ())
    )
    decision_names = [decision.name for decision in space.decisions]
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(
        [
            *decision_names,
            *cost_names,
            *metric_names,
            "on_front",
            "budgets",
            "failure",
        ]
    )
    for trial in trials:
        metrics = trial.metrics or {}
        kept = [b.name for b in budgets if b.feasible(trial.costs)]
        writer.writerow(
            [
                *(trial.subnet.get(name) for name in decision_names),
                *(trial.costs[name] for name in cost_names),
                *(metrics.get(name) for name in metric_names),
                int(trial.subnet in on_front),
                ";".join(kept),
                trial.failure,
            ]
        )
    return text.getvalue()


def read_trials_table(
    path: str | pathlib.Path,
    space: SearchSpace,
    costs: Sequence[str],
    metrics: Sequence[str],
) -> Iterator[dict]:
    """Reads the successful trials that `trials_table` has written.

    Args:
        path: str or path of the file.
        space: SearchSpace.
        costs, metrics: sequences of str. Columns to read; metrics that were
            not measured are left out.

    Yields:
        dict with `subnet` (choices of the decisions that matter), `costs`,
        `metrics` and `budgets` (names of those that the subnet keeps).
    """
    names = [decision.name for decision in space.decisions]
    with open(path, encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            if row["failure"]:
                continue
            yield {
                "subnet": {
                    name: json.loads(row[name]) for name in names if row[name]
                },
                "costs": {name: int(row[name]) for name in costs},
                "metrics": {
                    name: float(row[name]) for name in metrics if row.get(name)
                },
                "budgets": [name for name in row["budgets"].split(";") if name],
            }
