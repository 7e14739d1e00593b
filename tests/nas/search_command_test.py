"""Runs the command as a user does, on a small supernet and data set."""

import csv
import json
import subprocess
import sys

import pytest

from tests.nas.small_supernet import save_supernet
from tests.synthetic_data import write_dataset


@pytest.fixture(scope="module")
def inputs(tmp_path_factory):
    data_dir = tmp_path_factory.mktemp("data")
    dataset, _ = write_dataset(data_dir)
    supernet = tmp_path_factory.mktemp("supernet") / "supernet.keras"
    save_supernet(supernet, dataset)
    return [f"--data_dir={data_dir}", f"--supernet={supernet}"]


def _search(inputs, *arguments):
    return subprocess.run(
        [sys.executable, "-m", "ofa_aec_tf.search", *inputs, *arguments],
        capture_output=True,
        text=True,
    )


@pytest.mark.slow
def test_a_search_chooses_for_each_budget_and_resumes(inputs, tmp_path):
    arguments = [
        f"--workdir={tmp_path}",
        "--num_calibration_clips=8",
        "--budget=small:parameters<=2.2k",
        "--budget=any:parameters<=1M",
    ]
    result = _search(inputs, *arguments)
    assert result.returncode == 0, result.stderr
    assert "retracing" not in result.stderr
    assert "8 subnets evaluated, 0 failed" in result.stdout
    report = json.loads((tmp_path / "pareto.json").read_text())
    small, everything = report["budgets"]
    assert small["chosen"]["costs"]["parameters"] <= 2200
    assert everything["num_evaluated"] == everything["num_feasible"] == 8
    rows = list(csv.DictReader((tmp_path / "trials.csv").open()))
    assert (
        float(max(rows, key=lambda row: float(row["mAP"]))["mAP"])
        == (everything["chosen"]["metrics"]["mAP"])
    )
    assert (tmp_path / "pareto.png").stat().st_size > 10_000

    first = {
        name: (tmp_path / name).read_bytes()
        for name in ("pareto.json", "trials.csv", "pareto.png")
    }
    again = _search(inputs, *arguments)
    assert again.returncode == 0, again.stderr
    assert "8 of 8 subnets were evaluated before" in again.stderr
    for name, content in first.items():
        assert (tmp_path / name).read_bytes() == content

    other = _search(inputs, *arguments, "--seed=1")
    assert other.returncode == 2
    assert "seed was 0 and is now 1" in other.stderr


@pytest.mark.slow
def test_memory_for_shared_activations_changes_no_result(inputs, tmp_path):
    tables = {}
    for gib in ("0", "1"):
        directory = tmp_path / gib
        result = _search(
            inputs,
            f"--workdir={directory}",
            "--num_calibration_clips=8",
            f"--cache_gib={gib}",
        )
        assert result.returncode == 0, result.stderr
        tables[gib] = (directory / "trials.csv").read_text()
    assert tables["0"] == tables["1"]


def test_an_infeasible_budget_ends_in_one_line_and_writes_nothing(
    inputs, tmp_path
):
    result = _search(
        inputs, f"--workdir={tmp_path / 'run'}", "--budget=tiny:parameters<=60"
    )
    assert result.returncode == 2
    message = result.stderr.splitlines()[-1]
    assert message.startswith("error: No subnet of the space keeps the budget")
    assert "nearest above: {" in message
    assert not (tmp_path / "run").exists()
