"""Runs the command as a user does; a script stands in for a phone."""

import hashlib
import json
import os
import pathlib
import subprocess
import sys

import pytest

from ofa_aec_tf.audio.frontend import FrontendConfig
from ofa_aec_tf.data.class_map import ClassMap
from ofa_aec_tf.data.dataset_info import MULTI_LABEL
from ofa_aec_tf.data.model_info import EXPORT_REPORT
from ofa_aec_tf.data.model_info import ModelInfo
from ofa_aec_tf.deployment.latency import latency_table
from ofa_aec_tf.runs import workdir
from tests import commands

_FAMILY = {"name": "cnn10", "channels": [8, 12, 16, 20]}
_SUBNET = {"block4_depth": 1}
_INFO = ModelInfo(
    FrontendConfig(),
    1.0,
    ClassMap(tuple(f"event {i}" for i in range(10))),
    MULTI_LABEL,
    {"family": _FAMILY, "subnet": _SUBNET},
)

# What adb does, with a directory for the phone's memory.
_ADB = """#!/bin/sh
case $1 in
  push) cp "$2" "$PHONE$3" ;;
  pull) cp -r "$PHONE$2" "$3" ;;
  shell) eval "$(printf %s "$2" | sed "s|/data/|$PHONE/data/|g")" ;;
esac
"""

# What Google's tool logs, with times that tell of its arguments.
_TOOL = """#!/bin/sh
for argument; do
  case $argument in
    --graph=*) graph=${argument#--graph=} ;;
    --num_threads=*) threads=${argument#--num_threads=} ;;
    --num_runs=*) runs=${argument#--num_runs=} ;;
  esac
done
test -s "$graph" || exit 1
echo "INFO: Num threads: [$threads]"
echo "INFO: Graph: [$graph]"
echo "INFO: count=3 first=9 curr=9 min=9 max=9 avg=9 std=0 p5=9 median=9 p95=9"
echo "INFO: count=$runs first=9 curr=9 min=9 max=9 avg=${threads}500 std=0" \
  "p5=9 median=${threads}000 p95=9000" >&2
echo "INFO: Inference timings in us: Init: 4000, First inference: 9," \
  "Warmup (avg): 9, Inference (avg): ${threads}500"
echo "INFO: Memory footprint delta from the start of the tool (MB):" \
  "init=1.5 overall=2.5"
"""


def _run(arguments, cwd=None, **environment):
    return subprocess.run(
        arguments,
        cwd=cwd,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=170,
    )


def _benchmark(*arguments, **options):
    return commands.run("ofa_aec_tf.benchmark", *arguments, **options)


@pytest.fixture(scope="module")
def export_dir(exported, tmp_path_factory):
    """An export of float32 and int8, with its record."""
    directory = tmp_path_factory.mktemp("export")
    files = {}
    for mode in ("float32", "int8"):
        content = exported[mode].content
        name = f"net_{mode}.tflite"
        (directory / name).write_bytes(content)
        files[mode] = {
            "file": name,
            "sha256": hashlib.sha256(content).hexdigest(),
        }
    workdir.write_json(
        directory / EXPORT_REPORT, {"model": _INFO.to_json(), "files": files}
    )
    return directory


@pytest.fixture(scope="module")
def models(export_dir):
    return sorted(export_dir.glob("*.tflite"))


def test_files_are_measured_with_each_number_of_threads(models, tmp_path):
    # And without TensorFlow, which takes longer to start than all of this.
    for package in ("tensorflow", "keras"):
        (tmp_path / f"{package}.py").write_text("raise ImportError('absent')")
    path = tmp_path / "table.json"
    result = _benchmark(
        "--runs=6",
        "--warmup_runs=1",
        f"--json={path}",
        "--device=here",
        *models,
        PYTHONPATH=f"{tmp_path}:{commands.ROOT}",
    )
    assert result.returncode == 0, result.stderr
    assert result.stderr == ""
    table = latency_table.read(path)
    assert table["device"] == "here"
    keys = [(row["file"], row["threads"]) for row in table["rows"]]
    assert keys == [(str(m), threads) for m in models for threads in (1, 2)]
    for row in table["rows"]:
        content = pathlib.Path(row["file"]).read_bytes()
        assert row["sha256"] == hashlib.sha256(content).hexdigest()
        assert row["num_bytes"] == len(content)
        assert row["num_runs"] == 6
        assert 0 < row["latency_ms"]["median"] <= row["latency_ms"]["p95"]
        assert row["first_run_ms"] > 0 and row["initialization_ms"] > 0
        assert row["peak_live_bytes"] < row["peak_rss_bytes"]
        assert row["network"] == {
            "family": _FAMILY,
            "subnet": _SUBNET,
            "num_frames": 101,
            "mode": "int8" if "int8" in row["file"] else "float32",
            # The record says nothing of its complexity.
            "macs": None,
        }
    float32, _, int8, _ = table["rows"]
    assert float32["macs"] == int8["macs"]
    assert float32["undelegated_operators"] == {}
    header, *lines, machine = result.stdout.splitlines()
    assert len({len(line) for line in [header, *lines]}) == 1
    assert [line.split()[0] for line in lines] == [file for file, _ in keys]
    assert machine.startswith("ai-edge-litert ") and " cores, " in machine


def test_files_that_cannot_run_are_reported_and_left_out(models, tmp_path):
    broken = tmp_path / "broken.tflite"
    broken.write_bytes(models[0].read_bytes()[:5000])
    result = _benchmark(
        "--runs=2", "--threads=1", broken, tmp_path / "absent.tflite", models[0]
    )
    assert result.returncode == 0
    assert f"skipped {broken}: " in result.stderr
    assert "There is no TFLite file" in result.stderr
    assert result.stderr.endswith("warning: skipped 2 of 3 models\n")
    assert len(result.stdout.splitlines()) == 3


def test_status_is_two_when_no_file_can_run(tmp_path):
    result = _benchmark(tmp_path / "absent.tflite")
    assert result.returncode == 2
    (line,) = result.stderr.splitlines()
    assert line.startswith("error: There is no TFLite file ")
    result = _benchmark(tmp_path / "absent.tflite", tmp_path / "other.tflite")
    assert result.returncode == 2
    assert result.stderr.endswith(
        "error: None of the 2 models can be used; the warnings above say why.\n"
    )


def test_the_record_of_another_file_names_no_network(models, tmp_path):
    (tmp_path / EXPORT_REPORT).write_bytes(
        models[0].with_name(EXPORT_REPORT).read_bytes()
    )
    # The content of the other mode, under this one's name.
    path = tmp_path / models[0].name
    path.write_bytes(models[1].read_bytes())
    table = tmp_path / "table.json"
    _benchmark("--runs=1", "--threads=1", f"--json={table}", path)
    (row,) = latency_table.read(table)["rows"]
    assert row["network"] is None


@pytest.fixture
def phone(tmp_path):
    """Directory with the programs, and the environment that they need."""
    programs = tmp_path / "programs"
    programs.mkdir()
    for name, text in (("adb", _ADB), ("benchmark_model", _TOOL)):
        (programs / name).write_text(text)
        (programs / name).chmod(0o755)
    memory = tmp_path / "memory"
    (memory / "data" / "local" / "tmp").mkdir(parents=True)
    path = f"{programs}:{pathlib.Path(sys.executable).parent}"
    return programs, {
        "PATH": f"{path}:{os.environ['PATH']}",
        "PHONE": str(memory),
        "PYTHONPATH": str(commands.ROOT),
    }


def test_the_printed_commands_measure_on_a_phone(models, phone, tmp_path):
    programs, environment = phone
    printed = _benchmark(
        "--adb",
        "--device=pixel-7",
        "--threads=1,4",
        "--runs=30",
        f"--benchmark_model={programs / 'benchmark_model'}",
        *models,
    )
    assert printed.returncode == 0, printed.stderr
    result = _run(
        ["sh", "-e", "-c", printed.stdout], cwd=tmp_path, **environment
    )
    assert result.returncode == 0, result.stderr
    assert result.stdout.endswith("wrote pixel-7.json\n")
    table = json.loads((tmp_path / "pixel-7.json").read_text())
    assert table["device"] == "pixel-7"
    rows = {(row["file"], row["threads"]): row for row in table["rows"]}
    assert set(rows) == {(str(m), t) for m in models for t in (1, 4)}
    for (file, threads), row in rows.items():
        assert row["latency_ms"] == {
            "median": float(threads),
            "p95": 9.0,
            "mean": threads + 0.5,
            "min": 0.009,
        }
        assert (row["num_runs"], row["initialization_ms"]) == (30, 4.0)
        assert row["peak_rss_bytes"] == 2.5 * 2**20
        assert row["network"]["subnet"] == _SUBNET
        assert row["network"]["mode"] in file


def test_answers_of_unknown_or_failed_runs_are_reported(models, tmp_path):
    results = tmp_path / "results"
    results.mkdir()
    tool = tmp_path / "tool"
    tool.write_text(_TOOL)
    for name, graph in (("known", models[0]), ("other", tool)):
        answer = _run(
            ["sh", tool, f"--graph={graph}", "--num_threads=2", "--num_runs=5"]
        )
        # The tool logs to both streams: one file has them in order.
        first, *rest = answer.stdout.splitlines(keepends=True)
        lines = [first, *rest[:2], answer.stderr, *rest[2:]]
        (results / f"{name}.txt").write_text("".join(lines))
    (results / "failed.txt").write_text("ERROR: Benchmarking failed.\n")
    table = tmp_path / "table.json"
    result = _benchmark(
        f"--import_device_results={results}",
        "--device=phone",
        f"--device_table={table}",
        *models,
    )
    assert result.returncode == 0, result.stderr
    assert "failed.txt: expected one line with" in result.stderr
    assert "skipped 1 of 3 results" in result.stderr
    assert "tool is none of the files given" in result.stderr
    known, other = latency_table.read(table)["rows"]
    assert known["file"] == str(models[0]) and known["macs"] > 0
    assert (other["file"], other["network"]) == ("tool", None)
    assert other["latency_ms"]["median"] == 2.0


def test_status_is_two_when_no_answer_has_timings(models, tmp_path):
    (tmp_path / "a.txt").write_text("INFO: STARTING!\n")
    result = _benchmark(
        f"--import_device_results={tmp_path}",
        "--device=phone",
        f"--device_table={tmp_path / 'table.json'}",
        *models,
    )
    assert result.returncode == 2
    (line,) = result.stderr.splitlines()
    assert line.startswith("error: expected one line with")
    assert line.endswith(f"(in {tmp_path / 'a.txt'})")
    assert not (tmp_path / "table.json").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "Name at least one .tflite file"),
        (["--threads=0", "a.tflite"], "Received: threads=0"),
        (["--threads=", "a.tflite"], "`threads` needs at least one number"),
        (["--threads=1,x", "a.tflite"], "Received: 1,x"),
        (["--device_table=x", "a.tflite"], "for --import_device_results"),
        (["--runs=0", "a.tflite"], "runs"),
        (["--adb", "--import_device_results=x"], "either --adb or"),
        (["--import_device_results=x"], "--device"),
        (["--import_device_results=x", "--device=y"], "--device_table"),
        (
            ["--import_device_results=x", "--device=y", "--device_table=z"],
            "There are no results x",
        ),
    ],
    ids=[
        "files",
        "threads",
        "empty",
        "words",
        "here",
        "runs",
        "both",
        "device",
        "table",
        "results",
    ],
)
def test_wrong_usage_is_one_line_and_status_two(arguments, message):
    result = _benchmark(*arguments)
    assert result.returncode == 2
    (line,) = result.stderr.splitlines()
    assert line.startswith("error: ") and message in line


def test_an_output_that_cannot_be_written_is_found_first(tmp_path):
    (tmp_path / "file").write_text("kept")
    path = tmp_path / "file" / "here.json"
    result = _benchmark(f"--json={path}", tmp_path / "absent.tflite")
    assert result.returncode == 2
    (line,) = result.stderr.splitlines()
    assert line.startswith(f"error: {path} cannot be written: ")
