"""The report of a search as one HTML file, which needs no network."""

import json
from collections.abc import Mapping
from collections.abc import Sequence

import jinja2

from ofa_aec_tf.nas import axis_labels
from ofa_aec_tf.nas.budgets import Budget
from ofa_aec_tf.nas.study import Trial
from ofa_aec_tf.reports import templates
from ofa_aec_tf.reports.templates import is_finite_number
from ofa_aec_tf.runs import workdir

HTML_REPORT = "report.html"
_FOLDER, _PAGE = "html", "search.html"


def write_report(
    path,
    results: Mapping,
    trials: Sequence[Trial],
    budgets: Sequence[Budget],
    title: str,
    measured: Mapping,
    predictor: Mapping | None = None,
) -> None:
    """Writes an interactive page: a scatter plot, the budgets, all trials.

    Args:
        path: path of the HTML file.
        results: dict, as `report.pareto_report` returns it for these trials
            and budgets.
        trials: sequence of Trial.
        budgets: sequence of Budget.
        title: str.
        measured: dict of JSON types, possibly nested. How the trials were
            measured; shown as it is.
        predictor: dict of JSON types, or None. How well a predictor ranks
            unseen subnets, as
            `AccuracyPredictor.held_out_rank_correlation` returns it.

    Raises:
        ValueError: if `results` chose a subnet that has no trial.
    """
    data = report_data(results, trials, budgets)
    environment = templates.environment(
        jinja2.PackageLoader(__package__, _FOLDER), is_html=True
    )
    environment.filters |= {
        "label": axis_labels.label,
        "json_text": json.dumps,
    }
    page = environment.get_template(_PAGE).render(
        title=title,
        results=results,
        data=data,
        labels=[column["label"] for column in data["costs"] + data["metrics"]],
        failed=[
            (number, trial)
            for number, trial in enumerate(trials, 1)
            if trial.failure is not None
        ],
        measured=measured,
        predictor=predictor,
    )
    workdir.write_text(path, page)


def report_data(
    results: Mapping, trials: Sequence[Trial], budgets: Sequence[Budget]
) -> dict:
    """What the page draws, as a dict of JSON types.

    Args:
        results, trials, budgets: as in `write_report`.

    Returns:
        dict with `objective`, `first_cost` (what the plot begins with),
        `decisions` (names), `costs` and `metrics` (each with `name`, `label`
        and `is_axis`), `trials` (`subnet`, `costs` and `metrics` are lists in
        the order of these) and `budgets` (`chosen` is an index into trials).

    Raises:
        ValueError: as `write_report`.
    """
    objective = results["objective"]
    # Subnets with all decisions have them in the order of the space.
    by_decisions = sorted(trials, key=lambda trial: -len(trial.subnet))
    decisions = list(dict.fromkeys(n for t in by_decisions for n in t.subnet))
    costs = _columns([trial.costs for trial in trials])
    measured = [t.metrics for t in trials if t.metrics is not None]
    metrics = _columns(measured)
    for column in metrics:
        name = column["name"]
        if column["is_axis"] and name != objective:
            # A number that is the same for all trials is no axis.
            column["is_axis"] = len({row[name] for row in measured}) > 1
    indices = {_key(trial.subnet): index for index, trial in enumerate(trials)}
    on_front = {_key(entry["subnet"]) for entry in results["front"]}
    limits = {budget.name: _limits(budget) for budget in budgets}
    cost_names = [column["name"] for column in costs]
    return {
        "objective": objective,
        "first_cost": next(
            (n for n in results["objectives"] if n in cost_names), cost_names[0]
        ),
        "decisions": decisions,
        "costs": costs,
        "metrics": metrics,
        "trials": [
            {
                "subnet": [trial.subnet.get(name) for name in decisions],
                "costs": _values(trial.costs, costs),
                "metrics": None
                if trial.metrics is None
                else _values(trial.metrics, metrics),
                "on_front": _key(trial.subnet) in on_front,
                "failure": trial.failure,
            }
            for trial in trials
        ],
        "budgets": [
            {
                "name": budget["name"],
                "limits": limits.get(budget["name"], []),
                "chosen": _chosen_index(budget, indices),
            }
            for budget in results["budgets"]
        ],
    }


def _key(subnet) -> frozenset:
    """A subnet as a key that does not depend on the order of decisions."""
    return frozenset(subnet.items())


def _columns(rows) -> list[dict]:
    """The columns of some rows; an axis needs a number in each row."""
    return [
        {
            "name": name,
            "label": axis_labels.label(name),
            "is_axis": all(is_finite_number(row.get(name)) for row in rows),
        }
        for name in dict.fromkeys(name for row in rows for name in row)
    ]


def _values(row, columns) -> list:
    return [_plain(row.get(column["name"])) for column in columns]


def _plain(value):
    """A value as JSON has it: other numbers, such as infinity, as text."""
    if value is None or isinstance(value, str) or is_finite_number(value):
        return value
    return json.dumps(value)


def _limits(budget) -> list[dict]:
    return [
        {"cost": c.cost, "minimum": c.minimum, "maximum": c.maximum}
        for c in budget.constraints
    ]


def _chosen_index(budget, indices) -> int | None:
    if budget["chosen"] is None:
        return None
    chosen = budget["chosen"]["subnet"]
    if _key(chosen) not in indices:
        raise ValueError(
            f"The budget {budget['name']!r} chose a subnet that has no trial. "
            f"Give the results of these trials. Received: {dict(chosen)}"
        )
    return indices[_key(chosen)]
