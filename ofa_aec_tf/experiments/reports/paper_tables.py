"""The tables of the paper, from measurements.

Scores are in percent, as in the paper: 26.6 is an mAP of 0.266.
"""

from collections.abc import Sequence

import numpy as np

from ofa_aec_tf.experiments.reports import cells
from ofa_aec_tf.experiments.reports import measurements as measurements_lib
from ofa_aec_tf.experiments.reports import statistics
from ofa_aec_tf.experiments.reports.measurements import INIT_LONG
from ofa_aec_tf.experiments.reports.measurements import KD
from ofa_aec_tf.experiments.reports.measurements import METRIC
from ofa_aec_tf.experiments.reports.measurements import OFA
from ofa_aec_tf.experiments.reports.measurements import OFA_LONG
from ofa_aec_tf.experiments.reports.measurements import OFA_SHORT
from ofa_aec_tf.experiments.reports.measurements import SCRATCH
from ofa_aec_tf.experiments.reports.measurements import TEACHER
from ofa_aec_tf.experiments.reports.measurements import Measurement
from ofa_aec_tf.reports.document import Table

_COMPARISON_HEADER = ("relative, %", cells.DIFFERENCE_HEADER, "positive in")


def table1(measurements: Sequence[Measurement]) -> list[Table]:
    """Teacher, training from scratch, distillation and OFA a budget.

    Args:
        measurements: sequence of Measurement.

    Returns:
        list of Table: the scores, then the improvements of OFA where there
        are any; empty if nothing was measured.
    """
    measured = measurements_lib.select(measurements, "table1", split="test")
    teacher = cells.cell(measured, TEACHER, "")
    keys = [(TEACHER, "")] + [
        (series, budget)
        for budget in measurements_lib.budgets(measured)
        for series in (SCRATCH, KD, OFA)
    ]
    rows = []
    for series, budget in keys:
        cell = cells.cell(measured, series, budget)
        if cell:
            rows.append(
                (
                    series,
                    budget or cells.NO_VALUE,
                    cell.parameters_text(),
                    _percent(teacher, cell, lambda c: c.parameters),
                    cell.score_text(),
                    _percent(teacher, cell, lambda c: c.statistics.mean),
                    str(len(cell.scores)),
                )
            )
    scores = Table(
        "Table 1: models on the test split",
        (
            "model",
            "budget",
            "#params, M",
            "#params, % of the teacher's",
            cells.MEAN_HEADER,
            "mAP, % of the teacher's",
            "seeds",
        ),
        tuple(rows),
    )
    improvements = Table(
        "Improvement of OFA, over the seeds that both have",
        ("budget", "over", *_COMPARISON_HEADER),
        tuple(
            (budget, series, *comparison)
            for budget in measurements_lib.budgets(measured)
            for series in (SCRATCH, KD)
            for comparison in _comparisons(measured, budget, OFA, series)
        ),
    )
    return _with_rows(scores, improvements)


def table2(measurements: Sequence[Measurement]) -> list[Table]:
    """Continual fine-tuning of the subnets that were found.

    Args:
        measurements: sequence of Measurement.

    Returns:
        list of Table: the scores, then the gains of fine-tuning where there
        are any; empty if nothing was measured.
    """
    measured = measurements_lib.select(measurements, "table2", split="test")
    columns = (OFA, OFA_SHORT, OFA_LONG, INIT_LONG)
    rows = []
    for budget in measurements_lib.budgets(measured):
        row = [cells.cell(measured, series, budget) for series in columns]
        # All of a row are of the same subnets.
        longest = max(row, key=lambda cell: len(cell.scores))
        if longest:
            rows.append(
                (
                    budget,
                    longest.parameters_text(),
                    *(cell.score_text() for cell in row),
                    _numbers_text([len(cell.scores) for cell in row]),
                )
            )
    scores = Table(
        "Table 2: continual fine-tuning on the test split, "
        + cells.MEAN_HEADER,
        ("budget", "#params, M", *columns, "seeds"),
        tuple(rows),
    )
    gains = Table(
        "Gain over OFA, over the seeds that both have",
        ("budget", "of", *_COMPARISON_HEADER),
        tuple(
            (budget, series, *comparison)
            for budget in measurements_lib.budgets(measured)
            for series in (OFA_SHORT, OFA_LONG, INIT_LONG)
            for comparison in _comparisons(measured, budget, series, OFA)
        ),
    )
    return _with_rows(scores, gains)


def subnets_found(measurements: Sequence[Measurement]) -> list[Table]:
    """The numbers of Figure 3: what was found in each search space.

    Args:
        measurements: sequence of Measurement.

    Returns:
        list of at most one Table.
    """
    measured = measurements_lib.select(measurements, "figure3", split="test")
    keys = [
        (space, budget)
        for space in cells.spaces(measured)
        for budget in measurements_lib.budgets(measured)
    ]
    found = [(key, cells.cell(measured, *key)) for key in keys]
    return _with_rows(
        Table(
            "Search spaces: subnets found, on the test split",
            (
                "search space",
                "budget",
                "#params, M",
                cells.MEAN_HEADER,
                "seeds",
            ),
            tuple(
                (
                    *key,
                    cell.parameters_text(),
                    cell.score_text(),
                    str(len(cell.scores)),
                )
                for key, cell in found
                if cell
            ),
        )
    )


def subnet_variance(measurements: Sequence[Measurement]) -> list[Table]:
    """The numbers of Figure 4: subnets of similar size.

    Args:
        measurements: sequence of Measurement.

    Returns:
        list of at most one Table.
    """
    measured = measurements_lib.select(
        measurements, "figure4", split="validation"
    )
    rows = []
    for space in cells.spaces(measured):
        for budget in measurements_lib.budgets(measured):
            scores = scores_of_subnets(measured, space, budget)
            if not scores:
                continue
            means = [float(np.mean(values)) for values in scores.values()]
            spreads = [
                float(np.std(values, ddof=1))
                for values in scores.values()
                if len(values) > 1
            ]
            sizes = [len(values) for values in scores.values()]
            low, high = min(sizes), max(sizes)
            rows.append(
                (
                    space,
                    budget,
                    str(low) if low == high else f"{low} to {high}",
                    statistics.over_seeds(means).text(),
                    statistics.over_seeds(spreads).text()
                    if spreads
                    else cells.NO_VALUE,
                    str(len(scores)),
                )
            )
    return _with_rows(
        Table(
            "Search spaces: all subnets of similar size, on the validation "
            "split; over the seeds, of the subnets' mean and spread",
            (
                "search space",
                "budget",
                "subnets a seed",
                f"mean {cells.MEAN_HEADER}",
                f"sd of the mAP, {cells.DIFFERENCE_HEADER}",
                "seeds",
            ),
            tuple(rows),
        )
    )


def scores_of_subnets(
    measurements: Sequence[Measurement], space: str, budget: str
) -> dict[int, list[float]]:
    """For each seed the mAP of its subnets within a budget."""
    scores: dict[int, list[float]] = {}
    subnets = measurements_lib.select(
        measurements, "figure4", space, budget, "validation"
    )
    for m in sorted(subnets, key=Measurement.key):
        scores.setdefault(m.seed, []).append(m.metrics[METRIC])
    return scores


def _comparisons(measured, budget, first, second) -> list[tuple[str, ...]]:
    """One row of the first series less the second, or none."""
    difference = statistics.paired_difference(
        cells.cell(measured, first, budget).scores,
        cells.cell(measured, second, budget).scores,
    )
    return [] if difference is None else [comparison_row(difference)]


def comparison_row(difference: statistics.PairedDifference) -> tuple[str, ...]:
    """What stands below a comparison's headers."""
    relative = difference.relative
    return (
        cells.NO_VALUE if relative is None else f"{100 * relative:+.1f}",
        difference.statistics.text(signed=True),
        difference.positive_text(),
    )


def _numbers_text(numbers) -> str:
    """Numbers, or the one that all of them are."""
    return ", ".join(
        map(str, numbers if len(set(numbers)) > 1 else numbers[:1])
    )


def _percent(teacher, cell, value) -> str:
    if not teacher:
        return cells.NO_VALUE
    return f"{100 * value(cell) / value(teacher):.1f}"


def _with_rows(*tables) -> list[Table]:
    return [table for table in tables if table.rows]
