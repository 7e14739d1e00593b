"""A working directory belongs to one run."""

import json

import pytest

from ofa_aec_tf import run_record

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
