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
from ofa_aec_tf.reports import document
from ofa_aec_tf.reports.document import Table
from ofa_aec_tf.runs.text_tables import NO_VALUE


def table1(measurements: Sequence[Measurement]) -> list[Table]:
    """Teacher, training from scratch, distillation and OFA at each budget.

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

    def percent(value):
        if not teacher:
            return NO_VALUE
        return f"{100 * value(cell) / value(teacher):.1f}"

    scores = []
    for series, budget in keys:
        cell = cells.cell(measured, series, budget)
        if cell:
            scores.append(
                {
                    "model": series,
                    "budget": budget or NO_VALUE,
                    cells.PARAMETERS_HEADER: cell.parameters_text(),
                    "#params, % of the teacher's": percent(
                        lambda c: c.parameters
                    ),
                    cells.MEAN_HEADER: cell.score_text(),
                    "mAP, % of the teacher's": percent(
                        lambda c: c.statistics.mean
                    ),
                    "seeds": str(len(cell.scores)),
                }
            )
    improvements = [
        {"budget": budget, "over": series, **comparison}
        for budget in measurements_lib.budgets(measured)
        for series in (SCRATCH, KD)
        for comparison in _comparisons(measured, budget, OFA, series)
    ]
    return [
        *document.tables("Table 1: models on the test split", scores),
        *document.tables(
            "Improvement of OFA, over the seeds that both have", improvements
        ),
    ]


def table2(measurements: Sequence[Measurement]) -> list[Table]:
    """Fine-tuning of the subnets that were found.

    Args:
        measurements: sequence of Measurement.

    Returns:
        list of Table: the scores, then the gains of fine-tuning where there
        are any; empty if nothing was measured.
    """
    measured = measurements_lib.select(measurements, "table2", split="test")
    scores = []
    for budget in measurements_lib.budgets(measured):
        row = {
            series: cells.cell(measured, series, budget)
            for series in (OFA, OFA_SHORT, OFA_LONG, INIT_LONG)
        }
        # All cells of a row have the same architecture.
        longest = max(row.values(), key=lambda cell: len(cell.scores))
        if longest:
            numbers = [str(len(cell.scores)) for cell in row.values()]
            scores.append(
                {
                    "budget": budget,
                    cells.PARAMETERS_HEADER: longest.parameters_text(),
                    **{series: c.score_text() for series, c in row.items()},
                    "seeds": ", ".join(
                        numbers if len(set(numbers)) > 1 else numbers[:1]
                    ),
                }
            )
    gains = [
        {"budget": budget, "of": series, **comparison}
        for budget in measurements_lib.budgets(measured)
        for series in (OFA_SHORT, OFA_LONG, INIT_LONG)
        for comparison in _comparisons(measured, budget, series, OFA)
    ]
    return [
        *document.tables(
            "Table 2: continual fine-tuning on the test split, "
            + cells.MEAN_HEADER,
            scores,
        ),
        *document.tables("Gain over OFA, over the seeds that both have", gains),
    ]


def subnets_found(measurements: Sequence[Measurement]) -> list[Table]:
    """The numbers of Figure 3: what was found in each search space.

    Args:
        measurements: sequence of Measurement.

    Returns:
        list of at most one Table.
    """
    measured = measurements_lib.select(measurements, "figure3", split="test")
    return document.tables(
        "Search spaces: subnets found, on the test split",
        [
            {"search space": space, "budget": budget, **cell.columns()}
            for space in cells.spaces(measured)
            for budget in measurements_lib.budgets(measured)
            if (cell := cells.cell(measured, space, budget))
        ],
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
            # One subnet has no standard deviation.
            spreads = [
                float(np.std(values, ddof=1))
                for values in scores.values()
                if len(values) > 1
            ]
            sizes = sorted({len(values) for values in scores.values()})
            rows.append(
                {
                    "search space": space,
                    "budget": budget,
                    "subnets a seed": " to ".join(
                        map(str, dict.fromkeys((sizes[0], sizes[-1])))
                    ),
                    f"mean {cells.MEAN_HEADER}": statistics.over_seeds(
                        means
                    ).text(),
                    f"sd of the mAP, {cells.DIFFERENCE_HEADER}": (
                        statistics.over_seeds(spreads).text()
                        if spreads
                        else NO_VALUE
                    ),
                    "seeds": str(len(scores)),
                }
            )
    return document.tables(
        "Search spaces: all subnets of similar size, on the validation split; "
        "over the seeds, of the subnets' mean and spread",
        rows,
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


def _comparisons(measured, budget, first, second) -> list[dict[str, str]]:
    """Columns of the first series minus the second, if both were measured."""
    difference = statistics.paired_difference(
        cells.cell(measured, first, budget).scores,
        cells.cell(measured, second, budget).scores,
    )
    if difference is None:
        return []
    relative = difference.relative
    return [
        {
            "relative, %": NO_VALUE
            if relative is None
            else f"{100 * relative:+.1f}",
            **cells.difference_columns(difference),
        }
    ]
