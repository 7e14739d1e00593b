"""Tests of directories with a sub-directory for each class."""

import os

import numpy as np
import pytest
import soundfile

from data_pipeline.clips.clip import NOT_CLIPS
from data_pipeline.clips.clip import ClipRow
from data_pipeline.clips.clip import SkippedRow
from data_pipeline.sources.folder import FolderSettings


def _make(directory, *names):
    for name in names:
        (directory / name).parent.mkdir(parents=True, exist_ok=True)
        (directory / name).touch()


def _write(directory, *names, file_format="FLAC"):
    for name in names:
        (directory / name).parent.mkdir(parents=True, exist_ok=True)
        with open(directory / name, "wb") as file:
            soundfile.write(file, np.zeros(800), 8000, format=file_format)


def _rows(directory, **options):
    return list(FolderSettings(audio_dir=directory, **options).open().rows)


def _clips(rows):
    return [(r.clip_id, r.labels) for r in rows if isinstance(r, ClipRow)]


def _codes(rows):
    return {r.clip_id: r.code for r in rows if isinstance(r, SkippedRow)}


def test_folder_names_are_the_classes(tmp_path):
    _make(
        tmp_path,
        "dog/b.wav",
        "dog/deep/a.FLAC",
        "cat/c.ogg",
        "cat/notes.txt",
        "cat/.hidden.wav",
        ".cache/d.wav",
        "loose.wav",
        "readme",
    )
    (tmp_path / "cow" / "calf").mkdir(parents=True)
    rows = _rows(tmp_path)
    assert _clips(rows) == [
        ("cat/c.ogg", ("cat",)),
        ("dog/b.wav", ("dog",)),
        ("dog/deep/a.FLAC", ("dog",)),
    ]
    assert _codes(rows) == {
        "cat/notes.txt": "not_audio",
        "cat/.hidden.wav": "hidden",
        ".cache": "hidden",
        "loose.wav": "loose_file",
        "readme": "not_audio",
        "cow": "empty_class",
    }
    assert set(_codes(rows).values()) <= NOT_CLIPS


@pytest.mark.parametrize(
    ("name", "file_format"),
    [
        ("a", "WAV"),
        ("a.WAVE", "WAV"),
        ("a.w64", "W64"),
        ("a.rf64", "RF64"),
        ("a.aifc", "AIFF"),
        ("a.recording", "FLAC"),
        ("a.2020", "OGG"),
        ("a.txt", "MP3"),
    ],
)
def test_content_decides_where_the_suffix_does_not(tmp_path, name, file_format):
    _write(tmp_path, f"dog/{name}", file_format=file_format)
    assert _clips(_rows(tmp_path)) == [(f"dog/{name}", ("dog",))]


def test_a_broken_file_that_is_called_audio_is_no_stranger(tmp_path):
    _write(tmp_path, "dog/a.wav")
    (tmp_path / "dog" / "b.wav").write_bytes(b"<html>404</html>")
    (tmp_path / "dog" / "b.html").write_bytes(b"<html>404</html>")
    os.mkfifo(tmp_path / "dog" / "pipe")
    rows = _rows(tmp_path)
    assert [clip_id for clip_id, _ in _clips(rows)] == [
        "dog/a.wav",
        "dog/b.wav",
    ]
    assert _codes(rows) == {"dog/b.html": "not_audio", "dog/pipe": "not_audio"}


@pytest.mark.parametrize("suffix", ["m4a", "webm", "mp4", "mkv", "opus", "MP3"])
def test_every_format_of_audio_is_taken(tmp_path, suffix):
    _make(tmp_path, f"dog/a.{suffix}")
    (row,) = _rows(tmp_path)
    assert row.path == str(tmp_path / f"dog/a.{suffix}")


def test_links_out_of_the_folder_need_permission(tmp_path):
    _make(
        tmp_path, "elsewhere/cat/a.wav", "elsewhere/e.wav", "sounds/dog/b.wav"
    )
    folder = tmp_path / "sounds"
    (folder / "cat").symlink_to(tmp_path / "elsewhere" / "cat")
    (folder / "dog" / "more").symlink_to(tmp_path / "elsewhere")
    (folder / "dog" / "c.wav").symlink_to(tmp_path / "elsewhere/cat/a.wav")
    rows = _rows(folder)
    assert _clips(rows) == [("dog/b.wav", ("dog",))]
    assert _codes(rows) == {
        "cat": "path_escape",
        "dog/c.wav": "path_escape",
        "dog/more": "path_escape",
    }
    assert [r.labels for r in rows] == [("cat",), ("dog",), ("dog",), ("dog",)]
    rows = _rows(folder, allow_symlinks=True)
    assert _clips(rows) == [
        ("cat/a.wav", ("cat",)),
        ("dog/b.wav", ("dog",)),
        ("dog/more/e.wav", ("dog",)),
    ]
    assert _codes(rows) == {
        "dog/c.wav": "repeated_link",
        "dog/more/cat": "repeated_link",
    }


def test_links_within_the_folder_double_nothing_and_end(tmp_path):
    _make(tmp_path, "dog/a.wav", "dog/old/b.wav", ".pool/c.wav", "loose.wav")
    (tmp_path / "cat").mkdir()
    (tmp_path / "cat" / "a.wav").symlink_to("../dog/a.wav")
    (tmp_path / "cat" / "c.wav").symlink_to("../.pool/c.wav")
    (tmp_path / "cat" / "d.wav").symlink_to("../loose.wav")
    (tmp_path / "cat" / "gone.wav").symlink_to("nowhere.wav")
    (tmp_path / "dog" / "old" / "up").symlink_to(tmp_path)
    (tmp_path / "puppy").symlink_to("dog")
    (tmp_path / "cat" / "loop").symlink_to("loop")
    rows = _rows(tmp_path)
    assert _clips(rows) == [
        ("cat/c.wav", ("cat",)),
        ("cat/d.wav", ("cat",)),
        ("cat/gone.wav", ("cat",)),
        ("dog/a.wav", ("dog",)),
        ("dog/old/b.wav", ("dog",)),
    ]
    assert _codes(rows) == {
        ".pool": "hidden",
        "cat/a.wav": "repeated_link",
        "cat/loop": "not_audio",
        "dog/old/up": "repeated_link",
        "loose.wav": "loose_file",
        "puppy": "repeated_link",
    }


def test_folders_of_splits_are_taken_as_splits(tmp_path):
    _make(
        tmp_path,
        "Train/dog/a.wav",
        "Train/cat/deep/b.wav",
        "val/dog/c.wav",
        "Testing_Set/cat/d.wav",
        "Testing_Set/loose.wav",
        "README.md",
    )
    (tmp_path / "val" / "cat").mkdir()
    source = FolderSettings(audio_dir=tmp_path).open()
    rows = list(source.rows)
    assert [
        (r.clip_id, r.labels, r.split) for r in rows if isinstance(r, ClipRow)
    ] == [
        ("Testing_Set/cat/d.wav", ("cat",), "test"),
        ("Train/cat/deep/b.wav", ("cat",), "train"),
        ("Train/dog/a.wav", ("dog",), "train"),
        ("val/dog/c.wav", ("dog",), "validation"),
    ]
    assert _codes(rows) == {
        "README.md": "not_audio",
        "Testing_Set/loose.wav": "loose_file",
        "val/cat": "empty_class",
    }
    (remark,) = source.remarks
    assert "Testing_Set, Train, val" in remark and "taken as splits" in remark


@pytest.mark.parametrize(
    "names",
    [
        ("train/a.wav", "rain/b.wav"),
        ("train/dog/a.wav", "rain/b.wav"),
        ("fold1/a.wav", "rain/b.wav"),
    ],
)
def test_classes_may_be_called_as_splits(tmp_path, names):
    _make(tmp_path, *names)
    source = FolderSettings(audio_dir=tmp_path).open()
    assert {r.labels[0] for r in source.rows} == {
        n.split("/")[0] for n in names
    }
    assert not source.remarks


def test_folders_without_audio_do_not_hide_splits(tmp_path):
    _make(
        tmp_path,
        "train/dog/a.wav",
        "test/unsorted.wav",
        "__MACOSX/._a.wav",
        "docs/en/README.md",
    )
    rows = _rows(tmp_path)
    assert [(r.labels, r.split) for r in rows if isinstance(r, ClipRow)] == [
        (("dog",), "train")
    ]
    assert _codes(rows)["test/unsorted.wav"] == "loose_file"


def test_folders_of_folds_are_taken_as_folds(tmp_path):
    _make(tmp_path, "fold1/dog/a.wav", "Fold_2/cat/b.wav", "fold10/dog/c.wav")
    source = FolderSettings(audio_dir=tmp_path).open()
    assert {(r.labels, r.fold) for r in source.rows} == {
        (("dog",), 1),
        (("cat",), 2),
        (("dog",), 10),
    }
    assert "taken as folds" in source.remarks[0]


@pytest.mark.parametrize(
    "names", [("train/a.wav", "test/b.wav"), ("fold1/a.wav", "fold2/b.wav")]
)
def test_splits_and_folds_are_no_classes(tmp_path, names):
    _make(tmp_path, *names)
    with pytest.raises(ValueError, match="hold no folders of classes"):
        FolderSettings(audio_dir=tmp_path).open()


def test_folders_of_splits_in_those_of_classes(tmp_path):
    _make(tmp_path, "dog/train/a.wav", "dog/test/b.wav", "cat/Train/c/d.wav")
    source = FolderSettings(audio_dir=tmp_path).open()
    assert {r.clip_id: (r.labels, r.split) for r in source.rows} == {
        "dog/train/a.wav": (("dog",), "train"),
        "dog/test/b.wav": (("dog",), "test"),
        "cat/Train/c/d.wav": (("cat",), "train"),
    }
    assert "taken as splits" in source.remarks[0]
    _make(tmp_path, "cat/e.wav")
    source = FolderSettings(audio_dir=tmp_path).open()
    assert not any(r.split for r in source.rows)
    assert "not taken as such: 1 clips" in source.remarks[0]


def test_one_folder_around_all_classes_is_pointed_out(tmp_path):
    _make(tmp_path, "audio/dog/a.wav", "audio/cat/b.wav")
    (remark,) = FolderSettings(audio_dir=tmp_path).open().remarks
    assert f"--audio_dir={tmp_path / 'audio'}" in remark


def test_spoken_words_are_pointed_to_their_source(tmp_path):
    _make(tmp_path, "yes/a_nohash_0.wav", "no/b_nohash_0.wav")
    (tmp_path / "testing_list.txt").write_text("yes/a_nohash_0.wav\n")
    (remark,) = FolderSettings(audio_dir=tmp_path).open().remarks
    assert "--source=speech_commands" in remark


def test_spellings_of_one_name_are_one_class(tmp_path):
    _make(
        tmp_path, "d\u00f6g/a.wav", "do\u0308g/b.wav", "do\u200b\u0308g /c.wav"
    )
    labels = {row.labels for row in _rows(tmp_path)}
    assert labels == {("d\u00f6g",)}


@pytest.mark.parametrize("name", ["dog\nwind", "dog\twind", "a\x07"])
def test_folders_that_no_class_is_called_are_refused(tmp_path, name):
    _make(tmp_path, f"{name}/a.wav", "dog/b.wav")
    with pytest.raises(ValueError, match="the folder .*a line of text"):
        FolderSettings(audio_dir=tmp_path).open()


def test_a_folder_that_cannot_be_listed_is_listed_as_such(
    tmp_path, monkeypatch
):
    _make(tmp_path, "dog/a.wav", "rain/b.wav")
    real = os.scandir

    def scandir(path):
        if str(path).endswith("rain"):
            raise PermissionError(13, "Permission denied")
        return real(path)

    monkeypatch.setattr(os, "scandir", scandir)
    rows = _rows(tmp_path)
    assert _clips(rows) == [("dog/a.wav", ("dog",))]
    assert _codes(rows) == {"rain": "unreadable"}


def test_a_folder_without_classes_is_refused(tmp_path):
    (tmp_path / "loose.wav").touch()
    with pytest.raises(ValueError, match="use --source=csv with --labels_csv"):
        FolderSettings(audio_dir=tmp_path).open()


def test_a_missing_audio_directory_is_refused(tmp_path):
    with pytest.raises(ValueError, match="--audio_dir must be an existing"):
        FolderSettings(audio_dir=tmp_path / "none").open()
