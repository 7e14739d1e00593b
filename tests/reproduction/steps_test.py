"""Steps: what tells them apart, and that none runs twice."""

import json

import pytest

from ofa_aec_tf.reproduction import steps
from ofa_aec_tf.reproduction.steps import Output
from ofa_aec_tf.reproduction.steps import Step

_MODULE = "tests.reproduction.noting_command"


@pytest.fixture
def data_dir(tmp_path):
    directory = tmp_path / "data"
    directory.mkdir()
    return directory


def _runner(tmp_path, data_dir, fingerprint="abc"):
    return steps.StepRunner(tmp_path / "steps", data_dir, fingerprint)


def _step(name, *needed, title=None, flagfile=None):
    return Step(
        title or f"the step {name}",
        _MODULE,
        flagfile,
        (
            ("name", name),
            ("inputs", tuple(Output(step, "note.json") for step in needed)),
        ),
    )


def _calls(data_dir):
    path = data_dir / "calls"
    return path.read_text().split() if path.exists() else []


def test_a_step_runs_after_what_it_needs_and_once(tmp_path, data_dir):
    runner = _runner(tmp_path, data_dir)
    first, second = _step("first"), _step("second")
    last = _step("last", first, second)
    assert not runner.is_done(last)
    runner.run(last)
    assert _calls(data_dir) == ["first", "second", "last"]
    assert all(map(runner.is_done, (first, second, last)))
    # Another runner, as after an interruption; a step that shares the first.
    again = _runner(tmp_path, data_dir)
    again.run(last)
    again.run(_step("other", first))
    assert _calls(data_dir) == ["first", "second", "last", "other"]
    note = json.loads(runner.path(Output(last, "note.json")).read_text())
    assert note["inputs"] == ",".join(
        str(runner.path(Output(step, "note.json"))) for step in (first, second)
    )


def test_a_title_decides_nothing(tmp_path, data_dir):
    runner = _runner(tmp_path, data_dir)
    runner.run(_step("a", title="One title"))
    assert runner.directory(_step("a")).name.startswith("one-title-")
    runner.run(_step("a", title="another"))
    assert _calls(data_dir) == ["a"]


def test_the_content_of_flagfiles_decides(tmp_path, data_dir):
    included, flagfile = tmp_path / "network.cfg", tmp_path / "stage.cfg"
    included.write_text("# Comments count for nothing.\n--num_steps=5\n")
    flagfile.write_text(f"--flagfile={included}\n--stage=kd\n")
    assert steps.read_flagfile(flagfile) == ["--num_steps=5", "--stage=kd"]
    first = _step("a", flagfile=flagfile).identity
    included.write_text("# Other comments.\n--num_steps=5\n")
    assert _step("a", flagfile=flagfile).identity == first
    included.write_text("--num_steps=6\n")
    assert _step("a", flagfile=flagfile).identity != first


def test_needed_steps_and_data_decide(tmp_path, data_dir):
    step = _step("a", _step("b"))
    assert step.identity == _step("a", _step("b")).identity
    assert step.identity != _step("a", _step("c")).identity
    directories = {
        _runner(tmp_path, data_dir, fingerprint).directory(step)
        for fingerprint in ("abc", "xyz")
    }
    assert len(directories) == 2


def test_a_failure_ends_the_run_with_its_status(tmp_path, data_dir, capfd):
    runner = _runner(tmp_path, data_dir)
    step = _step("a")
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
        _ = _step("a", flagfile=tmp_path / "absent.cfg").identity
