"""The report of a reproduction of the paper, finished or still running."""

import pathlib
from collections.abc import Iterable
from collections.abc import Mapping

import jinja2

from ofa_aec_tf.experiments.reports import ablation_tables
from ofa_aec_tf.experiments.reports import cells
from ofa_aec_tf.experiments.reports import claims
from ofa_aec_tf.experiments.reports import facts as facts_lib
from ofa_aec_tf.experiments.reports import measurements as measurements_lib
from ofa_aec_tf.experiments.reports import paper_figures
from ofa_aec_tf.experiments.reports import paper_tables
from ofa_aec_tf.experiments.reports import statistics
from ofa_aec_tf.experiments.reports.measurements import Measurement
from ofa_aec_tf.reports import document
from ofa_aec_tf.reports.document import Picture
from ofa_aec_tf.reports.document import Table
from ofa_aec_tf.runs import workdir

FIGURE3, FIGURE4 = "figure3.png", "figure4.png"
_CAPTIONS = {
    FIGURE3: "Figure 3: test mAP of the subnets found in each search space, "
    "against their parameters. Means over the seeds; bars are standard "
    "deviations, and one seed has none. Lines stand a few points aside of "
    "each other.",
    FIGURE4: "Figure 4: validation mAP of all subnets of similar size. Boxes "
    "are the quartiles of all seeds together, with whiskers to the last "
    "subnet within 1.5 times their distance; each point is a subnet.",
}


def write_report(
    directory,
    measurements: Iterable[Measurement],
    facts: Mapping,
    title: str = "Reproduction of the paper",
) -> None:
    """Writes the report, its measurements and its figures.

    The files are `report.md`, `report.html` (which needs no other file),
    `measurements.csv`, `figure3.png` and `figure4.png`. The report lists what
    has not been measured yet.

    Args:
        directory: path of a directory; created.
        measurements: iterable of Measurement.
        facts: dict of JSON types, as for `facts.tables`.
        title: str.

    Raises:
        ValueError: if a thing was measured twice.
    """
    directory = pathlib.Path(directory)
    measurements = sorted(measurements, key=Measurement.key)
    results = _results(measurements)
    # Rendered first, so that an error leaves the older report as it is.
    files = document.render(
        jinja2.PackageLoader(__package__, "templates"),
        "paper_report.jinja",
        title,
        num_measurements=len(measurements),
        # Search methods have other seeds, all on one supernet.
        seeds=sorted(
            {m.seed for m in measurements if m.experiment != "methods"}
        ),
        table_file=measurements_lib.MEASUREMENTS,
        results=results,
        missing=[heading for heading, blocks in results.items() if not blocks],
        claims=[
            (claim, _claim_table(claim))
            for claim in claims.claims(measurements)
        ],
        num_claims=claims.NUM_CLAIMS,
        facts=facts_lib.tables(facts),
        confidence=statistics.CONFIDENCE,
        min_seeds=statistics.MIN_SEEDS,
    )
    measurements_lib.write_measurements(
        directory / measurements_lib.MEASUREMENTS, measurements
    )
    for blocks in results.values():
        for block in blocks:
            if isinstance(block, Picture):
                workdir.write_bytes(directory / block.file, block.png)
    # Written last: the report shows the other files.
    document.write(directory, files)


def _results(measurements) -> dict[str, list[Table | Picture]]:
    """Tables and figures by heading; none where nothing was measured."""
    return {
        "Table 1": paper_tables.table1(measurements),
        "Table 2": paper_tables.table2(measurements),
        "Search spaces (Figure 3)": [
            *_figure(FIGURE3, paper_figures.figure3(measurements)),
            *paper_tables.subnets_found(measurements),
        ],
        "Subnets of similar size (Figure 4)": [
            *_figure(FIGURE4, paper_figures.figure4(measurements)),
            *paper_tables.subnet_variance(measurements),
        ],
        **{
            heading: ablation_tables.ablation(measurements, experiment)
            for experiment, (heading, _) in ablation_tables.ABLATIONS.items()
        },
        "Search methods": ablation_tables.search_methods(measurements),
    }


def _figure(file, png) -> list[Picture]:
    return [] if png is None else [Picture(file, png, _CAPTIONS[file])]


def _claim_table(claim) -> Table:
    (table,) = document.tables(
        f"{claim.statement}: {claim.verdict}",
        [
            {
                "compared": comparison.text,
                **cells.difference_columns(comparison.difference),
                "verdict": comparison.reason,
            }
            for comparison in claim.comparisons
        ],
    )
    return table
