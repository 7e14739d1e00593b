import errno
import hashlib
import json
import pathlib

import pytest

from ofa_aec_tf.deployment.export import output_directory
from ofa_aec_tf.runs import workdir


def _record(name, content):
    return {"file": name, "sha256": hashlib.sha256(content).hexdigest()}


def _write(directory, *names):
    return output_directory.write(
        directory,
        {"files": {name: _record(name, name.encode()) for name in names}},
        {name: name.encode() for name in names},
        ("cat", "dog"),
    )


def _names(directory):
    return sorted(path.name for path in directory.iterdir())


def test_files_of_the_last_export_do_not_stay(tmp_path):
    directory = tmp_path / "new"
    _write(directory, "a.tflite", "b.tflite")
    (directory / "mine.tflite").write_bytes(b"mine")
    _write(directory, "b.tflite")
    assert _names(directory) == [
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
    assert output_directory.directories(paths, out) == [out / "a", out / "b"]
    assert output_directory.directories(paths[:1], out) == [out / "subnet"]
    with pytest.raises(ValueError, match=r"\['a', 'a'\]"):
        output_directory.directories([paths[0]] * 2, out)


@pytest.mark.parametrize(
    "name",
    [
        "../victim.tflite",
        "{}/victim.tflite",
        "inside/victim.tflite",
        "link.tflite",
        "notes.txt",
        "mine.tflite",
        "..",
        "",
        None,
        7,
    ],
)
def test_a_report_has_nothing_removed_but_what_export_wrote(tmp_path, name):
    directory = tmp_path / "export"
    (directory / "inside").mkdir(parents=True)
    content = b"of somebody else"
    victims = [
        tmp_path / "victim.tflite",
        directory / "inside" / "victim.tflite",
        directory / "notes.txt",
    ]
    for victim in victims:
        victim.write_bytes(content)
    (directory / "link.tflite").symlink_to(victims[0])
    # Changed since: the digest is that of what was there.
    (directory / "mine.tflite").write_bytes(b"changed")
    if isinstance(name, str):
        name = name.format(tmp_path)
    report = {"files": {"x": {**_record("", content), "file": name}}}
    (directory / "export.json").write_text(json.dumps(report))
    assert _write(directory, "a.tflite") == [str(name)]
    assert all(victim.read_bytes() == content for victim in victims)
    assert (directory / "link.tflite").is_symlink()
    assert (directory / "mine.tflite").read_bytes() == b"changed"


def test_links_are_replaced_and_never_followed(tmp_path):
    directory = tmp_path / "export"
    directory.mkdir()
    for name in ("a.tflite", "labels.txt", "export.json"):
        victim = tmp_path / f"victim of {name}"
        victim.write_bytes(b"precious")
        (directory / name).symlink_to(victim)
    _write(directory, "a.tflite")
    for name in ("a.tflite", "labels.txt", "export.json"):
        assert (tmp_path / f"victim of {name}").read_bytes() == b"precious"
        assert not (directory / name).is_symlink()
    assert (directory / "a.tflite").read_bytes() == b"a.tflite"


def test_a_full_disk_leaves_the_last_export_as_it_was(tmp_path, monkeypatch):
    _write(tmp_path, "a.tflite", "b.tflite")
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    write_bytes = workdir.write_bytes

    def write_until_full(path, content):
        if path.name == "2":
            write_bytes(path, content[:1])
            raise OSError(errno.ENOSPC, "No space left on device", str(path))
        write_bytes(path, content)

    monkeypatch.setattr(workdir, "write_bytes", write_until_full)
    with pytest.raises(OSError, match="No space left"):
        _write(tmp_path, "a.tflite", "c.tflite", "d.tflite")
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_a_directory_in_the_place_of_a_file_is_left_alone(tmp_path):
    (tmp_path / "a.tflite").mkdir()
    with pytest.raises(ValueError, match=r"names of files: \['a.tflite'\]"):
        _write(tmp_path, "a.tflite", "b.tflite")
    assert _names(tmp_path) == ["a.tflite"]
