"""Steps: what tells them apart, and that none runs twice."""

import json

import pytest

from ofa_aec_tf.command_flags import flagfiles
from ofa_aec_tf.command_flags import path_flags
from ofa_aec_tf.experiments import steps
from ofa_aec_tf.experiments.steps import Output
from ofa_aec_tf.experiments.steps import Step

_MODULE = "tests.reproduction.noting_command"


@pytest.fixture
def data_dir(tmp_path):
    directory = tmp_path / "data"
    directory.mkdir()
    return directory


def make_runner(tmp_path, data_dir, fingerprint="abc"):
    return steps.StepRunner(tmp_path / "steps", data_dir, fingerprint)


def make_step(name, *needed, title=None, flagfile=None):
    return Step(
        title or f"the step {name}",
        _MODULE,
        flagfile,
        (
            ("name", name),
            ("inputs", tuple(Output(step, "note.json") for step in needed)),
        ),
    )


def noted_calls(data_dir):
    path = data_dir / "calls"
    return path.read_text().split() if path.exists() else []


def test_a_step_runs_after_what_it_needs_and_once(tmp_path, data_dir):
    runner = make_runner(tmp_path, data_dir)
    first, second = make_step("first"), make_step("second")
    last = make_step("last", first, second)
    assert not runner.is_done(last)
    runner.run(last)
    assert noted_calls(data_dir) == ["first", "second", "last"]
    assert all(map(runner.is_done, (first, second, last)))
    # Another runner, as after an interruption; a step that shares the first.
    again = make_runner(tmp_path, data_dir)
    again.run(last)
    again.run(make_step("other", first))
    assert noted_calls(data_dir) == ["first", "second", "last", "other"]
    note = json.loads(runner.path(Output(last, "note.json")).read_text())
    assert note["inputs"] == ",".join(
        str(runner.path(Output(step, "note.json"))) for step in (first, second)
    )


def test_a_title_decides_nothing(tmp_path, data_dir):
    runner = make_runner(tmp_path, data_dir)
    runner.run(make_step("a", title="One title"))
    assert runner.directory(make_step("a")).name.startswith("one-title-")
    runner.run(make_step("a", title="another"))
    assert noted_calls(data_dir) == ["a"]


def test_the_content_of_flagfiles_decides(tmp_path, data_dir):
    included, flagfile = tmp_path / "network.cfg", tmp_path / "stage.cfg"
    included.write_text("# Comments count for nothing.\n--num_steps=5\n")
    flagfile.write_text(f"--flagfile={included}\n--stage=kd\n")
    assert flagfiles.read(flagfile) == ["--num_steps=5", "--stage=kd"]
    first = make_step("a", flagfile=flagfile).identity
    included.write_text("# Other comments.\n--num_steps=5\n")
    assert make_step("a", flagfile=flagfile).identity == first
    included.write_text("--num_steps=6\n")
    assert make_step("a", flagfile=flagfile).identity != first


def test_needed_steps_and_data_decide(tmp_path, data_dir):
    step = make_step("a", make_step("b"))
    assert step.identity == make_step("a", make_step("b")).identity
    assert step.identity != make_step("a", make_step("c")).identity
    directories = {
        make_runner(tmp_path, data_dir, fingerprint).directory(step)
        for fingerprint in ("abc", "xyz")
    }
    assert len(directories) == 2


def test_a_failure_ends_the_run_with_its_status(tmp_path, data_dir, capfd):
    runner = make_runner(tmp_path, data_dir)
    step = make_step("a")
    (data_dir / "fail").touch()
    with pytest.raises(SystemExit) as raised:
        runner.run(step)
    assert raised.value.code == 3
    assert "stopped: the step a failed, see above" in capfd.readouterr().err
    assert not runner.is_done(step)
    (data_dir / "fail").unlink()
    runner.run(step)
    assert runner.is_done(step)


def test_a_missing_flagfile_is_named(tmp_path):
    with pytest.raises(ValueError, match="no flagfile .*absent.cfg"):
        _ = make_step("a", flagfile=tmp_path / "absent.cfg").identity


def test_a_directory_with_commas_is_one_path(tmp_path, data_dir):
    runner = make_runner(tmp_path / "site 3, east", data_dir)
    last = make_step("last", make_step("first"), make_step("second"))
    runner.run(last)
    note = json.loads(runner.path(Output(last, "note.json")).read_text())
    assert path_flags.split_paths(note["inputs"]) == [
        str(runner.path(Output(step, "note.json"))) for step in last.needs()
    ]
