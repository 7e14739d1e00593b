"""Tests of paths that must not lead out of their directory."""

import os
import pathlib

import pytest
from hypothesis import given
from hypothesis import settings
from hypothesis import strategies

from data_pipeline.clips.clip import SkippedRow
from data_pipeline.sources.files.paths import AudioRoot

# A busy machine is no fault of the code.
_PATIENT = settings(deadline=None, max_examples=300)


@pytest.fixture(scope="module")
def audio(tmp_path_factory):
    """A directory with links, beside one whose name begins with its name."""
    top = tmp_path_factory.mktemp("top").resolve()
    root = top / "audio"
    for directory in (root / "a", top / "audio_evil"):
        directory.mkdir(parents=True)
        (directory / "x.wav").touch()
    (root / "out").symlink_to(top / "audio_evil")
    (root / "out.wav").symlink_to("../audio_evil/x.wav")
    (root / "twice.wav").symlink_to("out.wav")
    (root / "a" / "up").symlink_to("..")
    (root / "in.wav").symlink_to("a/x.wav")
    (root / "loop").symlink_to("loop")
    (root / "gone.wav").symlink_to("/nowhere/x.wav")
    (top / "link").symlink_to("audio")
    return root


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("a/x.wav", "a/x.wav"),
        ("missing/--dash.wav", "missing/--dash.wav"),
        ("..wav", "..wav"),
        (".../x..wav", ".../x..wav"),
        ("./a//x.wav", "a/x.wav"),
        ("a/../b.wav", "b.wav"),
        ("in.wav", "in.wav"),
        ("a/up/a/x.wav", "a/up/a/x.wav"),
    ],
)
def test_names_inside_of_the_directory_are_joined(audio, name, expected):
    assert AudioRoot(audio).join(name, "id") == f"{audio}/{expected}"


@pytest.mark.parametrize(
    "name",
    [
        "..",
        "../x.wav",
        "../audio_evil/x.wav",
        "../audio/a/x.wav",
        "a/../../x.wav",
        "/etc/passwd",
        "//etc/passwd",
    ],
)
@pytest.mark.parametrize("allow_symlinks", [False, True])
def test_names_that_lead_out_are_skipped(audio, name, allow_symlinks):
    skipped = AudioRoot(audio, allow_symlinks).join(name, "id", "train")
    assert skipped.code == "path_escape"
    assert (skipped.clip_id, skipped.filename) == ("id", name)
    assert skipped.split == "train"


def test_an_absolute_path_into_the_directory_is_taken(audio):
    path = str(audio / "a/x.wav")
    assert AudioRoot(audio).join(path, "id") == path
    link = audio.parent / "link"
    assert AudioRoot(link).join(path, "id") == f"{link}/a/x.wav"
    for escape in ("_evil/x.wav", "/../audio_evil/x.wav", "/out/x.wav"):
        skipped = AudioRoot(audio).join(f"{audio}{escape}", "id")
        assert skipped.code == "path_escape"
    assert AudioRoot(audio).join(str(audio), "id").code == "bad_path"


@pytest.mark.parametrize(
    "name", ["out.wav", "out/x.wav", "twice.wav", "a/up/out.wav", "gone.wav"]
)
def test_links_that_lead_out_need_permission(audio, name):
    skipped = AudioRoot(audio).join(name, "id")
    assert skipped.code == "path_escape"
    assert "--allow_symlinks" in skipped.reason
    allowed = AudioRoot(audio, allow_symlinks=True).join(name, "id")
    assert allowed == f"{audio}/{name}"


def test_the_directory_above_the_target_of_a_link_is_not_reached(audio):
    # The system would take this for a file beside `audio_evil`.
    path = AudioRoot(audio, allow_symlinks=True).join("out/../x.wav", "id")
    assert path == f"{audio}/x.wav"


def test_the_directory_may_be_a_link_itself(audio):
    link = audio.parent / "link"
    assert AudioRoot(link).join("a/x.wav", "id") == f"{link}/a/x.wav"


def test_a_relative_directory_is_good_for_workers_elsewhere(audio, monkeypatch):
    monkeypatch.chdir(audio)
    assert AudioRoot("a").join("x.wav", "id") == str(audio / "a/x.wav")
    assert AudioRoot(".").join("out.wav", "id").code == "path_escape"


@pytest.mark.parametrize(
    "name", ["", ".", "a/..", "a\0b.wav", "\0", "\ud800.wav", "\udcff.wav"]
)
def test_names_that_no_file_has_are_skipped(audio, name):
    assert AudioRoot(audio).join(name, "id").code == "bad_path"


def test_a_missing_directory_is_refused(tmp_path):
    with pytest.raises(ValueError, match="--audio_dir must be an existing"):
        AudioRoot(tmp_path / "none")


_PARTS = strategies.sampled_from(
    ("..", ".", "", "a", "out", "up", "in.wav", "out.wav", "x.wav", "loop")
    + ("audio", "audio_evil", "gone.wav", "~", "\\", "\0")
)
_NAMES = strategies.one_of(
    strategies.lists(_PARTS, max_size=8).map("/".join),
    strategies.lists(_PARTS | strategies.text(), max_size=5).map("/".join),
    strategies.text(),
)


@_PATIENT
@given(_NAMES)
def test_no_name_leads_out_of_the_directory(audio, name):
    path = AudioRoot(audio).join(name, "id")
    if isinstance(path, SkippedRow):
        assert path.code in ("path_escape", "bad_path")
    else:
        assert pathlib.Path(path).parts[: len(audio.parts)] == audio.parts
        # A link may lead to the directory itself.
        real_path = pathlib.Path(os.path.realpath(path))
        assert audio in (real_path, *real_path.parents)


@_PATIENT
@given(_NAMES)
def test_only_links_lead_out_where_they_are_allowed(audio, name):
    path = AudioRoot(audio, allow_symlinks=True).join(name, "id")
    if not isinstance(path, SkippedRow):
        below = pathlib.Path(path).relative_to(audio).parts
        assert below and ".." not in below
