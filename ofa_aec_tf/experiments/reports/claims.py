"""Whether the orderings that the paper reports are reproduced.

Each is judged by differences that are paired by seed. It holds if the whole
interval of the mean difference is above 0, fails if it is below, and is
undecided if it contains 0 or if there are fewer than three seeds. With three
seeds an interval excludes 0 whenever all differences have the same sign, which
happens by chance in one case of four: such a verdict is weak.
"""

import dataclasses
from collections.abc import Mapping
from collections.abc import Sequence

import numpy as np

from ofa_aec_tf.experiments.reports import cells
from ofa_aec_tf.experiments.reports import measurements as measurements_lib
from ofa_aec_tf.experiments.reports import paper_tables
from ofa_aec_tf.experiments.reports import statistics
from ofa_aec_tf.experiments.reports.measurements import KD
from ofa_aec_tf.experiments.reports.measurements import OFA
from ofa_aec_tf.experiments.reports.measurements import OFA_LONG
from ofa_aec_tf.experiments.reports.measurements import SCRATCH
from ofa_aec_tf.experiments.reports.measurements import Measurement

HOLDS, FAILS, UNDECIDED = "holds", "does not hold", "undecided"
NUM_CLAIMS = 3
_LAST_BLOCK, _ALL_BLOCKS = "[2,2,X]", "[X,X,X]"


@dataclasses.dataclass(frozen=True)
class Comparison:
    """A difference that is positive according to a claim.

    Args:
        text: str. What is compared.
        difference: PairedDifference, or None if nothing was measured.
    """

    text: str
    difference: statistics.PairedDifference | None

    @property
    def verdict(self) -> str:
        """HOLDS, FAILS or UNDECIDED."""
        if self.difference is None:
            return UNDECIDED
        found = self.difference.statistics
        if found.num_seeds < statistics.MIN_SEEDS:
            return UNDECIDED
        low, high = found.interval
        return HOLDS if low > 0 else FAILS if high < 0 else UNDECIDED

    @property
    def reason(self) -> str:
        """The verdict in words, with its reason."""
        if self.difference is None:
            return f"{UNDECIDED}: not measured in a common seed"
        number = self.difference.statistics.num_seeds
        if number < statistics.MIN_SEEDS:
            seeds = "one seed" if number == 1 else f"{number} seeds"
            return f"{UNDECIDED}: {seeds}, fewer than {statistics.MIN_SEEDS}"
        if self.verdict == UNDECIDED:
            return f"{UNDECIDED}: the interval contains 0"
        return self.verdict


@dataclasses.dataclass(frozen=True)
class Claim:
    """An ordering that the paper reports.

    Args:
        statement: str. The ordering.
        paper: str. The paper's own numbers for it.
        comparisons: tuple of Comparison. It holds if all of them do.
    """

    statement: str
    paper: str
    comparisons: tuple[Comparison, ...]

    @property
    def verdict(self) -> str:
        """HOLDS if all comparisons do, FAILS if one does."""
        verdicts = {comparison.verdict for comparison in self.comparisons}
        if FAILS in verdicts:
            return FAILS
        return HOLDS if verdicts == {HOLDS} else UNDECIDED


def claims(measurements: Sequence[Measurement]) -> list[Claim]:
    """The three orderings of the paper.

    Args:
        measurements: sequence of Measurement.

    Returns:
        list of Claim, without those that nothing was measured for.
    """
    found = [
        _smallest_budget(measurements),
        _search_spaces(measurements),
        _fine_tuning(measurements),
    ]
    return [
        claim
        for claim in found
        if any(c.difference is not None for c in claim.comparisons)
    ]


def _smallest_budget(measurements) -> Claim:
    measured = measurements_lib.select(measurements, "table1", split="test")
    scores = {}
    budget = next(iter(_budgets(measured)), "")
    for series in (OFA, KD, SCRATCH):
        scores[series] = cells.cell(measured, series, budget).scores
    return Claim(
        f"OFA > KD > scratch at the smallest budget measured, {budget}",
        "26.6 > 24.8 > 21.2 % mAP on AudioSet at 0.9M and 1.0M, one run "
        "each: OFA is better by 7.3 % and 25.4 % (relative)",
        tuple(
            Comparison(
                f"mAP at {budget}: {first} less {second}",
                statistics.paired_difference(scores[first], scores[second]),
            )
            for first, second in ((OFA, KD), (KD, SCRATCH))
        ),
    )


def _search_spaces(measurements) -> Claim:
    means, spreads = {}, {}
    for space in (_LAST_BLOCK, _ALL_BLOCKS):
        means[space], spreads[space] = _subnet_moments(measurements, space)
    return Claim(
        f"{_LAST_BLOCK} is better than {_ALL_BLOCKS} and varies less, over "
        "the subnets of all budgets",
        "a better mean and the lower spread at all four budgets, by its "
        "Figure 4",
        (
            Comparison(
                f"mean mAP of the subnets: {_LAST_BLOCK} less {_ALL_BLOCKS}",
                _difference_over_budgets(
                    means[_LAST_BLOCK], means[_ALL_BLOCKS]
                ),
            ),
            Comparison(
                f"sd of the subnets' mAP: {_ALL_BLOCKS} less {_LAST_BLOCK}",
                _difference_over_budgets(
                    spreads[_ALL_BLOCKS], spreads[_LAST_BLOCK]
                ),
            ),
        ),
    )


def _fine_tuning(measurements) -> Claim:
    measured = measurements_lib.select(measurements, "table2", split="test")
    budgets = _budgets(measured)
    gains = {}
    for budget in budgets:
        before = cells.cell(measured, OFA, budget).scores
        after = cells.cell(measured, OFA_LONG, budget).scores
        gains[budget] = {
            seed: after[seed] - before[seed]
            for seed in before.keys() & after.keys()
        }
    small, large = (budgets[0], budgets[-1]) if budgets else ("", "")
    return Claim(
        "Fine-tuning helps large subnets more than small ones, "
        f"{large} more than {small}",
        "a gain of 0.6 points at 3.6M and of 0.1 at 0.9M on AudioSet, one "
        "run each",
        (
            Comparison(
                f"gain of {OFA_LONG}: at {large} less at {small}",
                statistics.paired_difference(gains[large], gains[small])
                if small != large
                else None,
            ),
        ),
    )


def _budgets(measured) -> list[str]:
    """Names of budgets, the smallest first; the teacher has none."""
    return [name for name in measurements_lib.budgets(measured) if name]


def _subnet_moments(measurements, space) -> tuple[dict, dict]:
    """Mean and standard deviation of a space's subnets, by budget and seed."""
    means, spreads = {}, {}
    for budget in _budgets(
        measurements_lib.select(measurements, "figure4", space)
    ):
        scores = paper_tables.scores_of_subnets(measurements, space, budget)
        means[budget] = {
            seed: float(np.mean(values)) for seed, values in scores.items()
        }
        # One subnet has no standard deviation.
        spreads[budget] = {
            seed: float(np.std(values, ddof=1))
            for seed, values in scores.items()
            if len(values) > 1
        }
    return means, spreads


def _difference_over_budgets(
    first: Mapping[str, Mapping[int, float]],
    second: Mapping[str, Mapping[int, float]],
) -> statistics.PairedDifference | None:
    """The paired difference of means over the common budgets.

    Seeds that lack one of these budgets are left out: their means would be
    over other budgets.
    """
    budgets = [
        budget for budget in first if first[budget] and second.get(budget)
    ]
    if not budgets:
        return None
    seeds = set.intersection(
        *(
            set(series[budget])
            for series in (first, second)
            for budget in budgets
        )
    )
    return statistics.paired_difference(
        *(
            {
                seed: float(np.mean([series[b][seed] for b in budgets]))
                for seed in seeds
            }
            for series in (first, second)
        )
    )
