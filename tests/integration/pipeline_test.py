"""The whole way with the quickstart's own flagfiles, and its refusals."""

import json
import os
import pathlib
import signal
import subprocess
import time

import keras
import pytest

from tests import commands
from tests.experiments import small_reproduction

SIZES = ("small", "medium", "large")


def run(*arguments):
    return commands.run("ofa_aec_tf.pipeline", *arguments)


@pytest.fixture(scope="module")
def quickstart(tmp_path_factory):
    workdir = tmp_path_factory.mktemp("quickstart")
    result = subprocess.run(
        commands.command(
            "ofa_aec_tf.pipeline",
            "--flags_dir=flags/quickstart",
            f"--workdir={workdir}",
        ),
        cwd=commands.ROOT,
        capture_output=True,
        text=True,
        timeout=3600,
    )
    assert result.returncode == 0, result.stdout + result.stderr
    return workdir, result.stdout


@pytest.mark.long
def test_quickstart_trains_searches_exports_and_evaluates(quickstart):
    workdir, output = quickstart
    summary = json.loads((workdir / "summary.json").read_text())
    rows = {row["model"]: row for row in summary["models"]}
    assert list(rows) == [
        "teacher",
        *(
            f"ofa {size}{kind}"
            for size in SIZES
            for kind in ("", " float32", " int8")
        ),
    ]
    # Labels of 11 classes, two of them true on average: chance is about 0.2.
    assert 0.6 < rows["teacher"]["mAP"] < 0.98
    parameters = [rows[f"ofa {size}"]["parameters"] for size in SIZES]
    assert parameters == sorted(set(parameters))
    for size in SIZES:
        subnet = rows[f"ofa {size}"]
        assert subnet["mAP"] > 0.4
        float32, int8 = (rows[f"ofa {size} {m}"] for m in ("float32", "int8"))
        assert abs(float32["mAP"] - subnet["mAP"]) < 1e-3
        assert abs(int8["mAP"] - subnet["mAP"]) < 0.03
        assert int8["num_bytes"] < float32["num_bytes"]
        assert float32["latency_ms"] > 0
        for row in (subnet, float32, int8):
            assert pathlib.Path(row["file"]).stat().st_size == row["num_bytes"]
            assert f"{row['mAP']:.4f}" in output
    assert (workdir / "search" / "pareto.png").read_bytes()[1:4] == b"PNG"
    assert str(workdir / "search" / "report.html") in output


@pytest.mark.long
def test_quickstart_subnets_are_plain_models_within_their_budgets(quickstart):
    workdir, _ = quickstart
    pareto = json.loads((workdir / "search" / "pareto.json").read_text())
    ranges = {
        "small": (12_000, 16_000),
        "medium": (22_000, 28_000),
        "large": (38_000, 50_000),
    }
    assert [budget["name"] for budget in pareto["budgets"]] == list(ranges)
    for size, (fewest, most) in ranges.items():
        model = keras.models.load_model(workdir / "ofa" / size / "subnet.keras")
        count = sum(v.numpy().size for v in model.trainable_variables)
        assert fewest <= count <= most


@pytest.mark.slow
def test_a_small_pipeline_makes_every_file_once(tmp_path):
    flags_dir = small_reproduction.write_flagfiles(tmp_path / "flags")
    for name, lines in {
        "preprocess": "--source=synthetic --clip_seconds=1 --num_train=24 "
        "--num_validation=12 --num_test=12",
        "search": "--method=exhaustive --num_calibration_clips=8 "
        "--budget=low:parameters<=1.9k",
        "export": "--modes=float32 --log_mel_modes=float32",
    }.items():
        (flags_dir / f"{name}.cfg").write_text(lines.replace(" ", "\n"))
    arguments = [f"--flags_dir={flags_dir}", f"--workdir={tmp_path / 'run'}"]
    first = run(*arguments)
    assert first.returncode == 0, first.stdout + first.stderr
    content = (tmp_path / "run" / "summary.json").read_bytes()
    rows = {row["model"]: row for row in json.loads(content)["models"]}
    assert list(rows) == ["teacher", "ofa low", "ofa low float32"]
    assert rows["ofa low"]["parameters"] < rows["teacher"]["parameters"]
    for row in rows.values():
        assert pathlib.Path(row["file"]).stat().st_size == row["num_bytes"]
        assert f"{row['mAP']:.4f}" in first.stdout
    # Everything is done: nothing runs again.
    again = run(*arguments)
    assert again.returncode == 0, again.stderr
    assert "$ python" not in again.stdout
    assert (tmp_path / "run" / "summary.json").read_bytes() == content


def test_a_wrong_directory_ends_in_one_line(tmp_path):
    result = run(f"--flags_dir={tmp_path}", f"--workdir={tmp_path / 'run'}")
    assert result.returncode == 2
    assert result.stderr.startswith("error: There is no ")
    assert "flags/quickstart" in result.stderr
    assert len(result.stderr.strip().splitlines()) == 1


def test_a_flagfile_that_is_missing_is_named_before_anything_is_made(tmp_path):
    flags_dir = tmp_path / "flags"
    flags_dir.mkdir()
    for stage in ("preprocess", "teacher", "supernet", "export"):
        (flags_dir / f"{stage}.cfg").touch()
    (flags_dir / "search.cfg").write_text("--flagfile=budgets.cfg\n")
    result = run(f"--flags_dir={flags_dir}", f"--workdir={tmp_path / 'run'}")
    assert result.returncode == 2
    (line,) = result.stderr.splitlines()
    assert "no flagfile budgets.cfg" in line and "search.cfg includes" in line
    assert not (tmp_path / "run").exists()


def test_missing_data_ends_in_one_line(tmp_path):
    result = run(
        "--flags_dir=flags/quickstart",
        f"--workdir={tmp_path / 'run'}",
        f"--data_dir={tmp_path / 'none'}",
    )
    assert result.returncode == 2
    assert "no preprocessed data" in result.stderr


def test_a_failing_step_ends_the_pipeline_with_its_message(tmp_path):
    result = run(
        "--flags_dir=flags/own_data",
        f"--workdir={tmp_path / 'run'}",
        f"--audio_dir={tmp_path / 'none'}",
        "--labels_csv=none.csv",
    )
    assert result.returncode == 2
    error, stopped = result.stderr.strip().splitlines()
    assert error.startswith("error: ") and "none" in error
    assert stopped == "stopped: data failed, see above"


@pytest.fixture
def preprocessing(tmp_path):
    """A pipeline whose first step writes shards, for a minute or more."""
    flags_dir = tmp_path / "flags"
    flags_dir.mkdir()
    for stage in ("teacher", "supernet", "search", "export"):
        (flags_dir / f"{stage}.cfg").touch()
    (flags_dir / "preprocess.cfg").write_text(
        "--source=synthetic\n--num_train=4000\n--num_shards=200\n"
        "--num_workers=2\n"
    )
    process = subprocess.Popen(
        commands.command(
            "ofa_aec_tf.pipeline",
            f"--flags_dir={flags_dir}",
            f"--workdir={tmp_path / 'run'}",
        ),
        cwd=commands.ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    deadline = time.monotonic() + 120
    while not list(tmp_path.rglob("*.tfrecord*")):
        assert process.poll() is None and time.monotonic() < deadline
        time.sleep(0.1)
    yield process
    while commands.is_group_alive(process.pid):
        commands.signal_group(process.pid, signal.SIGKILL)
        time.sleep(0.1)
        process.poll()


def wait_until_no_process_is_left(process):
    deadline = time.monotonic() + 60
    while commands.is_group_alive(process.pid):
        assert time.monotonic() < deadline
        time.sleep(0.1)


@pytest.mark.parametrize(
    ("send", "number", "status", "word"),
    [
        # Ctrl-C goes to all processes of a terminal.
        (os.killpg, signal.SIGINT, 130, "interrupted"),
        (os.kill, signal.SIGINT, 130, "interrupted"),
        (os.kill, signal.SIGTERM, 143, "terminated"),
    ],
)
def test_an_interrupted_pipeline_ends_with_its_step_in_one_line(
    preprocessing, send, number, status, word
):
    send(preprocessing.pid, number)
    _, errors = preprocessing.communicate(timeout=60)
    assert preprocessing.returncode == status
    # What stands before it is the progress of the step.
    assert errors.splitlines()[-1] == word
    assert "Traceback" not in errors and "stopped" not in errors
    assert errors.count(word) == 1
    wait_until_no_process_is_left(preprocessing)


def test_a_step_ends_with_its_pipeline_however_that_ends(preprocessing):
    os.kill(preprocessing.pid, signal.SIGKILL)
    preprocessing.communicate(timeout=60)
    wait_until_no_process_is_left(preprocessing)


def test_a_workdir_that_is_a_file_or_in_use_is_named(tmp_path):
    (tmp_path / "file").touch()
    result = run("--flags_dir=flags/quickstart", f"--workdir={tmp_path}/file")
    assert result.returncode == 2
    (line,) = result.stderr.splitlines()
    assert f"{tmp_path}/file" in line
