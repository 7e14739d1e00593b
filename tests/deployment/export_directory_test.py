import json
import pathlib

import pytest

from ofa_aec_tf import workdir
from ofa_aec_tf.deployment import export_directory


def _write(directory, *names):
    export_directory.write(
        directory,
        "export.json",
        {"files": {name: {"file": name} for name in names}},
        {name: name.encode() for name in names},
        ("cat", "dog"),
    )


def test_files_of_the_last_export_do_not_stay(tmp_path):
    directory = tmp_path / "new"
    _write(directory, "a.tflite", "b.tflite")
    (directory / "mine.tflite").write_bytes(b"mine")
    _write(directory, "b.tflite")
    assert sorted(path.name for path in directory.iterdir()) == [
        "b.tflite",
        "export.json",
        "labels.txt",
        "mine.tflite",
    ]
    assert (directory / "labels.txt").read_text() == "cat\ndog\n"


@pytest.mark.parametrize("report", ["no JSON", "[]", "{}", '{"files": [1]}'])
def test_a_damaged_report_is_written_again(tmp_path, report):
    (tmp_path / "export.json").write_text(report)
    _write(tmp_path, "a.tflite")
    found = json.loads((tmp_path / "export.json").read_text())
    assert list(found["files"]) == ["a.tflite"]


def test_two_exports_do_not_share_a_directory(tmp_path):
    with workdir.lock(tmp_path):
        with pytest.raises(ValueError, match="Another process is writing"):
            _write(tmp_path, "a.tflite")
    assert not list(tmp_path.iterdir())


def test_models_are_told_apart_by_their_directories():
    paths = [pathlib.Path(p) for p in ("x/a/subnet.keras", "x/b/subnet.keras")]
    out = pathlib.Path("out")
    assert export_directory.directories(paths, out) == [out / "a", out / "b"]
    assert export_directory.directories(paths[:1], out) == [out / "subnet"]
    with pytest.raises(ValueError, match=r"\['a', 'a'\]"):
        export_directory.directories([paths[0]] * 2, out)
