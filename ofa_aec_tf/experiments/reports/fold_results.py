"""Results of a cross-validation, one for each network, fold and seed."""

import csv
import dataclasses
import io
import math
from collections.abc import Iterable
from collections.abc import Mapping
from collections.abc import Sequence

import numpy as np

from ofa_aec_tf.experiments.reports import statistics
from ofa_aec_tf.runs import workdir

RESULTS = "results.csv"
ACCURACY, MAP = "accuracy", "mAP"
# The order of a report.
METRICS = (ACCURACY, MAP)
_TEACHERS_SEPARATOR = " + "
_NAMES = ("run", "taught by", "network", "fold", "seed")


@dataclasses.dataclass(frozen=True)
class FoldResult:
    """The scores of one network on the fold that tests it.

    Args:
        run: str. Name of the training.
        teachers: tuple of str. Names of the runs that taught it.
        network: str. Names the architecture.
        fold: int. The fold that it was not trained on.
        seed: int. Of its own training and those of its teachers.
        costs: dict of JSON numbers with `parameters`.
        metrics: dict of numbers. None means that there is no value.
    """

    run: str
    teachers: tuple[str, ...]
    network: str
    fold: int
    seed: int
    costs: Mapping[str, int | float]
    metrics: Mapping[str, float]

    def __post_init__(self):
        known = {k: v for k, v in self.metrics.items() if v is not None}
        object.__setattr__(self, "metrics", known)

    @property
    def teachers_text(self) -> str:
        """The teachers as text; "" if there are none."""
        return _TEACHERS_SEPARATOR.join(self.teachers)


class RunResults:
    """The results of one run.

    A seed counts once all folds are measured: a mean over fewer folds would be
    over other clips.

    Args:
        results: sequence of FoldResult of one run, one or more.
        folds: sequence of int. All folds that are to be measured.

    Raises:
        ValueError: if a fold was measured twice with one seed.
    """

    def __init__(self, results: Sequence[FoldResult], folds: Sequence[int]):
        self._folds = tuple(folds)
        self._results: dict[tuple[int, int], FoldResult] = {}
        for result in results:
            key = result.seed, result.fold
            if key in self._results:
                raise ValueError(
                    f"Expected one result of {result.run!r} for fold "
                    f"{result.fold} and seed {result.seed}. Received: two."
                )
            self._results[key] = result
        # The same for all of its results.
        self.teachers_text = results[0].teachers_text
        self.network = results[0].network
        self.parameters = results[0].costs["parameters"]

    def by_fold(self, metric: str) -> dict[int, dict[int, float]]:
        """The values of a metric by fold and seed, of all seeds."""
        values: dict[int, dict[int, float]] = {f: {} for f in self._folds}
        for (seed, fold), result in self._results.items():
            if metric in result.metrics:
                values[fold][seed] = result.metrics[metric]
        return values

    def seeds(self, metric: str) -> list[int]:
        """The seeds that count, sorted."""
        return sorted(
            set.intersection(*map(set, self.by_fold(metric).values()))
        )

    def seed_means(self, metric: str) -> dict[int, float]:
        """The mean over the folds, of each seed that counts."""
        values = self.by_fold(metric)
        return {
            seed: math.fsum(values[f][seed] for f in self._folds)
            / len(self._folds)
            for seed in self.seeds(metric)
        }

    def fold_means(self, metric: str, seeds: Iterable[int]) -> list[float]:
        """The mean over seeds, of each fold.

        Args:
            metric: str.
            seeds: iterable of int, of `seeds`.
        """
        seeds = list(seeds)
        return [
            float(np.mean([values[seed] for seed in seeds]))
            for values in self.by_fold(metric).values()
        ]


def runs(
    results: Iterable[FoldResult], folds: Sequence[int]
) -> dict[str, RunResults]:
    """The results by run, in order of appearance.

    Args:
        results: iterable of FoldResult.
        folds: sequence of int. All folds that are to be measured.
    """
    by_run: dict[str, list[FoldResult]] = {}
    for result in results:
        by_run.setdefault(result.run, []).append(result)
    return {name: RunResults(found, folds) for name, found in by_run.items()}


@dataclasses.dataclass(frozen=True)
class FoldDifference:
    """The difference of two runs.

    Args:
        over_seeds: PairedDifference of the means over the folds.
        num_positive_folds: int. Folds in which the first run has the larger
            mean over the common seeds.
        num_folds: int.
    """

    over_seeds: statistics.PairedDifference
    num_positive_folds: int
    num_folds: int


def difference(
    first: RunResults, second: RunResults, metric: str
) -> FoldDifference | None:
    """The first run minus the second, over the seeds that count in both.

    Args:
        first: RunResults.
        second: RunResults, of the same folds.
        metric: str.

    Returns:
        FoldDifference, or None if no seed counts in both.
    """
    over_seeds = statistics.paired_difference(
        first.seed_means(metric), second.seed_means(metric)
    )
    if over_seeds is None:
        return None
    common = set(first.seeds(metric)) & set(second.seeds(metric))
    pairs = list(
        zip(
            first.fold_means(metric, common),
            second.fold_means(metric, common),
        )
    )
    # Rounded, so that ties stay ties.
    return FoldDifference(
        over_seeds, sum(round(a - b, 12) > 0 for a, b in pairs), len(pairs)
    )


def write_results(path, results: Sequence[FoldResult]) -> None:
    """Writes results as CSV, in the order given.

    Args:
        path: path of the file.
        results: sequence of FoldResult.
    """
    rows = [
        dict(
            zip(_NAMES, (r.run, r.teachers_text, r.network, r.fold, r.seed)),
            **r.costs,
            **r.metrics,
        )
        for r in results
    ]
    numbers = [name for row in rows for name in row if name not in _NAMES]
    text = io.StringIO()
    writer = csv.DictWriter(
        text, [*_NAMES, *dict.fromkeys(numbers)], lineterminator="\n"
    )
    writer.writeheader()
    writer.writerows(rows)
    workdir.write_text(path, text.getvalue())
