"""Tables of the ablations and of the search methods."""

import math
import re
from collections.abc import Sequence

from ofa_aec_tf.experiments.reports import cells
from ofa_aec_tf.experiments.reports import measurements as measurements_lib
from ofa_aec_tf.experiments.reports import statistics
from ofa_aec_tf.experiments.reports.measurements import OFA
from ofa_aec_tf.experiments.reports.measurements import SPLITS
from ofa_aec_tf.experiments.reports.measurements import Measurement
from ofa_aec_tf.reports import document
from ofa_aec_tf.reports.document import Table
from ofa_aec_tf.runs.text_tables import NO_VALUE

# The title of each ablation, and the variant to compare others with.
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
    """Variants of the training, and their differences from the default.

    Args:
        measurements: sequence of Measurement.
        experiment: str. A key of ABLATIONS.

    Returns:
        list of Table, one for each split; empty if nothing was measured.
    """
    title, reference = ABLATIONS[experiment]
    tables = []
    for split in SPLITS:
        measured = measurements_lib.select(
            measurements, experiment, split=split
        )
        rows = [
            {
                "budget": budget or NO_VALUE,
                "variant": variant,
                **cell.columns(),
                **_less(measured, cell, budget, variant, reference),
            }
            for budget, variant, cell in _variants(measured)
        ]
        tables += document.tables(f"{title}, on the {split} split", rows)
    return tables


def search_methods(measurements: Sequence[Measurement]) -> list[Table]:
    """Search methods at equal numbers of evaluations.

    Args:
        measurements: sequence of Measurement.

    Returns:
        list of Table, one for each split; empty if nothing was measured.
    """
    tables = []
    for split in SPLITS:
        groups: dict[float, list[Measurement]] = {}
        for m in measurements_lib.select(measurements, _METHODS, split=split):
            number = m.costs.get(_EVALUATIONS, math.inf)
            groups.setdefault(number, []).append(m)
        rows = [
            {
                "evaluations": f"{number:,}" if number < math.inf else NO_VALUE,
                "budget": budget or NO_VALUE,
                "method": method,
                f"best {cells.MEAN_HEADER}": cell.score_text(),
                "hypervolume: mean ± sd [interval]": _hypervolume_text(cell),
                "seeds": str(len(cell.scores)),
                **_less(measured, cell, budget, method, _RANDOM),
            }
            for number, measured in sorted(groups.items())
            for budget, method, cell in _variants(measured)
        ]
        tables += document.tables(
            f"Search methods: best subnet found, on the {split} split", rows
        )
    return tables


def _variants(measured) -> list[tuple[str, str, cells.Cell]]:
    """Budget, series and cell of everything measured, in order."""
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
        return NO_VALUE
    return statistics.over_seeds(values).text(scale=1, decimals=4)


def _less(measured, cell, budget, name, reference) -> dict[str, str]:
    """The columns of the paired difference from a reference."""
    other = cells.cell(measured, reference, budget)
    difference = (
        None
        if name == reference
        else statistics.paired_difference(cell.scores, other.scores)
    )
    return cells.difference_columns(
        difference, f"less {reference}, {cells.DIFFERENCE_HEADER}"
    )
