"""The report of a cross-validation, finished or still running."""

import itertools
import pathlib
from collections.abc import Iterable
from collections.abc import Mapping
from collections.abc import Sequence

import jinja2
import numpy as np

from ofa_aec_tf.experiments.reports import cells
from ofa_aec_tf.experiments.reports import claims
from ofa_aec_tf.experiments.reports import facts as facts_lib
from ofa_aec_tf.experiments.reports import fold_results
from ofa_aec_tf.experiments.reports import statistics
from ofa_aec_tf.experiments.reports.fold_results import FoldResult
from ofa_aec_tf.experiments.reports.fold_results import RunResults
from ofa_aec_tf.reports import document
from ofa_aec_tf.reports.document import Table
from ofa_aec_tf.runs.text_tables import NO_VALUE


def write_report(
    directory,
    results: Iterable[FoldResult],
    folds: Sequence[int],
    num_wanted: int,
    facts: Mapping,
    title: str,
) -> None:
    """Writes `report.md`, `report.html` and `results.csv`.

    Args:
        directory: path of a directory; created.
        results: iterable of FoldResult.
        folds: sequence of int. All folds to measure.
        num_wanted: int. Number of results once everything is measured.
        facts: dict of JSON types, as for `facts.tables`.
        title: str.

    Raises:
        ValueError: if a thing was measured twice.
    """
    directory = pathlib.Path(directory)
    results = list(results)
    runs = fold_results.runs(results, folds)
    metrics = [
        metric
        for metric in fold_results.METRICS
        if any(metric in result.metrics for result in results)
    ]
    # Rendered first, so that an error leaves the older report as it is.
    files = document.render(
        jinja2.PackageLoader(__package__, "templates"),
        "fold_report.jinja",
        title,
        num_results=len(results),
        num_wanted=num_wanted,
        folds=folds,
        seeds=sorted({result.seed for result in results}),
        table_file=fold_results.RESULTS,
        scores=[
            *_scores(runs, metrics),
            *(t for metric in metrics for t in _scores_by_fold(runs, metric)),
        ],
        differences=[
            table for metric in metrics for table in _differences(runs, metric)
        ],
        facts=facts_lib.tables(facts),
        confidence=statistics.CONFIDENCE,
        min_seeds=statistics.MIN_SEEDS,
    )
    fold_results.write_results(directory / fold_results.RESULTS, results)
    # Written last: the report refers to the table.
    document.write(directory, files)


def _scores(runs: Mapping[str, RunResults], metrics) -> list[Table]:
    rows = []
    for name, run in runs.items():
        row = {
            "run": name,
            "taught by": run.teachers_text or NO_VALUE,
            cells.PARAMETERS_HEADER: cells.millions(run.parameters),
        }
        for metric in metrics:
            seeds = run.seeds(metric)
            over_folds = over_seeds = NO_VALUE
            if seeds:
                over_folds = _over_folds(run.fold_means(metric, seeds))
                means = list(run.seed_means(metric).values())
                over_seeds = statistics.over_seeds(means).text()
            row |= {
                f"{metric}, % over the folds: mean ± sd": over_folds,
                f"{metric}, % over the seeds: mean ± sd [interval]": over_seeds,
            }
        rows.append({**row, "seeds": str(len(run.seeds(metrics[0])))})
    return document.tables("Mean over all folds", rows)


def _percent(values) -> str:
    """The mean of scores in percent."""
    return f"{100 * np.mean(values):.2f}" if values else NO_VALUE


def _over_folds(means) -> str:
    if len(means) < 2:
        return _percent(means)
    return f"{_percent(means)} ± {100 * np.std(means, ddof=1):.2f}"


def _scores_by_fold(runs: Mapping[str, RunResults], metric) -> list[Table]:
    rows = []
    for name, run in runs.items():
        by_fold = run.by_fold(metric)
        rows.append(
            {
                "run": name,
                **{
                    f"fold {fold}": _percent(list(values.values()))
                    for fold, values in by_fold.items()
                },
                "seeds": ", ".join(str(len(v)) for v in by_fold.values()),
            }
        )
    return document.tables(
        f"{metric}, % of each fold, mean over the seeds measured", rows
    )


def _differences(runs, metric) -> list[Table]:
    rows = []
    for (earlier, second), (later, first) in itertools.combinations(
        runs.items(), 2
    ):
        if first.network != second.network:
            continue
        difference = fold_results.difference(first, second, metric)
        if difference is None:
            continue
        over_seeds = difference.over_seeds
        comparison = claims.Comparison(f"{later} less {earlier}", over_seeds)
        rows.append(
            {
                "compared": comparison.text,
                cells.DIFFERENCE_HEADER: over_seeds.statistics.text(
                    signed=True
                ),
                "positive in seeds": over_seeds.positive_text(),
                "positive in folds": f"{difference.num_positive_folds} of "
                f"{difference.num_folds}",
                "verdict": comparison.reason,
            }
        )
    return document.tables(
        f"{metric}: is the first better than the second?", rows
    )
