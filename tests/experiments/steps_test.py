"""Steps: what tells them apart."""

import pathlib

import pytest

from ofa_aec_tf.command_flags import flagfiles
from ofa_aec_tf.experiments import steps
from ofa_aec_tf.experiments.steps import Command
from ofa_aec_tf.experiments.steps import Data
from ofa_aec_tf.experiments.steps import Output
from ofa_aec_tf.experiments.steps import Step

MODULE = "tests.experiments.noting_command"
_DATA = Data(pathlib.Path("data"), "abc")


def make_step(
    name, *needed, data=_DATA, title=None, flagfile=None, settings=(), **options
):
    """A step that notes that it ran, and reads what others have noted."""
    inputs = tuple(Output(step, "note.json") for step in needed)
    return Step(
        title or f"the step {name}",
        Command(MODULE, ("note.json",)),
        data,
        flagfile,
        (
            ("name", name),
            *settings,
            *((("inputs", inputs),) if inputs else ()),
        ),
        **options,
    )


def test_a_title_and_a_place_decide_nothing():
    step = make_step("a")
    other = make_step("a", title="another", place="there")
    assert step.identity == other.identity
    assert step.identity != make_step("b", title=step.title).identity


def test_the_content_of_flagfiles_decides(tmp_path):
    included, flagfile = tmp_path / "network.cfg", tmp_path / "stage.cfg"
    included.write_text("# Comments count for nothing.\n--num_steps=5\n")
    flagfile.write_text(f"--flagfile={included}\n--stage=kd\n")
    assert flagfiles.read(flagfile) == ["--num_steps=5", "--stage=kd"]
    first = make_step("a", flagfile=flagfile).identity
    included.write_text("# Other comments.\n--num_steps=5\n")
    assert make_step("a", flagfile=flagfile).identity == first
    included.write_text("--num_steps=6\n")
    assert make_step("a", flagfile=flagfile).identity != first


def test_the_content_of_files_that_flags_name_decides(tmp_path):
    table = tmp_path / "table.json"
    table.write_text("[]")

    def identity():
        return make_step(
            "a", settings=(("latency_table", str(table)),)
        ).identity

    first = identity()
    assert identity() == first
    table.write_text("[1]")
    assert identity() != first


def test_needed_steps_and_data_decide(monkeypatch):
    step = make_step("a", make_step("b"))
    assert step.identity == make_step("a", make_step("b")).identity
    assert step.identity != make_step("a", make_step("c")).identity
    others = Data(_DATA.directory, "xyz")
    assert make_step("a").identity != make_step("a", data=others).identity
    elsewhere = Data(pathlib.Path("elsewhere"), "abc")
    assert make_step("a").identity == make_step("a", data=elsewhere).identity
    monkeypatch.setattr(steps.ofa_aec_tf, "__version__", "99")
    assert step.identity != make_step("a", make_step("b")).identity


def test_a_missing_flagfile_is_named(tmp_path):
    with pytest.raises(ValueError, match="no flagfile .*absent.cfg"):
        _ = make_step("a", flagfile=tmp_path / "absent.cfg").identity


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
    assert list(map(str, steps.named_paths(flags))) == expected
