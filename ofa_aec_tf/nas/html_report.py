"""The report of a search as one HTML file, which needs no network."""

import html
import json
import math
import string
from collections.abc import Mapping
from collections.abc import Sequence
from importlib import resources

from ofa_aec_tf.nas import axis_labels
from ofa_aec_tf.nas.budgets import Budget
from ofa_aec_tf.nas.study import Trial
from ofa_aec_tf.runs import workdir

HTML_REPORT = "report.html"
_PAGE, _STYLE = "page.html", "page.css"
_SCRIPTS = ("numbers.js", "chart.js", "page.js")
_MISSING = "–"


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
        measured: dict of JSON types, one inside another where they belong
            together. How the trials were measured; shown as it is.
        predictor: dict of JSON types, shown like `measured`, or None. How
            well a predictor ranks subnets that it does not know, as
            `AccuracyPredictor.held_out_rank_correlation` returns it.

    Raises:
        ValueError: if `results` chose a subnet that has no trial.
    """
    folder = resources.files(__package__) / "html"

    def text_of(name):
        return (folder / name).read_text(encoding="utf-8")

    data = report_data(results, trials, budgets)
    page = string.Template(text_of(_PAGE)).substitute(
        title=_escape(title),
        summary=_escape(
            f"{results['num_trials']:,} subnets evaluated, "
            f"{results['num_failed']:,} of them without success; quality is "
            f"from the {results['split']} split."
        ),
        style=text_of(_STYLE),
        script="\n".join(text_of(name) for name in _SCRIPTS),
        data=_embedded_json(data),
        budgets=_budgets_table(results["budgets"], data),
        front_note=_escape(
            "In it, the front is that of "
            f"{' and '.join(results['objectives'])} together, whatever the "
            "plot shows."
        ),
        failed=_failed_table(trials),
        measured=_definitions(measured),
        predictor=_predictor_section(predictor),
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
    # Those with all decisions first: they have the order of the space.
    by_decisions = sorted(trials, key=lambda trial: -len(trial.subnet))
    decisions = list(dict.fromkeys(n for t in by_decisions for n in t.subnet))
    costs = _columns([trial.costs for trial in trials])
    measured = [t.metrics for t in trials if t.metrics is not None]
    metrics = _columns(measured)
    for column in metrics:
        name = column["name"]
        if column["is_axis"] and name != objective:
            # The number of clips is a number too, but the same for all.
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
    """A subnet of a trial or of JSON, whatever the order of its decisions."""
    return frozenset(subnet.items())


def _columns(rows) -> list[dict]:
    """Names in any of the rows; an axis needs a number in each of them."""
    return [
        {
            "name": name,
            "label": axis_labels.label(name),
            "is_axis": all(_is_finite_number(row.get(name)) for row in rows),
        }
        for name in dict.fromkeys(name for row in rows for name in row)
    ]


def _is_finite_number(value) -> bool:
    return (
        isinstance(value, int | float)
        and not isinstance(value, bool)
        and math.isfinite(value)
    )


def _values(row, columns) -> list:
    return [_plain(row.get(column["name"])) for column in columns]


def _plain(value):
    """A number, text or None; JSON has no infinity."""
    if value is None or isinstance(value, str) or _is_finite_number(value):
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


def _embedded_json(value) -> str:
    """JSON that can end no script element, whatever names are in it."""
    text = json.dumps(value, allow_nan=False, separators=(",", ":"))
    # ASCII already, so U+2028 is escaped too.
    return (
        text.replace("&", "\\u0026")
        .replace("<", "\\u003c")
        .replace(">", "\\u003e")
    )


def _escape(value) -> str:
    return html.escape(str(value), quote=True)


def _code(value) -> str:
    return f"<code>{_escape(value)}</code>"


def _number(value) -> str:
    """A value for people, as the script formats it."""
    if value is None:
        return _MISSING
    if not _is_finite_number(value):
        return str(value)
    if float(value).is_integer():
        return f"{int(value):,}"
    return f"{value:,.{4 if abs(value) < 100 else 1}f}"


def _table(headings, rows, css_class="table") -> str:
    """A table of HTML cells; the headings are text."""
    lines = [f'<div class="{css_class}"><table>', "<thead><tr>"]
    lines += [f'<th scope="col">{_escape(text)}</th>' for text in headings]
    lines.append("</tr></thead>")
    lines.append("<tbody>")
    lines += [f"<tr>{''.join(row)}</tr>" for row in rows]
    lines.append("</tbody></table></div>")
    return "\n".join(lines)


def _cell(value) -> str:
    css_class = "text" if isinstance(value, str) else "number"
    return f'<td class="{css_class}">{_escape(_number(value))}</td>'


def _budgets_table(budgets, data) -> str:
    if not budgets:
        return "<p>The search had no budget.</p>"
    columns = [*data["costs"], *data["metrics"]]
    headings = [
        "Budget",
        "Constraint",
        "Feasible subnets",
        "Evaluated",
        "Chosen subnet",
        *(column["label"] for column in columns),
    ]
    rows = []
    for budget, drawn in zip(budgets, data["budgets"]):
        num_feasible = budget["num_feasible"]
        row = [
            f'<th scope="row">{_escape(budget["name"])}</th>',
            f'<td class="text">{_code(budget["text"])}</td>',
            "<td>not counted</td>"
            if num_feasible is None
            else _cell(num_feasible),
            _cell(budget["num_evaluated"]),
        ]
        if drawn["chosen"] is None:
            row.append("<td>none: no evaluation succeeded</td>")
            row += [_cell(None) for _ in columns]
        else:
            trial = data["trials"][drawn["chosen"]]
            subnet = json.dumps(budget["chosen"]["subnet"])
            row.append(
                f'<td class="text subnet">{_code(subnet)} '
                f'<button type="button" data-trial="{drawn["chosen"]}" hidden>'
                f"Show trial {drawn['chosen'] + 1:,}</button></td>"
            )
            row += map(_cell, [*trial["costs"], *trial["metrics"]])
        rows.append(row)
    return _table(headings, rows)


def _failed_table(trials) -> str:
    failed = [
        [
            _cell(number),
            f'<td class="text subnet">{_code(trial.subnet)}</td>',
            _cell(trial.failure),
        ]
        for number, trial in enumerate(trials, 1)
        if trial.failure is not None
    ]
    if not failed:
        return "<p>None.</p>"
    return _table(["#", "Subnet", "Reason"], failed, "table long")


def _definitions(values) -> str:
    """A dict as a definition list; one in it becomes a list inside."""
    lines = ["<dl>"]
    for name, value in values.items():
        shown = (
            _definitions(value)
            if isinstance(value, Mapping)
            else _escape(_shown(value))
        )
        lines.append(
            f"<dt>{_escape(axis_labels.label(name))}</dt><dd>{shown}</dd>"
        )
    lines.append("</dl>")
    return "\n".join(lines)


def _shown(value) -> str:
    if isinstance(value, list | tuple):
        return ", ".join(map(_shown, value))
    # A seed is no count.
    return str(value) if isinstance(value, int) else _number(value)


def _predictor_section(predictor) -> str:
    if predictor is None:
        return ""
    return (
        '\n<section aria-labelledby="predictor-heading">\n'
        '<h2 id="predictor-heading">Accuracy predictor</h2>\n'
        "<p>How well a predictor of quality ranks subnets that it was not "
        "fitted to: 1 is the true order, 0 is chance.</p>\n"
        f"{_definitions(predictor)}\n</section>\n"
    )
