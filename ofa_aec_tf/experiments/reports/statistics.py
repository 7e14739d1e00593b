"""Statistics over seeds: means, standard deviations, paired differences.

Intervals are bootstrap percentile intervals of the mean. With few seeds they
are too narrow. For two or three values the interval is the range of the values:
if these are distributed symmetrically around the mean, it contains the mean
with a probability of 1 - 2 / 2**n, so 50 % for two values and 75 % for three
instead of 95 %. For normally distributed values the coverage is 84 % with five
values and 91 % with ten (simulated). One value has no interval.
"""

import dataclasses
from collections.abc import Mapping
from collections.abc import Sequence

import numpy as np
import scipy.stats

CONFIDENCE = 0.95
# With fewer seeds every comparison is undecided.
MIN_SEEDS = 3
_NUM_RESAMPLES = 9999
_SEED = 0


@dataclasses.dataclass(frozen=True)
class SeedStatistics:
    """Statistics of one number over several seeds.

    Args:
        num_seeds: int.
        mean: float.
        standard_deviation: float. Of the sample, by n - 1; None for one seed.
        interval: tuple of the lower and the upper end of the bootstrap
            interval of the mean; None for one seed.
    """

    num_seeds: int
    mean: float
    standard_deviation: float | None
    interval: tuple[float, float] | None

    def text(
        self, scale: float = 100, decimals: int = 2, signed: bool = False
    ) -> str:
        """Mean ± standard deviation [interval], in percent unless scaled."""
        form = f"{'+' if signed else ''}.{decimals}f"
        mean = format(scale * self.mean, form)
        if self.interval is None:
            return f"{mean} (one seed)"
        deviation = format(scale * self.standard_deviation, f".{decimals}f")
        low, high = (format(scale * end, form) for end in self.interval)
        return f"{mean} ± {deviation} [{low}, {high}]"


@dataclasses.dataclass(frozen=True)
class PairedDifference:
    """The difference of two series, paired by seed.

    Args:
        statistics: SeedStatistics of the differences.
        num_positive: int. Seeds in which the first series is larger.
        relative: float. The mean difference divided by the mean of the second
            series over the same seeds; None if that is 0.
    """

    statistics: SeedStatistics
    num_positive: int
    relative: float | None

    def positive_text(self) -> str:
        """The number of positive seeds, such as "2 of 3"."""
        return f"{self.num_positive} of {self.statistics.num_seeds}"


def over_seeds(values: Sequence[float]) -> SeedStatistics:
    """Mean, standard deviation and interval of values.

    Args:
        values: sequence of float, one for each seed.

    Raises:
        ValueError: if there are none.
    """
    values = np.asarray(values, float)
    if not values.size:
        raise ValueError(
            "`values` must have at least one seed's value. Received: none"
        )
    mean = float(np.mean(values))
    if values.size == 1:
        return SeedStatistics(1, mean, None, None)
    interval = scipy.stats.bootstrap(
        (values,),
        np.mean,
        n_resamples=_NUM_RESAMPLES,
        confidence_level=CONFIDENCE,
        # Other methods need distinct or more values.
        method="percentile",
        rng=np.random.default_rng(_SEED),
    ).confidence_interval
    return SeedStatistics(
        values.size,
        mean,
        float(np.std(values, ddof=1)),
        (float(interval.low), float(interval.high)),
    )


def paired_difference(
    first: Mapping[int, float], second: Mapping[int, float]
) -> PairedDifference | None:
    """The first series minus the second, over the common seeds.

    Args:
        first: dict from seeds to values.
        second: dict from seeds to values.

    Returns:
        PairedDifference, or None if there is no common seed.
    """
    seeds = sorted(first.keys() & second.keys())
    if not seeds:
        return None
    # Rounded, so that ties stay ties: 0.58 - 0.5 is not 0.08.
    differences = [round(first[seed] - second[seed], 12) for seed in seeds]
    statistics = over_seeds(differences)
    base = float(np.mean([second[seed] for seed in seeds]))
    return PairedDifference(
        statistics,
        sum(difference > 0 for difference in differences),
        statistics.mean / base if base else None,
    )
