"""Cells of tables: measurements that differ only by their seed."""

from collections.abc import Iterable

import numpy as np

from ofa_aec_tf.experiments.reports import measurements as measurements_lib
from ofa_aec_tf.experiments.reports import statistics
from ofa_aec_tf.experiments.reports.measurements import METRIC
from ofa_aec_tf.experiments.reports.measurements import Measurement
from ofa_aec_tf.experiments.reports.statistics import PairedDifference
from ofa_aec_tf.runs.text_tables import NO_VALUE

# Search spaces of the paper, in its order.
PAPER_SPACES = ("[2,2,X]", "[2,X,X]", "[X,X,X]", "EW-only")
PARAMETERS_HEADER = "#params, M"
MEAN_HEADER = "mAP, %: mean ± sd [interval]"
DIFFERENCE_HEADER = "points: mean ± sd [interval]"


class Cell:
    """One series within one budget, on one split.

    Args:
        measurements: iterable of Measurement, each of another seed.

    Raises:
        ValueError: if a seed has two scores.
    """

    def __init__(self, measurements: Iterable[Measurement]):
        self._measurements = list(measurements)
        self.scores = self.values(METRIC)

    def __bool__(self):
        return bool(self.scores)

    def values(self, metric: str) -> dict[int, float]:
        """The values of a metric by seed."""
        return measurements_lib.values_by_seed(self._measurements, metric)

    @property
    def parameters(self) -> float:
        """Mean number of parameters; seeds may have found other subnets."""
        return float(np.mean([m.parameters for m in self._measurements]))

    @property
    def statistics(self) -> statistics.SeedStatistics:
        """Statistics of the mAP."""
        return statistics.over_seeds(list(self.scores.values()))

    def parameters_text(self) -> str:
        """Millions of parameters, with at least three digits."""
        return millions(self.parameters) if self else NO_VALUE

    def score_text(self) -> str:
        """The text below MEAN_HEADER."""
        return self.statistics.text() if self else NO_VALUE

    def columns(self) -> dict[str, str]:
        """Parameters, score and number of seeds, by header."""
        return {
            PARAMETERS_HEADER: self.parameters_text(),
            MEAN_HEADER: self.score_text(),
            "seeds": str(len(self.scores)),
        }


def cell(measurements: Iterable[Measurement], series: str, budget: str) -> Cell:
    """The cell of a series and a budget; empty if nothing was measured."""
    return Cell(
        m for m in measurements if (m.series, m.budget) == (series, budget)
    )


def difference_columns(
    difference: PairedDifference | None, header: str = DIFFERENCE_HEADER
) -> dict[str, str]:
    """A paired difference and the number of positive seeds, by header.

    Args:
        difference: PairedDifference, or None if there is no common seed.
        header: str. The header of the difference.
    """
    if difference is None:
        return {header: NO_VALUE, "positive in": NO_VALUE}
    return {
        header: difference.statistics.text(signed=True),
        "positive in": difference.positive_text(),
    }


def millions(parameters: float) -> str:
    """Millions as text, with two digits after the point, or three if small."""
    value = parameters / 1e6
    return f"{value:.2f}" if value >= 1 else f"{value:.3f}"


def spaces(measurements: Iterable[Measurement]) -> list[str]:
    """Search spaces among the series, the paper's first and in its order."""
    names = {m.series for m in measurements}
    paper = [name for name in PAPER_SPACES if name in names]
    return paper + sorted(names - set(paper))
