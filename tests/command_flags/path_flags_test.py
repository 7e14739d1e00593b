"""Flags that name files: `~`, URLs, commas and blanks; in all commands."""

import os
import pathlib
import pwd
import re

import pytest
from absl import flags

from ofa_aec_tf.command_flags import flagfiles
from ofa_aec_tf.command_flags import path_flags
from tests import commands

_ROOT = pathlib.Path(__file__).parents[2]
_PACKAGES = ("ofa_aec_tf", "data_pipeline")
# Words in the name of a flag, or in its help, that say it names a path.
_NAMES = re.compile(
    r"(^|_)(path|dir|file|workdir|model|teacher|supernet|initial|weights|csv|"
    r"pareto|output|png|json|table|logits|thresholds|preprocess|segments|"
    r"blacklist|results|subnet)(_|$)"
)
_HELP = re.compile(r"\b(director(y|ies)|\.keras|\.json|CSV file)\b", re.I)
# They have such words, and are no paths: a tool on a phone, and choices.
_OTHERS = {"benchmark_model", "subnet"}


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def test_a_tilde_is_the_home_directory(home, monkeypatch):
    assert path_flags.local_path("~/data") == f"{home}/data"
    assert path_flags.local_path("~") == str(home)
    assert path_flags.split_paths("~/a,b,~/c") == [
        f"{home}/a",
        "b",
        f"{home}/c",
    ]
    assert path_flags.local_path("a/~/b") == "a/~/b"
    root = pwd.getpwuid(0)
    expected = f"{root.pw_dir}/x"
    assert path_flags.local_path(f"~{root.pw_name}/x") == expected
    # Some environments have no HOME.
    monkeypatch.delenv("HOME")
    expected = f"{pwd.getpwuid(os.getuid()).pw_dir}/data"
    assert path_flags.local_path("~/data") == expected


def test_an_unknown_user_is_refused_but_for_a_file_of_that_name(
    tmp_path, monkeypatch
):
    with pytest.raises(ValueError, match="no home directory for ~nobody-here"):
        path_flags.local_path("~nobody-here/x")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "~draft").touch()
    assert path_flags.local_path("~draft") == "~draft"


@pytest.mark.parametrize(
    "url", ["gs://b/data", "s3://b", "http://h/x.csv", "hdfs://n/x", "GS://b"]
)
def test_urls_are_refused_with_what_to_do(url):
    with pytest.raises(ValueError, match=f"Mount or copy .*{url}"):
        path_flags.local_path(url)
    with pytest.raises(ValueError, match="Mount or copy"):
        path_flags.split_paths(f"a.keras,{url}")


def test_urls_of_files_are_their_paths():
    assert path_flags.local_path("file:///a/b%20c") == "/a/b c"
    assert path_flags.local_path("file://localhost/a") == "/a"
    with pytest.raises(ValueError, match="Mount or copy"):
        path_flags.local_path("file://server/a")


def test_an_empty_path_is_refused():
    for text in ("", "  "):
        with pytest.raises(ValueError, match="A path is empty"):
            path_flags.local_path(text)
    with pytest.raises(ValueError, match="A path is empty"):
        path_flags.split_paths("a,,b")
    assert path_flags.split_paths("") == []


def test_paths_with_commas_are_quoted_or_whole(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert path_flags.split_paths('a,"b, c",d') == ["a", "b, c", "d"]
    assert path_flags.split_paths("site 3, east") == ["site 3", "east"]
    (tmp_path / 'say "so"').touch()
    assert path_flags.split_paths('say "so"') == ['say "so"']
    (tmp_path / "site 3, east").mkdir()
    assert path_flags.split_paths("site 3, east") == ["site 3, east"]
    with pytest.raises(ValueError, match="those that have commas in double"):
        path_flags.split_paths('a,"b')


@pytest.mark.parametrize(
    "paths",
    [
        ["a"],
        ["a", "b c"],
        ["site 3, east/x", "y"],
        ['say "so"', "a=b,c"],
        ["it's"],
        [" a"],
    ],
)
def test_joined_paths_are_split_as_they_were(paths):
    expected = [path.strip() for path in paths]
    assert path_flags.split_paths(path_flags.join_paths(paths)) == expected


def test_every_flag_that_names_a_path_is_a_path_flag():
    paths, others = set(), set()
    for module in commands.COMMANDS:
        for name, flag in commands.flags_of(module).items():
            if flag["parser"].startswith("Path"):
                paths.add(name)
            elif flag["parser"] in ("ArgumentParser", "ListParser") and (
                _NAMES.search(name) or _HELP.search(flag["help"])
            ):
                others.add(name)
    assert not others - _OTHERS, "define them with path_flags"
    # What is looked for is found.
    assert {"workdir", "teacher", "labels_csv", "train_segments"} <= paths
    assert len(paths) > 25


def test_a_url_ends_a_command_at_once():
    result = commands.run(
        "data_pipeline.preprocess", "--source=csv", "--output_dir=gs://b/data"
    )
    assert result.returncode == 2
    assert len(result.stderr.splitlines()) == 1
    assert "--output_dir=gs://b/data" in result.stderr
    assert "Mount or copy" in result.stderr


def test_a_tilde_in_a_flag_of_a_command_makes_no_directory(tmp_path):
    result = commands.run(
        "data_pipeline.preprocess",
        "--source=synthetic",
        "--num_train=2",
        "--num_validation=0",
        "--num_test=0",
        "--num_workers=1",
        "--output_dir=~/data, new",
        cwd=tmp_path,
        HOME=str(tmp_path / "home"),
        PYTHONPATH=str(_ROOT),
    )
    assert result.returncode == 0, result.stderr
    assert (tmp_path / "home" / "data, new" / "dataset.json").is_file()
    assert os.listdir(tmp_path) == ["home"]


def test_recorded_paths_are_absolute(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a, b").touch()
    parser = path_flags.PathsParser()
    assert parser.absolute(parser.parse('x,"a, b"')) == [
        str(tmp_path / "x"),
        str(tmp_path / "a, b"),
    ]
    word = path_flags.PathOrNameParser()
    assert word.absolute("largest") == "largest"
    assert word.absolute("a, b") == str(tmp_path / "a, b")


def test_a_path_with_a_line_break_is_refused():
    values = flags.FlagValues()
    flags.DEFINE(path_flags.PathParser(), "out", None, "", values)
    with pytest.raises(flags.IllegalFlagValueError, match="on one line"):
        values(["command", "--out=a\nb"])
    assert flagfiles.expand([]) == []
