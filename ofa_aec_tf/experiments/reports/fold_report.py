"""The report of a cross-validation, finished or still running."""

import itertools
import pathlib
from collections.abc import Iterable
from collections.abc import Mapping
from collections.abc import Sequence

import numpy as np

from ofa_aec_tf.experiments.reports import cells
from ofa_aec_tf.experiments.reports import claims
from ofa_aec_tf.experiments.reports import facts as facts_lib
from ofa_aec_tf.experiments.reports import fold_results
from ofa_aec_tf.experiments.reports import statistics
from ofa_aec_tf.experiments.reports.fold_results import FoldResult
from ofa_aec_tf.experiments.reports.fold_results import RunResults
from ofa_aec_tf.reports import document
from ofa_aec_tf.reports.document import Block
from ofa_aec_tf.reports.document import Paragraph
from ofa_aec_tf.reports.document import Section
from ofa_aec_tf.reports.document import Table

_PROTOCOL = (
    "Each fold tests once, and all others train, with no clips to validate on: "
    "nothing is chosen by what it reaches. A teacher has the fold and the seed "
    "of what it teaches, and has never heard a clip that tests."
)
_SCORES = (
    "Scores are in percent. Of each fold the mean over the seeds is taken; "
    "over the folds stand the mean of these and their standard deviation, of "
    "the sample, by n - 1. It says how much the folds differ, not how sure the "
    "mean is: what they train on is mostly the same. The other columns are "
    "over the seeds, of each the mean over all folds; a seed of which a fold "
    f"is missing is left out. {statistics.INTERVALS} Seeds vary trainings and "
    "teachers, not the clips."
)
_DIFFERENCES = (
    "Networks of one architecture, each run less an earlier one, so the one "
    "that was taught less the same alone. Of each seed the difference of the "
    "means over all folds counts, so that values are as many as the seeds; the "
    "folds are not counted as if they were independent. Beside it stands in "
    f"how many folds the mean over the seeds is larger. {claims.VERDICTS}"
)


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
        facts: dict of JSON types, as for `facts.section`.
        title: str.

    Raises:
        ValueError: if a thing was measured twice.
    """
    directory = pathlib.Path(directory)
    results = list(results)
    # First, so that an error leaves an older report whole.
    sections = _sections(results, folds, num_wanted, facts)
    fold_results.write_results(directory / fold_results.RESULTS, results)
    # Last: it shows the others.
    document.write(directory, title, sections)


def _sections(results, folds, num_wanted, facts) -> list[Section]:
    runs = fold_results.runs(results, folds)
    metrics = [
        metric
        for metric in fold_results.METRICS
        if any(metric in result.metrics for result in results)
    ]
    seeds = sorted({result.seed for result in results})
    summary = (
        f"{len(results)} of {num_wanted} results, of the folds "
        f"{_listed(folds)} and the seeds {_listed(seeds)}, all in "
        f"{fold_results.RESULTS}."
    )
    sections = [
        Section("Summary", tuple(map(Paragraph, (summary, _PROTOCOL, _SCORES))))
    ]
    if runs:
        tables = [
            _scores(runs, metrics),
            *(_scores_by_fold(runs, folds, metric) for metric in metrics),
        ]
        sections.append(Section("Scores", tuple(tables)))
    differences = [
        table for metric in metrics for table in _differences(runs, metric)
    ]
    if differences:
        blocks: list[Block] = [Paragraph(_DIFFERENCES), *differences]
        sections.append(
            Section("Differences of the same network", tuple(blocks))
        )
    return [*sections, facts_lib.section(facts)]


def _listed(numbers) -> str:
    return ", ".join(map(str, numbers))


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
                _listed(map(len, by_fold)),
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
