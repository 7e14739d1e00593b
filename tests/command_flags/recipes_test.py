"""Recipes: flagfiles that are named `ofa:NAME` from anywhere."""

import pathlib

import pytest

from ofa_aec_tf.command_flags import flagfiles
from ofa_aec_tf.command_flags import recipes
from tests import commands

_FLAGS = pathlib.Path(__file__).parents[2] / "flags"


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def test_recipes_are_the_flagfiles_of_the_repository():
    found = recipes.descriptions()
    assert set(found) == {
        path.relative_to(_FLAGS).as_posix() for path in _FLAGS.rglob("*.cfg")
    }
    assert found["quickstart/teacher.cfg"] == "The teacher of the quickstart"


@pytest.mark.parametrize("name", ["ofa:ofa.cfg", "ofa:ofa", "ofa:/ofa.cfg"])
def test_a_recipe_is_a_flagfile(name):
    expected = flagfiles.read(_FLAGS / "ofa.cfg")
    assert flagfiles.read(name) == expected
    assert flagfiles.expand([f"--flagfile={name}"]) == expected
    assert flagfiles.expand(["--flagfile", name]) == expected


def test_what_a_recipe_includes_is_found():
    # It includes a file of another directory, and names more of them.
    found = flagfiles.expand(["--flagfile=ofa:esc50/folds.cfg"])
    assert f"--preprocess={_FLAGS / 'esc50/preprocess.cfg'}" in found
    assert f"--run=CNN10:{_FLAGS / 'esc50/teacher.cfg'}" in found
    network = flagfiles.read(_FLAGS / "esc10/network.cfg")
    assert set(network) < set(flagfiles.read("ofa:esc50/teacher.cfg"))


def test_a_flagfile_of_a_user_includes_a_recipe(tmp_path):
    path = tmp_path / "mine.cfg"
    path.write_text("--flagfile=ofa:search\n--seed=1\n--flags_dir=ofa:esc10\n")
    assert flagfiles.read(path) == [
        *flagfiles.read(_FLAGS / "search.cfg"),
        "--seed=1",
        f"--flags_dir={_FLAGS / 'esc10'}",
    ]


def test_flags_name_recipes():
    assert flagfiles.expand(
        [
            "--flags_dir=ofa:quickstart",
            "--preprocess=ofa:esc10/preprocess",
            "--run=a:ofa:esc10/kd.cfg:teacher=b+c",
            "--run=b:ofa:esc10/kd.cfg",
            "--run=c:mine.cfg",
            "--other=ofa:quickstart",
        ]
    ) == [
        f"--flags_dir={_FLAGS / 'quickstart'}",
        f"--preprocess={_FLAGS / 'esc10/preprocess.cfg'}",
        f"--run=a:{_FLAGS / 'esc10/kd.cfg'}:teacher=b+c",
        f"--run=b:{_FLAGS / 'esc10/kd.cfg'}",
        "--run=c:mine.cfg",
        "--other=ofa:quickstart",
    ]


@pytest.mark.parametrize(
    ("name", "listed"),
    [
        ("teecher", "quickstart/, scratch.cfg, search.cfg"),
        ("absent/teacher", "quickstart/, scratch.cfg, search.cfg"),
        ("../setup.py", "quickstart/, scratch.cfg, search.cfg"),
        ("", "quickstart/, scratch.cfg, search.cfg"),
        ("esc50/teecher", "esc50/folds.cfg, esc50/preprocess.cfg, esc50/t"),
    ],
)
def test_a_wrong_name_is_answered_with_those_there_are(name, listed):
    with pytest.raises(ValueError, match=f"no recipe '{name}'.*{listed}"):
        flagfiles.expand([f"--flagfile=ofa:{name}"])


def test_a_directory_is_no_flagfile():
    with pytest.raises(ValueError, match="There is no flagfile .*quickstart"):
        flagfiles.read("ofa:quickstart")


def test_the_command_lists_and_copies_recipes(tmp_path):
    def run(*arguments):
        return commands.run(
            "ofa_aec_tf.recipes",
            *arguments,
            cwd=tmp_path,
            PYTHONPATH=str(commands.ROOT),
        )

    assert run("quick", "teach").stdout.split() == [
        "quickstart/teacher.cfg",
        *"The teacher of the quickstart".split(),
    ]
    none = run("absent")
    assert none.returncode == 2
    assert none.stderr.startswith("error: No recipe has absent in its name.")
    # Never over what is there.
    assert [run("--output_dir=mine").returncode for _ in range(2)] == [0, 2]
    assert flagfiles.read("mine/esc50/teacher.cfg") == flagfiles.read(
        "ofa:esc50/teacher.cfg"
    )
