"""Steps that run: their order, their cores, what is kept, what ends them."""

import json
import os
import shutil
import subprocess
import sys
import threading
import time

import numpy as np
import pytest

from ofa_aec_tf.command_flags import path_flags
from ofa_aec_tf.experiments import step_runner
from ofa_aec_tf.experiments.step_runner import StepRunner
from ofa_aec_tf.experiments.steps import Data
from ofa_aec_tf.experiments.steps import Output
from ofa_aec_tf.runs.child_commands import ChildCommand
from tests import commands
from tests.experiments import steps_test
from tests.experiments import toy_run


@pytest.fixture
def data(tmp_path):
    directory = tmp_path / "data"
    directory.mkdir()
    return Data(directory, "abc")


@pytest.fixture
def make_step(data):
    def make(name, *needed, **options):
        return steps_test.make_step(name, *needed, **{"data": data} | options)

    return make


def run(tmp_path, *wanted, num_jobs=1):
    """Runs steps as a new process would; returns those that were not kept."""
    data_sets = {step.data for step in wanted}
    before = {data: len(noted_calls(data)) for data in data_sets}
    runner = StepRunner(tmp_path / "run, 1", num_jobs)
    assert [step for step, _ in runner.run(wanted)] == list(wanted)
    assert all(map(runner.is_done, wanted))
    return [
        name for data in data_sets for name in noted_calls(data)[before[data] :]
    ]


def noted_calls(data):
    path = data.directory / "calls"
    return path.read_text().split() if path.exists() else []


def note(tmp_path, step):
    path = StepRunner(tmp_path / "run, 1").path(Output(step, "note.json"))
    return json.loads(path.read_text())


@pytest.mark.parametrize("num_jobs", [1, 3])
def test_what_a_step_needs_is_done_before_and_once(
    tmp_path, make_step, num_jobs
):
    first, second = make_step("first"), make_step("second")
    last, other = make_step("last", first, second), make_step("other", first)
    runner = StepRunner(tmp_path / "run, 1", num_jobs)
    assert not runner.is_done(last)
    assert list(runner.run([last, other])) == [(last, True), (other, True)]
    calls = noted_calls(last.data)
    assert sorted(calls) == ["first", "last", "other", "second"]
    assert max(map(calls.index, ("first", "second"))) < calls.index("last")
    assert calls.index("first") < calls.index("other")
    # All of it is known to others, however many they run at a time.
    for number in (1, 2):
        again = StepRunner(tmp_path / "run, 1", number)
        assert list(again.run([last, other])) == [(last, False), (other, False)]
        assert again.seconds == runner.seconds > 0
    assert noted_calls(last.data) == calls
    # A list of paths that have commas themselves.
    assert path_flags.split_paths(note(tmp_path, last)["inputs"]) == [
        str(runner.path(Output(step, "note.json"))) for step in (first, second)
    ]


def test_a_step_that_has_another_title_is_the_same(tmp_path, make_step):
    run(tmp_path, make_step("a", title="One title"))
    directory = StepRunner(tmp_path / "run, 1").directory(make_step("a"))
    assert directory.name.startswith("one-title-")
    assert run(tmp_path, make_step("a", title="another")) == []


def test_a_step_may_have_a_place(tmp_path, make_step, data):
    first = make_step("first", place="models/a")
    last = make_step("last", first, place="there")
    assert run(tmp_path, last) == ["first", "last"]
    assert note(tmp_path, first)["workdir"].endswith("run, 1/models/a")
    # As a flag that takes one path has it.
    assert note(tmp_path, last)["inputs"].endswith("/models/a/note.json")
    # Other flags, and back: its place holds one result.
    other = make_step("last", first, place="there", settings=(("more", "1"),))
    assert run(tmp_path, other) == ["last"]
    assert run(tmp_path, last) == ["last"]
    # In another place all of it is the same.
    shutil.copytree(tmp_path / "run, 1", tmp_path / "moved" / "run, 1")
    assert run(tmp_path / "moved", last) == []


def test_in_a_place_the_content_of_what_is_read_decides(tmp_path, make_step):
    first = make_step("first", place="first")
    last = make_step("last", first, place="last")
    run(tmp_path, last)
    path = tmp_path / "run, 1" / "first" / "note.json"
    whole = path.read_text()
    path.write_text(whole[:-1])
    # The same is written again.
    assert run(tmp_path, last) == ["first"]
    assert path.read_text() == whole
    other = make_step("first", place="first", settings=(("more", "1"),))
    assert run(tmp_path, make_step("last", other, place="last")) == [
        "first",
        "last",
    ]


def test_files_and_data_decide(tmp_path, make_step, data):
    table = tmp_path / "table.json"
    table.write_text("[]")
    flagfile = tmp_path / "stage.cfg"
    flagfile.write_text(f"# Stage.\n--latency_table={table}\n")

    def step(**options):
        return make_step("a", flagfile=flagfile, place="a", **options)

    assert run(tmp_path, step()) == ["a"]
    flagfile.write_text(f"--latency_table={table}\n# Other comments.\n")
    assert run(tmp_path, step()) == []
    table.write_text("[1]")
    assert run(tmp_path, step()) == ["a"]
    others = Data(data.directory, "xyz")
    assert run(tmp_path, step(data=others)) == ["a"]
    assert run(tmp_path, step(data=others)) == []


def test_a_flagfile_that_is_edited_while_its_step_runs_is_run_again(
    tmp_path, make_step, data
):
    flagfile = tmp_path / "stage.cfg"
    flagfile.write_text("--num_steps=1\n")
    # The step waits for another one.
    (data.directory / "meet").write_text("2")
    runner = StepRunner(tmp_path / "run, 1", 1)

    def edit():
        while not noted_calls(data):
            time.sleep(0.05)
        flagfile.write_text("--num_steps=2\n")
        with (data.directory / "calls").open("a") as calls:
            calls.write("edited\n")

    editor = threading.Thread(target=edit)
    editor.start()
    list(runner.run([make_step("a", flagfile=flagfile, place="a")]))
    editor.join()
    (data.directory / "meet").unlink()
    again = make_step("a", flagfile=flagfile, place="a")
    assert run(tmp_path, again) == ["a"]


def test_one_step_on_two_data_sets_is_two(tmp_path, make_step, data):
    (tmp_path / "two").mkdir()
    others = Data(tmp_path / "two", "xyz")
    wanted = [
        make_step("last", make_step("first", data=d), data=d)
        for d in (data, others)
    ]
    run(tmp_path, *wanted, num_jobs=2)
    for step in wanted:
        assert noted_calls(step.data) == ["first", "last"]
        (needed,) = step.needs()
        path = StepRunner(tmp_path / "run, 1").path(Output(needed, "note.json"))
        assert note(tmp_path, step)["inputs"] == str(path)


def test_results_must_be_whole(tmp_path, make_step):
    step = make_step("a")
    run(tmp_path, step)
    path = StepRunner(tmp_path / "run, 1").path(Output(step, "note.json"))
    path.write_text(path.read_text()[:-1])
    assert run(tmp_path, step) == ["a"]
    path.unlink()
    assert run(tmp_path, step) == ["a"]
    assert run(tmp_path, step) == []


def record_path(tmp_path):
    (path,) = (tmp_path / "run, 1" / "steps").glob("*.json")
    return path


@pytest.mark.parametrize(
    "content", ["[]", "null", "3", '"x"', "{}", "", '{"made_of": ']
)
def test_a_step_whose_record_is_none_runs_again(tmp_path, make_step, content):
    run(tmp_path, make_step("a"))
    record_path(tmp_path).write_text(content)
    assert run(tmp_path, make_step("a")) == ["a"]


@pytest.mark.parametrize("key", ["made_of", "results", "seconds"])
@pytest.mark.parametrize("value", [[], None, "x", {}])
def test_a_step_with_a_damaged_record_runs_again(
    tmp_path, make_step, key, value
):
    run(tmp_path, make_step("a"))
    path = record_path(tmp_path)
    path.write_text(json.dumps({**json.loads(path.read_text()), key: value}))
    assert run(tmp_path, make_step("a")) == ["a"]


def test_the_seconds_of_kept_steps_count(tmp_path, make_step):
    run(tmp_path, make_step("a"))
    path = record_path(tmp_path)
    path.write_text(
        json.dumps({**json.loads(path.read_text()), "seconds": 123.4})
    )
    runner = StepRunner(tmp_path / "run, 1")
    list(runner.run([make_step("a")]))
    assert runner.seconds == 123.4


def test_steps_run_side_by_side_on_cores_of_their_own(
    tmp_path, make_step, data
):
    # Neither ends before the other has begun.
    (data.directory / "meet").write_text("2")
    wanted = [make_step("first"), make_step("second")]
    assert sorted(run(tmp_path, *wanted, num_jobs=2)) == ["first", "second"]
    if hasattr(os, "sched_getaffinity") and len(os.sched_getaffinity(0)) > 1:
        first, second = (set(note(tmp_path, step)["cores"]) for step in wanted)
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
        step_runner.share_of_cores(cores, place, num_jobs)
        for place in range(num_jobs)
    ]


def test_steps_come_back_in_order(tmp_path, make_step, data):
    quick, slow = make_step("quick"), make_step("slow", make_step("needed"))
    # Those two wait for each other, and the slow step for one of them.
    (data.directory / "meet").write_text("2")
    assert run(tmp_path, slow, quick, num_jobs=2)[-1] == "slow"


def test_one_at_a_time_prints_itself(tmp_path, make_step, capfd):
    step = make_step("a", make_step("b"))
    assert run(tmp_path, step) == ["b", "a"]
    output = capfd.readouterr().out
    assert f"== the step a\n$ python -m {steps_test.MODULE} " in output
    assert "-- the step a: " in output
    assert not list((tmp_path / "run, 1").rglob(step_runner.LOG))


def test_what_is_measured_comes_before_the_next_step(tmp_path, make_step):
    runner = StepRunner(tmp_path / "run, 1")
    wanted = [make_step("a"), make_step("b")]
    seen = [noted_calls(step.data) for step, _ in runner.run(wanted)]
    assert seen == [["a"], ["a", "b"]]


def test_a_failure_ends_the_run_with_its_status(
    tmp_path, make_step, data, capfd
):
    wanted = make_step("good"), make_step("bad")
    (data.directory / "fail_bad").touch()
    with pytest.raises(SystemExit) as raised:
        run(tmp_path, *wanted)
    assert raised.value.code == 3
    assert "stopped: the step bad failed, see above" in capfd.readouterr().err
    (data.directory / "fail_bad").unlink()
    assert run(tmp_path, *wanted) == ["bad"]


def test_a_failure_ends_what_runs_beside_it(tmp_path, make_step, data, capfd):
    (data.directory / "fail_bad").touch()
    # It would wait for a second command that never begins.
    (data.directory / "meet").write_text("2")
    wanted = [make_step("good"), make_step("bad"), make_step("later")]
    with pytest.raises(SystemExit) as raised:
        run(tmp_path, *wanted, num_jobs=2)
    assert raised.value.code == 3
    runner = StepRunner(tmp_path / "run, 1")
    log = runner.directory(wanted[1]) / step_runner.LOG
    assert (
        f"stopped: the step bad failed, see {log}: no more of this"
        in capfd.readouterr().err
    )
    assert not any(map(runner.is_done, wanted))
    (data.directory / "fail_bad").unlink()
    (data.directory / "meet").unlink()
    assert len(run(tmp_path, *wanted, num_jobs=2)) == 3


@pytest.mark.parametrize("num_jobs", [1, 2])
def test_an_interruption_ends_what_runs(
    tmp_path, make_step, data, monkeypatch, num_jobs
):
    # They would wait for one that never begins.
    (data.directory / "meet").write_text("3")
    process_ids = []

    class NotedCommand(ChildCommand):
        def __init__(self, *words, **options):
            super().__init__(*words, **options)
            process_ids.append(self.process_id)

    def sleep(seconds):
        if len(noted_calls(data)) == num_jobs:
            raise KeyboardInterrupt

    monkeypatch.setattr(step_runner, "ChildCommand", NotedCommand)
    monkeypatch.setattr(step_runner.time, "sleep", sleep)
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path, make_step("a"), make_step("b"), num_jobs=num_jobs)
    assert len(process_ids) == num_jobs
    for process_id in process_ids:
        with pytest.raises(ProcessLookupError):
            os.kill(process_id, 0)


@pytest.mark.slow
def test_ten_kills_change_nothing(tmp_path):
    (tmp_path / "data").mkdir()
    module = "tests.experiments.toy_run"
    rng = np.random.default_rng(0)
    # Python and its imports take a while to start.
    start_seconds = time.monotonic()
    subprocess.run([sys.executable, "-c", f"import {module}"], check=True)
    start_seconds = time.monotonic() - start_seconds
    for _ in range(10):
        commands.kill_after(
            start_seconds + rng.uniform(0, 2 * toy_run.SECONDS),
            module,
            tmp_path,
        )
    subprocess.run(commands.command(module, tmp_path), check=True)
    names = [task.title for task in toy_run.planned(tmp_path)]
    report = json.loads((tmp_path / "report.json").read_text())
    assert report == names == ["a0", "a1", "a2", "b0", "b1", "b2"]
    runner = StepRunner(tmp_path)
    assert all(runner.is_done(t.step) for t in toy_run.planned(tmp_path))
    # Everything is kept: nothing runs again.
    before = noted_calls(Data(tmp_path / "data", "abc"))
    subprocess.run(commands.command(module, tmp_path), check=True)
    assert noted_calls(Data(tmp_path / "data", "abc")) == before
