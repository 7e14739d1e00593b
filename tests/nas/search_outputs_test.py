"""What a search leaves when it is ended, and what its figures rest on."""

import csv
import json
import os
import signal
import sqlite3
import time

import pytest

from ofa_aec_tf.data.dataset_info import SINGLE_LABEL
from ofa_aec_tf.data.dataset_info import DatasetInfo
from tests import commands
from tests.nas.small_supernet import save_supernet
from tests.synthetic_data import write_dataset


def _inputs(directory, num_clips):
    write_dataset(directory, num_clips, num_shards=1, label_type=SINGLE_LABEL)
    path = directory / "supernet.keras"
    save_supernet(path, DatasetInfo.read(directory))
    return [f"--data_dir={directory}", f"--supernet={path}"]


@pytest.fixture(scope="module")
def inputs(tmp_path_factory):
    return _inputs(tmp_path_factory.mktemp("data"), (24, 12, 12))


def _num_finished(database):
    """Trials with a result, as Optuna stores them."""
    with sqlite3.connect(database) as connection:
        ((count,),) = connection.execute(
            "SELECT COUNT(*) FROM trials WHERE state = 'COMPLETE'"
        )
    return count


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_finished_trials_of_an_ended_search_are_in_its_table(
    inputs, tmp_path, number
):
    run = tmp_path / "run"
    arguments = [
        *inputs,
        f"--workdir={run}",
        "--num_calibration_clips=8",
        # Slow enough to be ended on the way.
        "--objective=mAP,int8_mAP,parameters",
        "--budget=any:parameters<=1M",
    ]
    process = commands.start(tmp_path, "ofa_aec_tf.search", *arguments)
    while process.is_alive() and not (run / "pareto.json").exists():
        time.sleep(0.05)
    os.kill(process.pid, number)
    process.join()
    with (run / "trials.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    num_finished = _num_finished(run / "study.db")
    results = json.loads((run / "pareto.json").read_text())
    assert 1 <= len(rows) <= num_finished < 8
    assert 1 <= results["num_trials"] <= num_finished
    assert not results["is_finished"]
    if number == signal.SIGTERM:
        assert len(rows) == results["num_trials"] == num_finished
        assert process.exitcode == 128 + number
        assert (tmp_path / "stderr").read_text().endswith("terminated\n")
    again = commands.run("ofa_aec_tf.search", *arguments)
    assert again.returncode == 0, again.stderr
    assert f"{num_finished} subnets were evaluated before" in again.stderr
    results = json.loads((run / "pareto.json").read_text())
    assert results["is_finished"]
    assert results["num_trials"] == 8


@pytest.mark.parametrize("place", ["file", "file/run", "run"])
def test_an_output_that_cannot_be_written_is_found_first(
    inputs, tmp_path, place
):
    (tmp_path / "file").write_text("")
    (tmp_path / "run" / "report.html").mkdir(parents=True)
    result = commands.run(
        "ofa_aec_tf.search", *inputs, f"--workdir={tmp_path / place}"
    )
    assert result.returncode == 2
    *_, last = result.stderr.splitlines()
    assert "cannot be written" in last and str(tmp_path / place) in last
    assert "subnet/s" not in result.stderr
    assert not (tmp_path / "run" / "study.db").exists()


def test_a_damaged_database_ends_in_one_line(inputs, tmp_path):
    (tmp_path / "study.db").write_bytes(b"no database" * 100)
    result = commands.run("ofa_aec_tf.search", *inputs, f"--workdir={tmp_path}")
    assert result.returncode == 2
    *_, last = result.stderr.splitlines()
    assert "study.db cannot be opened" in last
    assert "file is not a database" in last
    assert "Traceback" not in result.stderr


@pytest.mark.slow
def test_figures_of_few_classes_say_so_everywhere(tmp_path):
    # A clip to validate on and one to test, of the first of three classes.
    inputs = _inputs(tmp_path, (24, 1, 1))
    run = tmp_path / "run"
    result = commands.run(
        "ofa_aec_tf.search",
        *inputs,
        f"--workdir={run}",
        "--num_calibration_clips=8",
        "--method=random",
        "--population=2",
    )
    assert result.returncode == 0, result.stderr
    note = "validation split: mAP over 1 of 3 classes, without 'middle', 'high'"
    assert note in result.stdout
    assert "(validation split, 1 clips)" in result.stdout
    results = json.loads((run / "pareto.json").read_text())
    coverage = ("num_clips", "num_classes", "num_scored_classes")
    assert [results[name] for name in coverage] == [1, 3, 1]

    result = commands.run(
        "ofa_aec_tf.evaluate",
        inputs[0],
        f"--model={tmp_path / 'supernet.keras'}",
        "--num_calibration_clips=8",
        f"--output={tmp_path / 'metrics.json'}",
    )
    assert result.returncode == 0, result.stderr
    assert "test split: mAP over 1 of 3 classes" in result.stdout
    assert "'low' is 1 whatever the scores" in result.stdout
    (metrics,) = json.loads((tmp_path / "metrics.json").read_text()).values()
    assert [metrics[name] for name in coverage] == [1, 3, 1]
