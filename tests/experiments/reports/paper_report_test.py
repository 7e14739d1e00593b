"""The report of a whole, a partial and an empty reproduction."""

import base64

import pytest

from ofa_aec_tf.experiments.reports import measurements as measurements_lib
from ofa_aec_tf.experiments.reports import paper_report
from tests.experiments.reports import paper_data
from tests.reports.document_test import Page

_FACTS = {
    "corpus": {"name": "<ESC>_10", "clips": {"train": 240, "test": 80}},
    "machine": "2 cores",
    "seconds a stage": {"teacher": 1234.5678, "supernet": None},
    "classes": {"names": ["dog", "rain"]},
    "seeds": [0, 1],
}


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    directory = tmp_path_factory.mktemp("report") / "new"
    paper_report.write_report(
        directory, paper_data.whole(), _FACTS, title="Made up & small"
    )
    return directory


def test_all_files_are_there_and_no_others(written):
    assert sorted(path.name for path in written.iterdir()) == [
        "figure3.png",
        "figure4.png",
        "measurements.csv",
        "report.html",
        "report.md",
    ]
    table = (written / "measurements.csv").read_text("utf-8")
    assert table == measurements_lib.measurements_table(paper_data.whole())


def test_the_report_has_all_parts_in_order(written):
    lines = (written / "report.md").read_text("utf-8").splitlines()
    assert lines[0] == "# Made up \\& small"
    assert [line[3:] for line in lines if line.startswith("## ")] == [
        "Summary",
        "Orderings of the paper",
        "Table 1",
        "Table 2",
        "Search spaces (Figure 3)",
        "Subnets of similar size (Figure 4)",
        "Baselines with the steps of the supernet",
        "Sampling rule",
        "Calibration of batch normalization",
        "Subnets a step",
        "First block",
        "Search methods",
        "How it was measured",
    ]
    text = "\n".join(lines)
    assert "573 measurements of 3 seeds (0, 1, 2)" in text
    assert "Not measured" not in text and "cannot be judged" not in text


def test_facts_are_tables(written):
    text = (written / "report.md").read_text("utf-8")
    assert "| name | \\<ESC\\>\\_10 |" in text
    assert "| clips | train 240, test 80 |" in text
    assert "| machine | 2 cores |" in text
    assert "| teacher | 1234.57 |\n| supernet | - |" in text
    assert "| names | dog, rain |" in text
    assert "| seeds | 0, 1 |" in text


def test_the_page_holds_the_pictures_and_the_same_numbers(written):
    page = Page((written / "report.html").read_text("utf-8"))
    addresses = [
        value for _, name, value in page.attributes if name in ("src", "href")
    ]
    pictures = [base64.b64decode(value.split(",")[1]) for value in addresses]
    assert pictures == [
        (written / name).read_bytes() for name in ("figure3.png", "figure4.png")
    ]
    cells = [text for tag, text in page.texts if tag == "td"]
    rows = [
        [cell.strip().replace("\\", "") for cell in line[1:-1].split(" | ")]
        for line in (written / "report.md").read_text("utf-8").splitlines()
        if line.startswith("| ") and not line.startswith("| -")
    ]
    in_markdown = {cell for row in rows for cell in row}
    assert cells and set(cells) <= in_markdown


def test_verdicts_are_in_the_report(tmp_path):
    scores = {"OFA": [0.5, 0.6, 0.7], "KD": [0.4, 0.5, 0.7], "scratch": [0.3]}
    paper_report.write_report(
        tmp_path,
        [
            paper_data.measurement("table1", series, "1M", seed, mean)
            for series, means in scores.items()
            for seed, mean in enumerate(means)
        ],
        {},
    )
    text = (tmp_path / "report.md").read_text("utf-8")
    assert "smallest budget measured, 1M: undecided**" in text
    assert (
        "| mAP at 1M: OFA less KD | +6.67 ± 5.77 [+0.00, +10.00] | 2 of 3 | "
        "undecided: the interval contains 0 |" in text
    )
    assert (
        "| mAP at 1M: KD less scratch | +10.00 (one seed) | 1 of 1 | "
        "undecided: one seed, fewer than 3 |" in text
    )
    assert "Of the paper's 3 orderings 2 cannot be judged yet." in text
    assert "No facts were given." in text
    assert "Not measured yet: Table 2, Search spaces (Figure 3)," in text
    assert not (tmp_path / "figure3.png").exists()


@pytest.mark.parametrize("number", [0, 1, 2, 7, 40, 150])
def test_a_report_can_be_written_at_any_time(tmp_path, number):
    measured = paper_data.whole(seeds=(5, 3))[:number]
    paper_report.write_report(tmp_path, measured, _FACTS)
    Page((tmp_path / "report.html").read_text("utf-8"))
    text = (tmp_path / "report.md").read_text("utf-8")
    assert f"{number} measurements of" in text
    assert "Not measured yet: " in text


def test_an_error_leaves_the_old_report_alone(tmp_path):
    measured = [paper_data.measurement("table1", "KD", "1M")]
    paper_report.write_report(tmp_path, measured, {})
    before = {p.name: p.read_bytes() for p in tmp_path.iterdir()}
    again = paper_data.measurement("table1", "KD", "1M", subnet={"width": 1})
    for second in (measured[0], again):
        with pytest.raises(ValueError, match="Received: two"):
            paper_report.write_report(tmp_path, [*measured, second], {})
    assert {p.name: p.read_bytes() for p in tmp_path.iterdir()} == before
