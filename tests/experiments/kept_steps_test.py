"""Steps of a pipeline: each runs again when what it reads has changed."""

import json
import pathlib
import shutil

import pytest

from ofa_aec_tf.experiments import kept_steps
from ofa_aec_tf.experiments.kept_data import KeptData
from ofa_aec_tf.experiments.kept_steps import KeptStep
from ofa_aec_tf.experiments.kept_steps import KeptSteps
from tests.synthetic_data import write_dataset

_MODULE = "tests.reproduction.noting_command"


@pytest.fixture
def data_dir(tmp_path):
    directory = tmp_path / "data"
    directory.mkdir()
    write_dataset(directory)
    return directory


def make_step(tmp_path, name, settings=(), flagfile=None, **inputs):
    place = tmp_path / "run, 1" / name
    place.mkdir(parents=True, exist_ok=True)
    return KeptStep(
        name,
        f"the step {name}",
        _MODULE,
        flagfile,
        (f"--name={name}", *settings),
        tuple(inputs.items()),
        ("workdir", place),
        lambda: [place / "note.json"],
    )


def run(tmp_path, data_dir, *steps):
    """Runs steps anew; returns the names of those that were not kept."""
    calls = data_dir / "calls"
    calls.unlink(missing_ok=True)
    runner = KeptSteps(tmp_path / "run, 1" / "steps", data_dir)
    for step in steps:
        runner.run(step)
    return calls.read_text().split() if calls.exists() else []


def test_a_finished_step_is_kept_with_a_line(tmp_path, data_dir, capfd):
    step = make_step(tmp_path, "a")
    assert run(tmp_path, data_dir, step) == ["a"]
    first = capfd.readouterr().out
    assert run(tmp_path, data_dir, step) == []
    (line,) = capfd.readouterr().out.splitlines()
    assert line == f"== the step a: kept, in {tmp_path}/run, 1/a"
    assert "-- the step a: " in first
    # In another place all of it is the same.
    shutil.copytree(tmp_path / "run, 1", tmp_path / "moved" / "run, 1")
    moved = make_step(tmp_path / "moved", "a")
    assert run(tmp_path / "moved", data_dir, moved) == []


def test_the_seconds_of_kept_steps_count(tmp_path, data_dir):
    step = make_step(tmp_path, "a")
    record = tmp_path / "run, 1" / "steps" / "a.json"
    run(tmp_path, data_dir, step)
    content = json.loads(record.read_text())
    record.write_text(json.dumps({**content, "seconds": 123.4}))
    runner = KeptSteps(record.parent, data_dir)
    runner.run(step)
    assert runner.seconds == 123.4


def test_what_a_step_reads_decides(tmp_path, data_dir, monkeypatch):
    model, table = tmp_path / "a, model.keras", tmp_path / "table.json"
    model.write_text("weights")
    table.write_text("[]")
    flagfile = tmp_path / "stage.cfg"
    flagfile.write_text(f"# Stage.\n--latency_table={table}\n")

    def step(*settings):
        return make_step(
            tmp_path, "a", settings, flagfile, model=(model, table)
        )

    assert run(tmp_path, data_dir, step()) == ["a"]
    note = json.loads((tmp_path / "run, 1" / "a" / "note.json").read_text())
    # As a flag that is a list takes it.
    assert note["model"] == f'"{model}",{table}'
    flagfile.write_text(f"--latency_table={table}\n# Other comments.\n")
    assert run(tmp_path, data_dir, step()) == []
    table.write_text("[1]")
    assert run(tmp_path, data_dir, step()) == ["a"]
    model.write_text("other weights")
    assert run(tmp_path, data_dir, step()) == ["a"]
    assert run(tmp_path, data_dir, step("--more=1")) == ["a"]
    flagfile.write_text("--other=1\n")
    assert run(tmp_path, data_dir, step("--more=1")) == ["a"]
    assert run(tmp_path, data_dir, step("--more=1")) == []
    monkeypatch.setattr(kept_steps.ofa_aec_tf, "__version__", "99")
    assert run(tmp_path, data_dir, step("--more=1")) == ["a"]
    write_dataset(data_dir, seed=5)
    assert run(tmp_path, data_dir, step("--more=1")) == ["a"]


def test_results_must_be_whole(tmp_path, data_dir):
    step = make_step(tmp_path, "a")
    note = tmp_path / "run, 1" / "a" / "note.json"
    run(tmp_path, data_dir, step)
    note.write_text(note.read_text()[:-1])
    assert run(tmp_path, data_dir, step) == ["a"]
    note.unlink()
    assert run(tmp_path, data_dir, step) == ["a"]
    (tmp_path / "run, 1" / "steps" / "a.json").write_text('{"identity": ')
    assert run(tmp_path, data_dir, step) == ["a"]


@pytest.mark.parametrize("content", ["[]", "null", "3", '"x"', "{}", ""])
def test_a_step_whose_record_is_none_runs_again(tmp_path, data_dir, content):
    step = make_step(tmp_path, "a")
    run(tmp_path, data_dir, step)
    (tmp_path / "run, 1" / "steps" / "a.json").write_text(content)
    assert run(tmp_path, data_dir, step) == ["a"]


@pytest.mark.parametrize("key", ["identity", "results", "seconds"])
@pytest.mark.parametrize("value", [[], None, "x"])
def test_a_step_with_a_damaged_record_runs_again(
    tmp_path, data_dir, key, value
):
    step = make_step(tmp_path, "a")
    run(tmp_path, data_dir, step)
    path = tmp_path / "run, 1" / "steps" / "a.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), key: value}))
    assert run(tmp_path, data_dir, step) == ["a"]


def test_a_step_that_fails_runs_again(tmp_path, data_dir, capfd):
    step, other = make_step(tmp_path, "a"), make_step(tmp_path, "b")
    (data_dir / "fail_b").touch()
    with pytest.raises(SystemExit) as raised:
        run(tmp_path, data_dir, step, other)
    assert raised.value.code == 3
    assert "stopped: the step b failed" in capfd.readouterr().err
    (data_dir / "fail_b").unlink()
    assert run(tmp_path, data_dir, step, other) == ["b"]


def test_words_are_no_paths_whatever_lies_here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("teacher", "sounds", "a,b"):
        (tmp_path / name).mkdir()
    (tmp_path / "x.csv").touch()
    flags = [
        "--stage=teacher",
        "--audio_dir=sounds",
        "--evaluate_dir=a,b",
        "--tables=x.csv,absent.csv",
        '--subnet={"a": 0.5}',
        "--fast",
    ]
    expected = ["sounds", "a,b", "x.csv"]
    assert list(map(str, kept_steps.named_paths(flags))) == expected


@pytest.fixture
def audio(tmp_path, monkeypatch):
    """Audio and a flagfile; preprocessing writes a small data set instead."""
    directory = tmp_path / "audio"
    (directory / "dog").mkdir(parents=True)
    for name in ("a", "b"):
        (directory / "dog" / f"{name}.wav").write_bytes(b"12")
    (tmp_path / "labels.csv").write_text("a,dog\n")
    (tmp_path / "preprocess.cfg").write_text(
        f"--audio_dir={directory}\n--labels_csv={tmp_path / 'labels.csv'}\n"
    )
    calls = []

    def call(title, module, *arguments):
        calls.append(arguments)
        (tmp_path / "data").mkdir(exist_ok=True)
        write_dataset(tmp_path / "data", seed=len(calls))
        return 10.0

    monkeypatch.setattr(
        "ofa_aec_tf.experiments.kept_data.child_commands.call", call
    )
    return directory, calls


def make_data(tmp_path, settings=(), overwrite=False):
    data = KeptData(
        tmp_path / "steps",
        tmp_path / "data",
        tmp_path / "preprocess.cfg",
        list(settings),
    )
    return data.make(overwrite)


def test_finished_data_are_kept_when_their_audio_is_gone(
    tmp_path, audio, capfd
):
    directory, calls = audio
    assert make_data(tmp_path) == 10.0
    (directory / "dog" / "b.wav").unlink()
    assert make_data(tmp_path) == 10.0
    assert "kept, in " in capfd.readouterr().out
    shutil.rmtree(directory)
    directory.mkdir()
    make_data(tmp_path)
    assert "(2 files that they were made of are gone)" in capfd.readouterr().out
    directory.rmdir()
    (tmp_path / "labels.csv").unlink()
    assert make_data(tmp_path) == 10.0
    assert len(calls) == 1
    # Killed before it was recorded what they are made of.
    shutil.rmtree(tmp_path / "steps")
    make_data(tmp_path)
    assert len(calls) == 1


def test_data_are_made_again_when_what_they_are_made_of_changes(
    tmp_path, audio, capfd
):
    directory, calls = audio

    def reason(*settings):
        before = len(calls)
        make_data(tmp_path, settings)
        output = capfd.readouterr().out
        if len(calls) == before:
            return None
        make_data(tmp_path, settings)
        assert len(calls) == before + 1
        return output.partition("again: ")[2].strip().splitlines()[-1]

    make_data(tmp_path)
    assert reason() is None
    (directory / "dog" / "c.wav").write_bytes(b"12")
    assert reason() == "audio files are new or have changed"
    (directory / "dog" / "c.wav").write_bytes(b"123")
    assert reason() == "audio files are new or have changed"
    (tmp_path / "labels.csv").write_text("a,cat\n")
    assert reason() == f"{tmp_path / 'labels.csv'} has changed"
    assert reason("--clip_seconds=2") == "their flags have changed"
    shard = next((tmp_path / "data").glob("*.tfrecord*"))
    shard.write_bytes(shard.read_bytes()[:-1])
    assert reason("--clip_seconds=2") == "they are not there, or not whole"
    write_dataset(tmp_path / "data", seed=99)
    assert reason("--clip_seconds=2") == "they are not those of the last time"
    shutil.rmtree(tmp_path / "steps")
    assert reason("--clip_seconds=2") == "nothing is known of them"


def test_data_may_be_replaced_in_any_case(tmp_path, audio):
    _, calls = audio
    make_data(tmp_path)
    assert "--overwrite" not in calls[0]
    make_data(tmp_path, overwrite=True)
    assert "--overwrite" in calls[1]
    assert calls[1][-1] == f"--output_dir={pathlib.Path(tmp_path, 'data')}"
