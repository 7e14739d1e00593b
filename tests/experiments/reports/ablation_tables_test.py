"""The tables of variants against hand-computed numbers."""

import pytest

from ofa_aec_tf.experiments.reports import ablation_tables
from tests.experiments.reports.paper_data import measurement


def test_variants_are_compared_with_the_reference_seed_by_seed():
    scores = {"K=16": [0.5, 0.6], "K=4": [0.4, 0.4], "K=1": [0.41]}
    (table,) = ablation_tables.ablation(
        [
            measurement("subnets_per_step", series, "1M", seed, mean)
            for series, means in scores.items()
            for seed, mean in enumerate(means)
        ],
        "subnets_per_step",
    )
    assert table.caption == "Subnets a step, on the test split"
    assert "less K=4, points: mean ± sd [interval]" in table.header
    assert [row[1:] for row in table.rows] == [
        ("K=1", "0.900", "41.00 (one seed)", "1", "+1.00 (one seed)", "1 of 1"),
        ("K=4", "0.900", "40.00 ± 0.00 [40.00, 40.00]", "2", "-", "-"),
        (
            "K=16",
            "0.900",
            "55.00 ± 7.07 [50.00, 60.00]",
            "2",
            "+15.00 ± 7.07 [+10.00, +20.00]",
            "2 of 2",
        ),
    ]


@pytest.mark.parametrize("experiment", ablation_tables.ABLATIONS)
def test_each_split_has_a_table_of_its_own(experiment):
    measured = [
        measurement(experiment, "variant", split=split)
        for split in ("validation", "test")
    ]
    tables = ablation_tables.ablation(measured, experiment)
    assert ["test" in tables[0].caption, "validation" in tables[1].caption] == [
        True,
        True,
    ]
    # No budget, and no reference to compare with.
    assert tables[0].rows == (
        ("-", "variant", "0.900", "50.00 (one seed)", "1", "-", "-"),
    )
    assert ablation_tables.ablation([], experiment) == []


def test_methods_are_compared_at_equal_evaluations():
    def found(method, evaluations, seed, mean, **metrics):
        return measurement(
            "methods",
            method,
            "1M",
            seed,
            costs={"parameters": 900_000, "evaluations": evaluations},
            metrics={"mAP": mean, **metrics},
            split="validation",
        )

    (table,) = ablation_tables.search_methods(
        [
            found("random", 1000, 0, 0.5),
            found("nsga2", 25, 0, 0.6, hypervolume=0.25),
            found("nsga2", 25, 1, 0.6, hypervolume=0.75),
            found("random", 25, 0, 0.5),
            found("random", 25, 1, 0.4),
        ]
    )
    assert table.rows == (
        (
            "25",
            "1M",
            "nsga2",
            "60.00 ± 0.00 [60.00, 60.00]",
            "0.5000 ± 0.3536 [0.2500, 0.7500]",
            "2",
            "+15.00 ± 7.07 [+10.00, +20.00]",
            "2 of 2",
        ),
        (
            "25",
            "1M",
            "random",
            "45.00 ± 7.07 [40.00, 50.00]",
            "-",
            "2",
            "-",
            "-",
        ),
        ("1,000", "1M", "random", "50.00 (one seed)", "-", "1", "-", "-"),
    )


def test_methods_without_a_number_of_evaluations_are_compared_too():
    measured = [measurement("methods", "random", split="validation")]
    (table,) = ablation_tables.search_methods(measured)
    assert table.rows[0][:3] == ("-", "-", "random")
    assert ablation_tables.search_methods([]) == []
