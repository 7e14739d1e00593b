"""Steps side by side: their order, their cores, and what ends them."""

import json
import os

import pytest

from ofa_aec_tf.experiments import parallel_steps
from ofa_aec_tf.experiments import steps
from ofa_aec_tf.experiments.steps import BoundStep
from ofa_aec_tf.experiments.steps import Output
from tests.experiments.steps_test import make_runner
from tests.experiments.steps_test import make_step
from tests.experiments.steps_test import noted_calls


@pytest.fixture
def data_dir(tmp_path):
    directory = tmp_path / "data"
    directory.mkdir()
    return directory


def run(runner, wanted, num_jobs=2):
    done = parallel_steps.run_in_order(
        [BoundStep(runner, step) for step in wanted], num_jobs
    )
    return [bound.step for bound in done]


def note(runner, step):
    return json.loads(runner.path(Output(step, "note.json")).read_text())


def test_steps_run_side_by_side_on_cores_of_their_own(tmp_path, data_dir):
    runner = make_runner(tmp_path, data_dir)
    # Neither ends before the other has begun.
    (data_dir / "meet").write_text("2")
    wanted = [make_step("first"), make_step("second")]
    assert run(runner, wanted) == wanted
    assert sorted(noted_calls(data_dir)) == ["first", "second"]
    if hasattr(os, "sched_getaffinity") and len(os.sched_getaffinity(0)) > 1:
        first, second = (set(note(runner, step)["cores"]) for step in wanted)
        assert not first & second
        assert first | second == os.sched_getaffinity(0)


@pytest.mark.parametrize(
    ("cores", "num_jobs", "shares"),
    [
        ({0, 1}, 2, [{0}, {1}]),
        ({2, 3, 5, 7, 9}, 2, [{2, 5, 9}, {3, 7}]),
        ({4}, 2, [{4}, {4}]),
        ({0, 1}, 3, [{0, 1}] * 3),
    ],
)
def test_jobs_share_cores_fairly(cores, num_jobs, shares):
    assert shares == [
        parallel_steps.share_of_cores(cores, place, num_jobs)
        for place in range(num_jobs)
    ]


def test_what_a_step_needs_is_done_before_and_once(tmp_path, data_dir):
    runner = make_runner(tmp_path, data_dir)
    first, second = make_step("first"), make_step("second")
    wanted = [make_step("last", first, second), make_step("other", first)]
    assert run(runner, wanted, num_jobs=3) == wanted
    calls = noted_calls(data_dir)
    assert sorted(calls) == ["first", "last", "other", "second"]
    assert max(map(calls.index, ("first", "second"))) < calls.index("last")
    assert calls.index("first") < calls.index("other")
    # All of it is known to a runner that runs one at a time, and to this one.
    again = make_runner(tmp_path, data_dir)
    again.run(wanted[0])
    assert run(again, wanted) == wanted
    assert noted_calls(data_dir) == calls


def test_steps_come_back_in_order(tmp_path, data_dir):
    runner = make_runner(tmp_path, data_dir)
    needed = make_step("needed")
    quick, slow = make_step("quick"), make_step("slow", needed)
    # Those two wait for each other, and the slow step for one of them.
    (data_dir / "meet").write_text("2")
    assert run(runner, [slow, quick]) == [slow, quick]
    assert noted_calls(data_dir)[-1] == "slow"


def test_a_failure_ends_the_run_and_what_runs_beside_it(
    tmp_path, data_dir, capfd
):
    runner = make_runner(tmp_path, data_dir)
    (data_dir / "fail_bad").touch()
    # It would wait for a second command that never begins.
    (data_dir / "meet").write_text("2")
    wanted = [make_step("good"), make_step("bad"), make_step("later")]
    with pytest.raises(SystemExit) as raised:
        run(runner, wanted)
    assert raised.value.code == 3
    log = runner.directory(wanted[1]) / parallel_steps.LOG
    assert (
        f"stopped: the step bad failed, see {log}: no more of this"
        in capfd.readouterr().err
    )
    assert not any(map(runner.is_done, wanted))
    (data_dir / "fail_bad").unlink()
    (data_dir / "meet").unlink()
    assert run(runner, wanted) == wanted
    assert all(map(runner.is_done, wanted))


def test_one_step_on_two_data_sets_is_two(tmp_path):
    step, needed = make_step("last", make_step("first")), make_step("first")
    runners = []
    for name in ("one", "two"):
        directory = tmp_path / name
        directory.mkdir()
        runners.append(make_runner(tmp_path, directory, name))
    wanted = [
        BoundStep(runner, wanted_step)
        for runner in runners
        for wanted_step in (step, needed)
    ]
    assert list(parallel_steps.run_in_order(wanted, 2)) == wanted
    for name, runner in zip(("one", "two"), runners):
        assert noted_calls(tmp_path / name) == ["first", "last"]
        inputs = note(runner, step)["inputs"]
        assert inputs == str(runner.path(Output(needed, "note.json")))


def test_one_at_a_time_prints_itself(tmp_path, data_dir, capfd):
    runner = make_runner(tmp_path, data_dir)
    step = make_step("a", make_step("b"))
    assert run(runner, [step], num_jobs=1) == [step]
    assert noted_calls(data_dir) == ["b", "a"]
    assert "$ python -m tests.reproduction.noting_command" in (
        capfd.readouterr().out
    )
    assert not (runner.directory(step) / parallel_steps.LOG).exists()


def test_identities_are_those_of_steps_one_at_a_time(tmp_path, data_dir):
    runner = make_runner(tmp_path, data_dir)
    step = make_step("a")
    run(runner, [step])
    alone = steps.StepRunner(tmp_path / "steps", data_dir, "abc")
    alone.run(step)
    assert noted_calls(data_dir) == ["a"]
