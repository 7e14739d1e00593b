"""Tests of finding audio files by the stems of their names."""

import os

import numpy as np
import pytest
import soundfile

from data_pipeline.sources.files.audio_index import AudioIndex
from data_pipeline.sources.files.paths import AudioRoot


def _make(directory, *names):
    for name in names:
        (directory / name).parent.mkdir(parents=True, exist_ok=True)
        (directory / name).touch()


def _index(directory, allow_symlinks=False):
    return AudioIndex(AudioRoot(directory, allow_symlinks))


@pytest.mark.parametrize(
    "name",
    [
        "abc.wav",
        "abc.FLAC",
        "abc.m4a",
        "abc.webm",
        "abc.mp4",
        "abc.mkv",
        "abc.opus",
        "abc.mp3",
        "eval/abc.ogg",
        "a/b/c/abc.wav",
    ],
)
def test_files_are_found_with_any_suffix_in_any_directory(tmp_path, name):
    _make(tmp_path, name)
    assert _index(tmp_path).find("abc", "id") == str(tmp_path / name)


def test_stems_may_have_dots_and_dashes(tmp_path):
    _make(tmp_path, "--a.b_30.5.wav")
    index = _index(tmp_path)
    assert index.find("--a.b_30.5", "id") == str(tmp_path / "--a.b_30.5.wav")


@pytest.mark.parametrize(
    "name",
    ["ABC.wav", "abc.txt", "abc", "xabc.wav", ".abc.wav", "._abc.wav"]
    + [".trash/abc.wav", "abc.wav/x.txt", "abc.wav.part"],
)
def test_what_is_no_audio_of_that_name_is_not_found(tmp_path, name):
    _make(tmp_path, name)
    assert _index(tmp_path).find("abc", "id") is None


@pytest.mark.parametrize("name", ["abc", "abc.snd2", "deep/abc.dat"])
def test_content_decides_where_the_suffix_says_nothing(tmp_path, name):
    _make(tmp_path, name, "abc.json")
    soundfile.write(tmp_path / name, np.zeros(800), 8000, format="FLAC")
    assert _index(tmp_path).find("abc", "id") == str(tmp_path / name)
    _make(tmp_path, "z/abc.opus")
    assert _index(tmp_path).find("abc", "id") == str(tmp_path / "z/abc.opus")


def test_what_follows_the_dot_of_a_number_is_no_suffix(tmp_path):
    name = str(tmp_path / "abc_2.500")
    soundfile.write(name, np.zeros(800), 8000, format="WAV")
    assert _index(tmp_path).find("abc_2.500", "id") == name


def test_every_file_of_many_is_found(tmp_path):
    names = [
        f"{i % 7}/{i % 3}/{i}.{('wav', 'M4A', 'ogg')[i % 3]}"
        for i in range(500)
    ]
    _make(tmp_path, *names)
    index = _index(tmp_path)
    assert len(index) == 500
    for number, name in enumerate(names):
        assert index.find(str(number), "id") == str(tmp_path / name)
    assert index.find("500", "id") is None


def test_lossless_files_are_preferred_and_then_the_first_directory(tmp_path):
    _make(tmp_path, "a/1.mp3", "b/1.WAV", "c/1.wav", "z/2.ogg", "b/2.ogg")
    index = _index(tmp_path)
    assert index.find("1", "id") == str(tmp_path / "b/1.WAV")
    assert index.find("2", "id") == str(tmp_path / "b/2.ogg")


def test_no_file_is_asked_for_its_state(tmp_path, monkeypatch):
    _make(tmp_path, *(f"{i % 5}/{i}.wav" for i in range(100)))
    asked = []
    for name in ("stat", "lstat"):
        real = getattr(os, name)
        monkeypatch.setattr(
            os,
            name,
            lambda path, *args, real=real, **kwargs: (
                asked.append(str(path)) or real(path, *args, **kwargs)
            ),
        )
    index = _index(tmp_path)
    assert all(index.find(str(i), "id") for i in range(100))
    assert not index.find("100", "id")
    assert asked
    assert not [path for path in asked if path.endswith(".wav")]


def test_an_empty_directory_has_no_files(tmp_path):
    index = _index(tmp_path)
    assert len(index) == 0
    assert index.find("abc", "id") is None


def test_links_to_files_outside_need_permission(tmp_path):
    _make(tmp_path, "audio/in.wav", "elsewhere/x.wav")
    root = tmp_path / "audio"
    (root / "out.wav").symlink_to(tmp_path / "elsewhere/x.wav")
    (root / "again.wav").symlink_to("in.wav")
    skipped = _index(root).find("out", "id", "test")
    assert (skipped.code, skipped.split) == ("path_escape", "test")
    assert _index(root).find("again", "id") == str(root / "again.wav")
    assert _index(root, True).find("out", "id") == str(root / "out.wav")


def test_links_to_directories_outside_are_followed_with_permission(tmp_path):
    _make(tmp_path, "audio/in.wav", "elsewhere/deep/x.wav")
    root = tmp_path / "audio"
    (root / "out").symlink_to(tmp_path / "elsewhere")
    index = _index(root)
    assert index.find("x", "id") is None
    (skipped,) = index.skipped
    assert (skipped.filename, skipped.code) == ("out", "path_escape")
    assert "--allow_symlinks permits that" in skipped.reason
    assert _index(root, True).find("x", "id") == str(root / "out/deep/x.wav")


def test_a_link_out_of_a_directory_that_a_link_led_to_is_skipped(tmp_path):
    _make(tmp_path, "audio/b/in.wav", "secret.wav")
    root = tmp_path / "audio"
    (root / "b" / "x.wav").symlink_to(tmp_path / "secret.wav")
    (root / "a").symlink_to("b")
    assert _index(root).find("x", "id").code == "path_escape"


def test_links_that_lead_back_end_and_come_after_the_real_names(tmp_path):
    _make(tmp_path, "z/1.wav", "z/y/2.wav")
    (tmp_path / "a").symlink_to("z")
    (tmp_path / "z" / "y" / "up").symlink_to(tmp_path)
    (tmp_path / "z" / "b").symlink_to(".")
    index = _index(tmp_path)
    assert len(index) == 2
    assert index.find("1", "id") == str(tmp_path / "z/1.wav")
    assert index.find("2", "id") == str(tmp_path / "z/y/2.wav")


def test_paths_in_a_relative_directory_are_absolute(tmp_path, monkeypatch):
    _make(tmp_path, "audio/train/1.wav")
    monkeypatch.chdir(tmp_path)
    expected = str(tmp_path / "audio/train/1.wav")
    assert _index("audio").find("1", "id") == expected
