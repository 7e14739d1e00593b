"""Runs the command as a user does, on a small supernet and data set."""

import csv
import json

import pytest

from ofa_aec_tf.data.dataset_info import DatasetInfo
from ofa_aec_tf.deployment.latency import latency_table
from ofa_aec_tf.deployment.network_files import NetworkFiles
from tests import commands
from tests.nas.small_supernet import save_supernet
from tests.synthetic_data import write_dataset


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory):
    directory = tmp_path_factory.mktemp("data")
    write_dataset(directory)
    return directory


@pytest.fixture(scope="module")
def supernet_path(tmp_path_factory):
    return tmp_path_factory.mktemp("supernet") / "supernet.keras"


@pytest.fixture(scope="module")
def family(data_dir, supernet_path):
    """That of the supernet, which is saved."""
    return save_supernet(supernet_path, DatasetInfo.read(data_dir)).family


@pytest.fixture(scope="module")
def inputs(data_dir, supernet_path, family):
    return [f"--data_dir={data_dir}", f"--supernet={supernet_path}"]


def _search(inputs, *arguments):
    return commands.run("ofa_aec_tf.search", *inputs, *arguments)


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
    assert "small: 4 of 8 subnets keep parameters<=2.2k" in result.stdout
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
    assert "8 subnets were evaluated before" in again.stderr
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


@pytest.mark.slow
def test_an_int8_front_is_of_quantized_subnets(inputs, tmp_path):
    result = _search(
        inputs,
        f"--workdir={tmp_path}",
        f"--storage=journal:{tmp_path / 'search.log'}",
        "--num_calibration_clips=8",
        "--method=random",
        "--population=3",
        "--objective=int8_mAP,mAP,peak_activation_bytes",
        "--budget=any:parameters<=1M",
    )
    assert result.returncode == 0, result.stderr
    assert (tmp_path / "search.log").is_file()
    assert not (tmp_path / "study.db").exists()
    report = json.loads((tmp_path / "pareto.json").read_text())
    assert report["method"] == "random"
    assert report["objective"] == "int8_mAP"
    assert report["objectives"] == [
        "int8_mAP",
        "mAP",
        "peak_activation_bytes",
    ]
    rows = list(csv.DictReader((tmp_path / "trials.csv").open()))
    assert len(rows) == 3
    # Rounding moves the scores of a random network.
    assert any(row["int8_mAP"] != row["mAP"] for row in rows)
    (budget,) = report["budgets"]
    best = max(float(row["int8_mAP"]) for row in rows)
    assert budget["chosen"]["metrics"]["int8_mAP"] == best
    # Other qualities are another search.
    other = _search(inputs, f"--workdir={tmp_path}", "--objective=mAP")
    assert other.returncode == 2
    assert "qualities was ['int8_mAP', 'mAP']" in other.stderr


@pytest.mark.slow
def test_few_trials_of_a_predictor_are_not_lost(inputs, tmp_path):
    result = _search(
        inputs,
        f"--workdir={tmp_path}",
        "--num_calibration_clips=8",
        "--method=predictor",
        "--population=3",
    )
    assert result.returncode == 0, result.stderr
    assert "No rank correlation of the predictor" in result.stderr
    report = json.loads((tmp_path / "pareto.json").read_text())
    assert report["num_trials"] == 8
    assert report["predictor"] is None


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--objective=macs"], "needs a quality of"),
        (["--objective=mAP,latency_ms"], "An objective is one of"),
        (["--objective=mAP,macs,macs"], "Objectives must be distinct"),
        (["--storage=nonsense"], "The storage nonsense cannot be opened"),
        (["--latency_mode=int8"], "--latency_mode is for --latency_table"),
        (["--latency_threads=1"], "is for --latency_table or"),
        (["--latency_runs=9"], "--latency_runs is for --measure_latency"),
        (
            ["--max_measured_latencies=9"],
            "--max_measured_latencies is for --measure_latency",
        ),
        (
            ["--measure_latency=int8", "--latency_table=here.json"],
            "Give one of the two",
        ),
        (
            ["--measure_latency=int8", "--latency_mode=int8"],
            "--latency_mode is for --latency_table",
        ),
        (
            [
                "--measure_latency=int8",
                "--budget=x:parameters<=60,latency_ms<=1",
            ],
            "nearest above: {",
        ),
    ],
)
def test_a_mistake_ends_in_one_line(inputs, tmp_path, arguments, message):
    result = _search(inputs, f"--workdir={tmp_path / 'run'}", *arguments)
    assert result.returncode == 2
    assert message in result.stderr.splitlines()[-1]


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


def _write_latencies(path, family, data_dir, num_subnets):
    """A table of a device that takes 1 ms, and 1 ms for each 100,000 MACs."""
    num_frames = DatasetInfo.read(data_dir).num_frames
    rows = []
    for subnet in list(family.search_space().enumerate())[:num_subnets]:
        macs = family.complexity(subnet, num_frames).macs
        network = latency_table.network(
            family.record(),
            subnet,
            num_frames,
            "int8",
        )
        rows.append(
            {
                "file": "net.tflite",
                "threads": 1,
                "latency_ms": {"median": 1 + macs / 1e5},
                "macs": macs,
                "network": network,
            }
        )
    latency_table.write(path, "phone", rows)
    return [1 + row["macs"] / 1e5 for row in rows]


@pytest.mark.slow
def test_a_search_keeps_a_latency_on_a_device(
    inputs, family, data_dir, tmp_path
):
    table = tmp_path / "latency.json"
    first = _write_latencies(table, family, data_dir, 3)
    run = [f"--workdir={tmp_path / 'run'}", "--num_calibration_clips=8"]
    # Before there is a table: its trials get their latencies afterwards.
    assert _search(inputs, *run).returncode == 0
    limit_ms = max(first) + 0.001
    result = _search(
        inputs,
        *run,
        f"--latency_table={table}",
        f"--budget=fast:latency_ms<={limit_ms:.3f}",
        "--budget=slow:latency_ms<=1M",
    )
    assert result.returncode == 0, result.stderr
    assert "8 subnets were evaluated before" in result.stderr
    assert " ms on phone (" in result.stdout
    report = json.loads((tmp_path / "run" / "pareto.json").read_text())
    assert report["latency"]["device"] == "phone"
    assert report["latency"]["max_relative_error"] < 1e-6
    assert len(report["latency"]["measured_subnets"]) == 3
    fast, slow = report["budgets"]
    assert fast["chosen"]["costs"]["latency_ms"] <= limit_ms
    assert slow["num_feasible"] == 8
    for budget in (fast, slow):
        measured = (
            budget["chosen"]["subnet"]
            in (report["latency"]["measured_subnets"])
        )
        assert budget["chosen"]["latency_is_measured"] == measured
    rows = list(csv.DictReader((tmp_path / "run" / "trials.csv").open()))
    for row in rows:
        expected = 1 + int(row["macs"]) / 1e5
        assert float(row["latency_ms"]) == pytest.approx(expected, abs=1e-3)
    kept = sum(float(row["latency_ms"]) <= limit_ms for row in rows)
    assert fast["num_feasible"] == kept < 8


@pytest.mark.slow
def test_a_search_measures_latencies_here_once(inputs, tmp_path):
    run = tmp_path / "run"
    arguments = [
        f"--workdir={run}",
        "--num_calibration_clips=8",
        "--measure_latency=float32",
        "--latency_runs=2",
    ]
    impossible = _search(inputs, *arguments, "--budget=none:latency_ms<=0")
    assert impossible.returncode == 2
    assert "Measuring the latency of 8 subnets" in impossible.stderr
    message = impossible.stderr.splitlines()[-1]
    assert "No subnet of the space keeps the budget" in message
    assert "nearest above: {" in message
    # What was measured is not lost.
    assert [path.name for path in run.iterdir()] == ["latency.json"]
    first = (run / "latency.json").read_bytes()

    result = _search(
        inputs,
        *arguments,
        "--objective=mAP,latency_ms",
        "--budget=here:latency_ms<=1M",
    )
    assert result.returncode == 0, result.stderr
    assert "Measuring" not in result.stderr
    assert " ms on " in result.stdout and "(measured)" in result.stdout
    table = latency_table.read(run / "latency.json")
    measured_ms = {
        json.dumps(row["network"]["subnet"]): row["latency_ms"]["median"]
        for row in table["rows"]
    }
    assert len(measured_ms) == len(table["rows"]) == 8
    report = json.loads((run / "pareto.json").read_text())
    assert report["objectives"] == ["mAP", "latency_ms"]
    assert report["latency"]["mode"] == "float32"
    assert report["latency"]["threads"] == 1
    assert len(report["latency"]["measured_subnets"]) == 8
    chosen = report["budgets"][0]["chosen"]
    assert chosen["latency_is_measured"]
    assert chosen["costs"]["latency_ms"] == round(
        measured_ms[json.dumps(chosen["subnet"])], 3
    )
    rows = list(csv.DictReader((run / "trials.csv").open()))
    assert sorted(float(row["latency_ms"]) for row in rows) == sorted(
        round(latency_ms, 3) for latency_ms in measured_ms.values()
    )

    other = _search(inputs, *arguments, "--latency_threads=2", "--seed=1")
    assert other.returncode == 2
    assert "seed was 0 and is now 1" in other.stderr
    assert (run / "latency.json").read_bytes() == first
    elsewhere = _search(
        inputs,
        f"--workdir={tmp_path / 'other'}",
        f"--latency_table={run / 'latency.json'}",
        "--budget=none:latency_ms<=0",
    )
    assert elsewhere.stderr.splitlines()[-1] == message


@pytest.mark.slow
def test_a_search_keeps_the_size_of_a_file(inputs, family, data_dir, tmp_path):
    dataset = DatasetInfo.read(data_dir)
    networks = NetworkFiles(
        family,
        dataset.frontend,
        dataset.clip_seconds,
        dataset.class_map.names,
    )
    space = family.search_space()
    small, large = (
        len(networks.convert(subnet, ["int8"])["int8"])
        for subnet in (space.smallest(), space.largest())
    )
    limit = (small + large) // 2
    search_dir, cut_dir = tmp_path / "search", tmp_path / "cut"
    result = _search(
        inputs,
        f"--workdir={search_dir}",
        "--num_calibration_clips=8",
        f"--budget=app:int8_file_bytes<={limit}",
        "--budget=any:parameters<=1M",
    )
    assert result.returncode == 0, result.stderr
    report = json.loads((search_dir / "pareto.json").read_text())
    app, other = report["budgets"]
    assert 1 <= app["num_feasible"] < other["num_feasible"] == 8
    assert app["chosen"]["costs"]["int8_file_bytes"] <= limit
    assert report["file_sizes"]["max_error_bytes"]["int8_file_bytes"] < 200
    # The sizes are those of what is shipped in the end, to the byte.
    cut = commands.run(
        "ofa_aec_tf.materialize",
        *inputs,
        f"--pareto={search_dir / 'pareto.json'}",
        f"--workdir={cut_dir}",
    )
    assert cut.returncode == 0, cut.stderr
    models = [cut_dir / name / "subnet.keras" for name in ("app", "any")]
    exported = commands.run(
        "ofa_aec_tf.export",
        f"--model={','.join(map(str, models))}",
        f"--data_dir={data_dir}",
        f"--output_dir={tmp_path / 'out'}",
        "--modes=float32,int8",
        "--log_mel_modes=",
        "--num_calibration_clips=8",
        "--num_parity_clips=4",
    )
    assert exported.returncode == 0, exported.stderr
    for budget in report["budgets"]:
        chosen = budget["chosen"]
        assert chosen["file_sizes_are_real"]
        assert chosen["subnet"] in report["file_sizes"]["converted_subnets"]
        for mode in ("float32", "int8"):
            file = tmp_path / "out" / budget["name"] / f"subnet_{mode}.tflite"
            expected = chosen["costs"][f"{mode}_file_bytes"]
            assert file.stat().st_size == expected


def test_a_latency_without_a_table_is_refused(inputs, tmp_path):
    result = _search(
        inputs, f"--workdir={tmp_path / 'run'}", "--budget=x:latency_ms<=20"
    )
    assert result.returncode == 2
    assert "by --latency_table" in result.stderr.splitlines()[-1]


def test_two_measured_subnets_predict_nothing(
    inputs, family, data_dir, tmp_path
):
    table = tmp_path / "latency.json"
    _write_latencies(table, family, data_dir, 2)
    result = _search(
        inputs,
        f"--workdir={tmp_path / 'run'}",
        f"--latency_table={table}",
        "--budget=x:latency_ms<=20",
    )
    assert result.returncode == 2
    assert "at least 3 subnets" in result.stderr.splitlines()[-1]
    assert not (tmp_path / "run").exists()
