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
        folds: sequence of int. All folds that are to be measured.
        num_wanted: int. Results when all is measured.
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
    # First, so that an error leaves an older report whole.
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
            _scores(runs, metrics),
            *(_scores_by_fold(runs, folds, metric) for metric in metrics),
        ]
        if runs
        else [],
        differences=[
            table for metric in metrics for table in _differences(runs, metric)
        ],
        facts=facts_lib.tables(facts),
        confidence=statistics.CONFIDENCE,
        min_seeds=statistics.MIN_SEEDS,
    )
    fold_results.write_results(directory / fold_results.RESULTS, results)
    # Last: it shows the others.
    document.write(directory, files)


def _scores(runs: Mapping[str, RunResults], metrics) -> Table:
    rows = []
    for name, run in runs.items():
        row = [
            name,
            run.teachers_text or cells.NO_VALUE,
            cells.millions(run.parameters),
        ]
        for metric in metrics:
            seeds = run.seeds(metric)
            if seeds:
                means = run.seed_means(metric)
                row.append(_over_folds(run.fold_means(metric, seeds)))
                row.append(statistics.over_seeds(list(means.values())).text())
            else:
                row += [cells.NO_VALUE] * 2
        rows.append((*row, str(len(run.seeds(metrics[0])))))
    return Table(
        "Mean over all folds",
        (
            "run",
            "taught by",
            "#params, M",
            *(
                f"{metric}, % {over}"
                for metric in metrics
                for over in (
                    "over the folds: mean ± sd",
                    "over the seeds: mean ± sd [interval]",
                )
            ),
            "seeds",
        ),
        tuple(rows),
    )


def _over_folds(means) -> str:
    text = f"{100 * np.mean(means):.2f}"
    if len(means) > 1:
        text += f" ± {100 * np.std(means, ddof=1):.2f}"
    return text


def _scores_by_fold(runs, folds, metric) -> Table:
    rows = []
    for name, run in runs.items():
        by_fold = run.by_fold(metric).values()
        rows.append(
            (
                name,
                *(
                    f"{100 * np.mean(list(values.values())):.2f}"
                    if values
                    else cells.NO_VALUE
                    for values in by_fold
                ),
                ", ".join(str(len(values)) for values in by_fold),
            )
        )
    return Table(
        f"{metric}, % of each fold, mean over the seeds measured",
        ("run", *(f"fold {fold}" for fold in folds), "seeds"),
        tuple(rows),
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
            (
                comparison.text,
                over_seeds.statistics.text(signed=True),
                over_seeds.positive_text(),
                f"{difference.num_positive_folds} of {difference.num_folds}",
                comparison.reason,
            )
        )
    table = Table(
        f"{metric}: is the first better than the second?",
        (
            "compared",
            cells.DIFFERENCE_HEADER,
            "positive in seeds",
            "positive in folds",
            "verdict",
        ),
        tuple(rows),
    )
    return [table] if rows else []
