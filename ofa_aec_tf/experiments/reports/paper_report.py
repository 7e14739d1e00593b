"""The report of a reproduction of the paper, finished or still running."""

import pathlib
from collections.abc import Iterable
from collections.abc import Mapping

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
from ofa_aec_tf.reports.document import Block
from ofa_aec_tf.reports.document import Paragraph
from ofa_aec_tf.reports.document import Picture
from ofa_aec_tf.reports.document import Section
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
_SCORES = (
    f"Scores are in percent. {statistics.INTERVALS} Seeds vary the training of "
    "students, not their one teacher and not the clips: no interval says what "
    "another teacher or other clips would give. In the table of search methods "
    "seeds vary the draws of a method only."
)


def write_report(
    directory,
    measurements: Iterable[Measurement],
    facts: Mapping,
    title: str = "Reproduction of the paper",
) -> None:
    """Writes the report beside its measurements and figures.

    The files are `report.md`, `report.html` (which needs no other file),
    `measurements.csv`, and `figure3.png` and `figure4.png` as far as they were
    measured. What was not measured is left out, and named.

    Args:
        directory: path of a directory; created.
        measurements: iterable of Measurement.
        facts: dict of JSON types, as for `facts.section`.
        title: str.

    Raises:
        ValueError: if a thing was measured twice.
    """
    directory = pathlib.Path(directory)
    measurements = sorted(measurements, key=Measurement.key)
    # First, so that an error leaves an older report whole.
    sections = _sections(measurements, facts)
    measurements_lib.write_measurements(
        directory / measurements_lib.MEASUREMENTS, measurements
    )
    for picture in document.pictures(sections):
        workdir.write_bytes(directory / picture.file, picture.png)
    # Last: they show the others.
    document.write(directory, title, sections)


def _sections(measurements, facts) -> list[Section]:
    results = {
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
    missing = [heading for heading, blocks in results.items() if not blocks]
    # Those of search methods are of their draws, on one supernet.
    seeds = sorted({m.seed for m in measurements if m.experiment != "methods"})
    summary = [
        f"{len(measurements)} measurements of {len(seeds)} seeds"
        f"{_listed(seeds)}, all in {measurements_lib.MEASUREMENTS}."
    ]
    if missing:
        summary.append(f"Not measured yet: {', '.join(missing)}.")
    return [
        Section("Summary", tuple(map(Paragraph, [*summary, _SCORES]))),
        Section("Orderings of the paper", tuple(_claims(measurements))),
        *(
            Section(heading, tuple(blocks))
            for heading, blocks in results.items()
            if blocks
        ),
        facts_lib.section(facts),
    ]


def _listed(seeds) -> str:
    return f" ({', '.join(map(str, seeds))})" if seeds else ""


def _figure(file, png) -> list[Picture]:
    return [] if png is None else [Picture(file, png, _CAPTIONS[file])]


def _claims(measurements) -> list[Block]:
    blocks: list[Block] = [Paragraph(claims.VERDICTS)]
    found = claims.claims(measurements)
    for claim in found:
        blocks.append(
            Table(
                f"{claim.statement}: {claim.verdict}",
                (
                    "compared",
                    cells.DIFFERENCE_HEADER,
                    "positive in",
                    "verdict",
                ),
                tuple(map(_comparison, claim.comparisons)),
            )
        )
        blocks.append(Paragraph(f"The paper reports {claim.paper}."))
    missing = claims.NUM_CLAIMS - len(found)
    if missing:
        blocks.append(
            Paragraph(
                f"Of the paper's {claims.NUM_CLAIMS} orderings {missing} "
                "cannot be judged yet."
            )
        )
    return blocks


def _comparison(comparison) -> tuple[str, ...]:
    difference = comparison.difference
    numbers = (
        (cells.NO_VALUE, cells.NO_VALUE)
        if difference is None
        else (
            difference.statistics.text(signed=True),
            difference.positive_text(),
        )
    )
    return (comparison.text, *numbers, comparison.reason)
