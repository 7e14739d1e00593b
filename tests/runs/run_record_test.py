"""A working directory belongs to one run."""

import json
import os
import pathlib
import shutil
import subprocess
import sys

import pytest

from ofa_aec_tf.runs import run_record

_ROOT = pathlib.Path(__file__).parents[2]
IDENTITY = {"config": {"seed": 1, "steps": 10}, "data": "abc"}


def test_a_run_is_recorded_once(tmp_path):
    directory = tmp_path / "new" / "run"
    run_record.start_run(directory, IDENTITY, "--seed=1\n")
    assert (directory / "flags.cfg").read_text() == "--seed=1\n"
    record = json.loads((directory / "run.json").read_text())
    assert record["identity"] == IDENTITY
    assert set(record["versions"]) >= {"tensorflow", "keras", "python"}
    before = (directory / "run.json").read_bytes()
    run_record.start_run(directory, IDENTITY, "--seed=1\n")
    assert (directory / "run.json").read_bytes() == before


def test_another_run_is_refused_with_what_differs(tmp_path):
    run_record.start_run(tmp_path, IDENTITY, "")
    other = {"config": {"seed": 2, "steps": 10}, "data": "abd"}
    with pytest.raises(ValueError) as error:
        run_record.start_run(tmp_path, other, "")
    assert "config.seed was 1 and is now 2" in str(error.value)
    assert "data was 'abc' and is now 'abd'" in str(error.value)
    assert "steps" not in str(error.value)
    assert "another --workdir" in str(error.value)


@pytest.mark.parametrize(
    "content",
    ["[]", "null", "3", '"x"', "{}", '{"identity": []}', "", "9" * 5000],
)
def test_what_is_no_record_of_a_run_is_refused_by_name(tmp_path, content):
    path = tmp_path / "run.json"
    path.write_text(content)
    with pytest.raises(ValueError, match=str(path)):
        run_record.start_run(tmp_path, IDENTITY, "")
    assert path.read_text() == content


def test_a_check_writes_nothing(tmp_path):
    run_record.check_run(tmp_path / "absent", IDENTITY)
    assert not (tmp_path / "absent").exists()
    run_record.start_run(tmp_path, IDENTITY, "--seed=1\n")
    run_record.check_run(tmp_path, IDENTITY)
    with pytest.raises(ValueError, match="data was 'abc' and is now 'abd'"):
        run_record.check_run(tmp_path, {**IDENTITY, "data": "abd"})
    assert (tmp_path / "flags.cfg").read_text() == "--seed=1\n"


def test_a_run_without_results_may_be_replaced(tmp_path):
    run_record.start_run(tmp_path, IDENTITY, "--seed=1\n")
    other = {**IDENTITY, "data": "abd"}
    run_record.start_run(tmp_path, other, "--seed=2\n", has_results=False)
    record = json.loads((tmp_path / "run.json").read_text())
    assert record["identity"] == other
    assert (tmp_path / "flags.cfg").read_text() == "--seed=2\n"


def _git(directory, *words):
    environment = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("GIT_")
    }
    return subprocess.run(
        ["git", "-c", "user.name=a", "-c", "user.email=a@b", *words],
        cwd=directory,
        env=environment,
        check=True,
        capture_output=True,
        text=True,
    ).stdout.strip()


def _git_commit_of(package_parent, **environment):
    """What a process has recorded that uses the package there."""
    code = (
        "from ofa_aec_tf.runs import run_record; print(run_record.git_commit())"
    )
    return subprocess.run(
        [sys.executable, "-c", code],
        cwd=package_parent,
        env={**os.environ, "PYTHONPATH": str(package_parent), **environment},
        check=True,
        capture_output=True,
        text=True,
    ).stdout.strip()


@pytest.fixture
def clone(tmp_path):
    directory = tmp_path / "clone"
    package = directory / "ofa_aec_tf"
    package.mkdir(parents=True)
    shutil.copy(_ROOT / "ofa_aec_tf" / "__init__.py", package)
    shutil.copytree(
        _ROOT / "ofa_aec_tf" / "runs",
        package / "runs",
        ignore=shutil.ignore_patterns("__pycache__"),
    )
    (directory / "setup.py").touch()
    _git(directory, "init", "-q")
    _git(directory, "add", ".")
    _git(directory, "commit", "-q", "-m", "all")
    return directory


def test_the_commit_of_a_run_is_that_of_this_project(clone, tmp_path):
    commit = _git(clone, "rev-parse", "HEAD")
    assert _git_commit_of(clone) == commit
    # Results and notes beside it change nothing that runs.
    (clone / "notes.txt").touch()
    assert _git_commit_of(clone) == commit
    with (clone / "ofa_aec_tf" / "runs" / "workdir.py").open("a") as file:
        file.write("# Changed.\n")
    assert _git_commit_of(clone) == f"{commit}-dirty"
    # As in a hook of another repository.
    other = tmp_path / "other"
    other.mkdir()
    _git(other, "init", "-q")
    assert _git_commit_of(clone, GIT_DIR=str(other / ".git")) == (
        f"{commit}-dirty"
    )


def test_a_repository_around_the_package_is_not_its_own(clone):
    # As in `app/.venv/lib/site-packages`, or copied into an app.
    installed = clone / "vendor"
    installed.mkdir()
    shutil.copytree(clone / "ofa_aec_tf", installed / "ofa_aec_tf")
    assert _git_commit_of(installed) == "None"
    (clone / "setup.py").unlink()
    assert _git_commit_of(clone) == "None"
