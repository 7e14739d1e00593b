"""Results over folds and seeds, against NumPy and numbers by hand."""

import csv

import numpy as np
import pytest

from ofa_aec_tf.experiments.reports import fold_results
from ofa_aec_tf.experiments.reports.fold_results import FoldResult

FOLDS = (1, 2, 3)


def result(run, fold, seed, accuracy, teachers=(), network="small", **metrics):
    """A FoldResult of a network with 1,250,000 parameters."""
    return FoldResult(
        run,
        teachers,
        network,
        fold,
        seed,
        {"parameters": 1_250_000, "macs": 10**6},
        {"accuracy": accuracy, "mAP": None, **metrics},
    )


def results(run, accuracies, **more):
    """Of an array of accuracies with a row a seed and a column a fold."""
    return [
        result(run, fold, seed, accuracy, **more)
        for seed, row in enumerate(accuracies)
        for fold, accuracy in zip(FOLDS, row)
        if accuracy is not None
    ]


def run_of(accuracies):
    return fold_results.runs(results("a", accuracies), FOLDS)["a"]


def test_means_over_folds_and_over_seeds():
    values = np.random.default_rng(0).uniform(size=(4, 3))
    run = run_of(values)
    assert run.seeds("accuracy") == [0, 1, 2, 3]
    assert list(run.seed_means("accuracy").values()) == pytest.approx(
        values.mean(1)
    )
    assert run.fold_means("accuracy", [0, 1, 2, 3]) == pytest.approx(
        values.mean(0)
    )
    assert run.fold_means("accuracy", [1, 3]) == pytest.approx(
        values[[1, 3]].mean(0)
    )
    assert run.seeds("mAP") == [] and run.seed_means("mAP") == {}


def test_a_seed_with_a_missing_fold_does_not_count():
    run = run_of([[0.5, 0.6, 0.7], [0.9, None, 0.9]])
    assert run.seeds("accuracy") == [0]
    assert run.seed_means("accuracy") == {0: pytest.approx(0.6)}
    assert run.by_fold("accuracy") == {
        1: {0: 0.5, 1: 0.9},
        2: {0: 0.6},
        3: {0: 0.7, 1: 0.9},
    }


def test_differences_are_of_the_means_of_common_seeds():
    first = run_of([[0.6, 0.6, 0.9], [0.5, 0.5, 0.5], [0.0, 0.1, 0.2]])
    second = run_of([[0.5, 0.6, 0.7], [0.4, 0.7, 0.3], [0.0, None, 0.2]])
    found = fold_results.difference(first, second, "accuracy")
    over_seeds = found.over_seeds.statistics
    assert over_seeds.num_seeds == 2
    # Means over folds: 0.7 and 0.5 against 0.6 and 1.4 / 3.
    assert over_seeds.mean == pytest.approx((0.1 + 0.1 / 3) / 2)
    assert found.over_seeds.num_positive == 2
    # Over the seeds the folds differ by 0.1, -0.1 and 0.2.
    assert (found.num_positive_folds, found.num_folds) == (2, 3)


def test_a_tie_is_not_positive():
    first, second = run_of([[0.58, 0.1, 0.2]]), run_of([[0.58, 0.1, 0.2]])
    found = fold_results.difference(first, second, "accuracy")
    assert found.num_positive_folds == 0
    assert found.over_seeds.num_positive == 0


def test_without_a_common_seed_there_is_no_difference():
    whole, partial = run_of([[0.5, 0.6, 0.7]]), run_of([[0.5, None, 0.7]])
    assert fold_results.difference(whole, partial, "accuracy") is None


def test_a_result_is_there_once():
    twice = results("a", [[0.5, 0.6, 0.7]]) + [result("a", 2, 0, 0.6)]
    with pytest.raises(ValueError, match="'a' for fold 2 and seed 0.*two"):
        fold_results.runs(twice, FOLDS)


def test_all_results_are_in_the_table(tmp_path):
    path = tmp_path / "new" / "results.csv"
    fold_results.write_results(
        path,
        [
            result("a, b", 1, 0, 0.5),
            result("c", 2, 1, 0.25, teachers=("a, b", "d"), mAP=0.75),
        ],
    )
    with path.open(newline="", encoding="utf-8") as file:
        first, second = csv.DictReader(file)
    assert first == {
        "run": "a, b",
        "taught by": "",
        "network": "small",
        "fold": "1",
        "seed": "0",
        "parameters": "1250000",
        "macs": "1000000",
        "accuracy": "0.5",
        "mAP": "",
    }
    assert second["taught by"] == "a, b + d"
    assert (second["accuracy"], second["mAP"]) == ("0.25", "0.75")
