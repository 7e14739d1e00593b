"""Tests of directories with a sub-directory for each class."""

import pytest

from data_pipeline import sources


def _make(directory, *names):
    for name in names:
        (directory / name).parent.mkdir(parents=True, exist_ok=True)
        (directory / name).touch()


def _rows(directory, **options):
    return list(sources.folder_source(directory, **options).rows)


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
    )
    assert [(row.clip_id, row.labels) for row in _rows(tmp_path)] == [
        ("cat/c.ogg", ("cat",)),
        ("dog/b.wav", ("dog",)),
        ("dog/deep/a.FLAC", ("dog",)),
    ]


@pytest.mark.parametrize("suffix", ["m4a", "webm", "mp4", "mkv", "opus", "MP3"])
def test_every_format_of_audio_is_taken(tmp_path, suffix):
    _make(tmp_path, f"dog/a.{suffix}")
    (row,) = _rows(tmp_path)
    assert row.path == str(tmp_path / f"dog/a.{suffix}")


def test_links_out_of_the_folder_need_permission(tmp_path):
    _make(tmp_path, "elsewhere/cat/a.wav", "sounds/dog/b.wav")
    folder = tmp_path / "sounds"
    (folder / "cat").symlink_to(tmp_path / "elsewhere" / "cat")
    (folder / "dog" / "c.wav").symlink_to(tmp_path / "elsewhere/cat/a.wav")
    codes = {row.clip_id: getattr(row, "code", None) for row in _rows(folder)}
    assert codes == {
        "cat/a.wav": "path_escape",
        "dog/b.wav": None,
        "dog/c.wav": "path_escape",
    }
    rows = _rows(folder, allow_symlinks=True)
    assert [row.labels for row in rows] == [("cat",), ("dog",), ("dog",)]


def test_a_folder_without_classes_is_refused(tmp_path):
    (tmp_path / "loose.wav").touch()
    with pytest.raises(ValueError, match="use --source=csv with --labels_csv"):
        sources.folder_source(tmp_path)


def test_a_missing_audio_directory_is_refused(tmp_path):
    with pytest.raises(ValueError, match="--audio_dir must be an existing"):
        sources.folder_source(tmp_path / "none")
