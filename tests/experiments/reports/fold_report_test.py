"""The report of a cross-validation, whole and in part."""

import numpy as np
import pytest

from ofa_aec_tf.experiments.reports import fold_report
from tests.experiments.reports.fold_results_test import FOLDS
from tests.experiments.reports.fold_results_test import result
from tests.experiments.reports.fold_results_test import results
from tests.reports.document_test import Page

_ALONE = [[0.5, 0.6, 0.7], [0.4, 0.6, 0.5], [0.6, 0.6, 0.9]]
_TAUGHT = [[0.6, 0.6, 0.9], [0.5, 0.7, 0.6], [0.7, 0.6, 0.9]]
_FACTS = {"machine": "2 cores", "Data": {"fold 1": {"fingerprint": "ab12"}}}


def write(directory, measured):
    fold_report.write_report(
        directory, measured, FOLDS, 24, _FACTS, "Made up & small"
    )
    return (directory / "report.md").read_text("utf-8")


@pytest.fixture(scope="module")
def measured():
    return [
        *results("CNN", _ALONE, mAP=0.5),
        *results("large", [[0.75] * 3], network="large"),
        *results("CNN taught", _TAUGHT, teachers=("large", "CNN")),
    ]


def test_the_table_has_means_and_spreads(measured, tmp_path):
    text = write(tmp_path, measured)
    alone, taught = np.array(_ALONE), np.array(_TAUGHT)
    spreads = [100 * v.mean(0).std(ddof=1) for v in (alone, taught)]
    seeds = [100 * v.mean(1).std(ddof=1) for v in (alone, taught)]
    assert (
        f"| CNN | - | 1.25 | 60.00 ± {spreads[0]:.2f} | "
        f"60.00 ± {seeds[0]:.2f} [50.00, 70.00] | 50.00 ± 0.00 | "
        "50.00 ± 0.00 [50.00, 50.00] | 3 |" in text
    )
    assert (
        f"| CNN taught | large + CNN | 1.25 | 67.78 ± {spreads[1]:.2f} | "
        f"67.78 ± {seeds[1]:.2f} [60.00, 73.33] | - | - | 3 |" in text
    )
    assert "| large | - | 1.25 | 75.00 ± 0.00 | 75.00 (one seed) |" in text
    assert "| CNN taught | 60.00 | 63.33 | 80.00 | 3, 3, 3 |" in text
    assert "21 of 24 results, of the folds 1, 2, 3 and the seeds 0, 1, 2" in (
        text
    )
    assert "| fold 1 | fingerprint ab12 |" in text


def test_networks_are_compared_with_the_same_alone(measured, tmp_path):
    text = write(tmp_path, measured)
    # 10, 10 and 3.33 points; 10, 3.33 and 10 of the folds.
    assert (
        "| CNN taught less CNN | +7.78 ± 3.85 [+3.33, +10.00] | 3 of 3 | "
        in (text)
    )
    assert "| 3 of 3 | holds |" in text
    assert "less large" not in text and "large less" not in text
    # One seed fewer decides nothing.
    fewer = [r for r in measured if r.seed < 2]
    assert "undecided: 2 seeds, fewer than 3 |" in write(tmp_path, fewer)


@pytest.mark.parametrize("number", [0, 1, 3, 10, 21])
def test_a_report_can_be_written_at_any_time(measured, tmp_path, number):
    text = write(tmp_path, measured[:number])
    assert f"{number} of 24 results" in text
    assert "Made up \\& small" in text
    Page((tmp_path / "report.html").read_text("utf-8"))
    assert ("## Scores" in text) == (number > 0)
    lines = (tmp_path / "results.csv").read_text("utf-8").splitlines()
    assert len(lines) == 1 + number


def test_an_unfinished_seed_has_its_folds_but_no_mean(tmp_path):
    text = write(tmp_path, results("CNN", [[0.5, None, 0.75]]))
    assert "| CNN | - | 1.25 | - | - | 0 |" in text
    assert "| CNN | 50.00 | - | 75.00 | 1, 0, 1 |" in text


def test_an_error_leaves_the_old_report_alone(measured, tmp_path):
    before = write(tmp_path, measured)
    with pytest.raises(ValueError, match="Received: two"):
        write(tmp_path, [*measured, result("CNN", 1, 0, 0.1)])
    assert (tmp_path / "report.md").read_text("utf-8") == before
