"""Tables of variants: of the training, and of the search."""

import math
import re
from collections.abc import Sequence

from ofa_aec_tf.experiments.reports import cells
from ofa_aec_tf.experiments.reports import measurements as measurements_lib
from ofa_aec_tf.experiments.reports import statistics
from ofa_aec_tf.experiments.reports.measurements import OFA
from ofa_aec_tf.experiments.reports.measurements import SPLITS
from ofa_aec_tf.experiments.reports.measurements import Measurement
from ofa_aec_tf.reports.document import Table

# For each ablation its title, and what the others are compared with.
ABLATIONS = {
    "equal_steps": ("Baselines with the steps of the supernet", OFA),
    "sampling": ("Sampling rule", "uniform"),
    "calibration": ("Calibration of batch normalization", "calibrated"),
    "subnets_per_step": ("Subnets a step", "K=4"),
    "stem": ("First block", "static"),
}
_METHODS, _RANDOM = "methods", "random"
_EVALUATIONS, _HYPERVOLUME = "evaluations", "hypervolume"
_DIGITS = re.compile(r"(\d+)")


def ablation(
    measurements: Sequence[Measurement], experiment: str
) -> list[Table]:
    """Variants of the training beside the one that the others go by.

    Args:
        measurements: sequence of Measurement.
        experiment: str. A key of ABLATIONS.

    Returns:
        list of Table, one a split; empty if nothing was measured.
    """
    title, reference = ABLATIONS[experiment]
    tables = []
    for split in SPLITS:
        measured = measurements_lib.select(
            measurements, experiment, split=split
        )
        rows = []
        for budget, variant, cell in _variants(measured):
            rows.append(
                (
                    budget or cells.NO_VALUE,
                    variant,
                    cell.parameters_text(),
                    cell.score_text(),
                    str(len(cell.scores)),
                    *_less(
                        cell,
                        cells.cell(measured, reference, budget),
                        variant != reference,
                    ),
                )
            )
        if rows:
            tables.append(
                Table(
                    f"{title}, on the {split} split",
                    (
                        "budget",
                        "variant",
                        "#params, M",
                        cells.MEAN_HEADER,
                        "seeds",
                        f"less {reference}, {cells.DIFFERENCE_HEADER}",
                        "positive in",
                    ),
                    tuple(rows),
                )
            )
    return tables


def search_methods(measurements: Sequence[Measurement]) -> list[Table]:
    """Search methods at equal numbers of evaluations.

    Args:
        measurements: sequence of Measurement.

    Returns:
        list of Table, one a split; empty if nothing was measured.
    """
    tables = []
    for split in SPLITS:
        groups: dict[float, list[Measurement]] = {}
        for m in measurements_lib.select(measurements, _METHODS, split=split):
            number = m.costs.get(_EVALUATIONS, math.inf)
            groups.setdefault(number, []).append(m)
        rows = []
        for number, measured in sorted(groups.items()):
            for budget, method, cell in _variants(measured):
                rows.append(
                    (
                        f"{number:,}" if number < math.inf else cells.NO_VALUE,
                        budget or cells.NO_VALUE,
                        method,
                        cell.score_text(),
                        _hypervolume_text(cell),
                        str(len(cell.scores)),
                        *_less(
                            cell,
                            cells.cell(measured, _RANDOM, budget),
                            method != _RANDOM,
                        ),
                    )
                )
        if rows:
            tables.append(
                Table(
                    f"Search methods: best subnet found, on the {split} split",
                    (
                        "evaluations",
                        "budget",
                        "method",
                        f"best {cells.MEAN_HEADER}",
                        "hypervolume: mean ± sd [interval]",
                        "seeds",
                        f"less {_RANDOM}, {cells.DIFFERENCE_HEADER}",
                        "positive in",
                    ),
                    tuple(rows),
                )
            )
    return tables


def _variants(measured) -> list[tuple[str, str, cells.Cell]]:
    """Budget, series and cell of all that was measured, in order."""
    series = sorted({m.series for m in measured}, key=_natural)
    return [
        (budget, name, cell)
        for budget in measurements_lib.budgets(measured)
        for name in series
        if (cell := cells.cell(measured, name, budget))
    ]


def _natural(name) -> list:
    """A sort key that has K=4 before K=16."""
    return [
        (0, int(part), "") if part.isdecimal() else (1, 0, part)
        for part in _DIGITS.split(name)
    ]


def _hypervolume_text(cell) -> str:
    values = list(cell.values(_HYPERVOLUME).values())
    if not values:
        return cells.NO_VALUE
    return statistics.over_seeds(values).text(scale=1, decimals=4)


def _less(cell, reference, compared) -> tuple[str, str]:
    """The paired difference from a reference as text."""
    difference = (
        statistics.paired_difference(cell.scores, reference.scores)
        if compared
        else None
    )
    if difference is None:
        return cells.NO_VALUE, cells.NO_VALUE
    return difference.statistics.text(signed=True), difference.positive_text()
