"""The command that reproduces the paper, at a scale of seconds."""

import csv

import numpy as np
import pytest

from ofa_aec_tf.runs import workdir
from tests import commands
from tests.experiments import small_reproduction
from tests.synthetic_data import write_dataset

_NUM_KILLS = 10
_EXPERIMENTS = "--experiments=table1"
_REPORT_FILES = ("report.md", "report.html", "measurements.csv")


@pytest.fixture(scope="module")
def inputs(tmp_path_factory):
    directory = tmp_path_factory.mktemp("inputs")
    (directory / "data").mkdir()
    write_dataset(directory / "data")
    return (
        small_reproduction.write_flagfiles(directory / "flags"),
        directory / "data",
    )


def _arguments(inputs, directory, *more):
    return small_reproduction.arguments(*inputs, directory, *more)


def _run(inputs, directory, *more):
    return commands.run(
        "ofa_aec_tf.reproduce", *_arguments(inputs, directory, *more)
    )


@pytest.fixture(scope="module")
def whole(inputs, tmp_path_factory):
    """The work directory of a reproduction that nothing has interrupted."""
    directory = tmp_path_factory.mktemp("whole")
    result = _run(inputs, directory, _EXPERIMENTS)
    assert result.returncode == 0, result.stdout + result.stderr
    return directory


@pytest.mark.slow
def test_each_series_is_measured_and_nothing_twice(inputs, whole):
    again = _run(inputs, whole, _EXPERIMENTS)
    assert again.returncode == 0
    assert "$ python" not in again.stdout
    path = whole / "report" / "measurements.csv"
    with path.open(newline="", encoding="utf-8") as file:
        measured = list(csv.DictReader(file))
    assert {(row["series"], row["budget"]) for row in measured} == {
        ("teacher", ""),
        ("scratch", "low"),
        ("KD", "low"),
        ("OFA", "low"),
        ("OFA", "high"),
    }


@pytest.mark.long
def test_ten_kills_change_nothing(inputs, whole, tmp_path):
    rng = np.random.default_rng(0)
    num_killed = sum(
        commands.kill_after(
            rng.uniform(3, 15),
            "ofa_aec_tf.reproduce",
            *_arguments(inputs, tmp_path, _EXPERIMENTS),
        )
        for _ in range(_NUM_KILLS)
    )
    assert num_killed >= _NUM_KILLS // 2
    last = commands.run_afresh(
        "ofa_aec_tf.reproduce", *_arguments(inputs, tmp_path, _EXPERIMENTS)
    )
    assert last.returncode == 0, last.stdout + last.stderr
    for name in _REPORT_FILES:
        assert (tmp_path / "report" / name).read_bytes() == (
            whole / "report" / name
        ).read_bytes()


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--experiments=table9"], "`experiments` must be one of ('table1',"),
        (["--seeds=0,one"], "--seeds must be numbers with commas"),
        (["--ablation_seeds=1,1"], "--ablation_seeds is a list of distinct"),
        (["--baseline=low:wide"], "written `name:width=0.6,depth=1`"),
        (["--baseline=mid:width=1,depth=1"], "of ['high', 'low']"),
        (["--budget=low:macs<=1M"], "Received twice: ['low']"),
        (["--baseline=high:width=0.3,depth=1"], "must be one of [0.5, 1.0]"),
    ],
)
def test_a_mistake_ends_in_one_line_before_anything_runs(
    inputs, tmp_path, more, message
):
    result = _run(inputs, tmp_path / "run", *more)
    assert result.returncode == 2
    (line,) = result.stderr.splitlines()
    assert line.startswith("error: ")
    assert message in line
    assert "$ python" not in result.stdout


def test_flags_are_checked_before_data_are_made(inputs, tmp_path):
    result = commands.run(
        "ofa_aec_tf.reproduce",
        f"--flags_dir={inputs[0]}",
        f"--workdir={tmp_path / 'run'}",
        "--budget=low:parameters<=1.7k",
        "--seeds=0,1",
        "--ablation_seeds=2",
    )
    assert result.returncode == 2
    (line,) = result.stderr.splitlines()
    assert "--ablation_seeds are some of --seeds" in line
    assert not (tmp_path / "run").exists()


def test_a_second_one_in_the_directory_is_refused(inputs, tmp_path):
    with workdir.lock(tmp_path):
        result = _run(inputs, tmp_path)
    assert result.returncode == 2
    assert "Another process is writing into" in result.stderr


def test_missing_flagfiles_are_named(inputs, tmp_path):
    result = commands.run(
        "ofa_aec_tf.reproduce",
        *small_reproduction.arguments(
            tmp_path / "absent", inputs[1], tmp_path / "run"
        ),
    )
    assert result.returncode == 2
    assert "There is no flagfile" in result.stderr
    assert "supernet.cfg" in result.stderr
