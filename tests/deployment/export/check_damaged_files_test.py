"""The check command on files that are damaged, among sound ones."""

import io
import os
import zipfile

import keras
import numpy as np
import pytest

from ofa_aec_tf import check
from ofa_aec_tf.deployment.tflite import converter
from ofa_aec_tf.deployment.tflite import file_checks
from ofa_aec_tf.deployment.tflite import flatbuffer
from tests import commands
from tests.deployment import damaged_files


def _verdicts(capsys, *paths):
    """What is printed of each path, and how the command ends."""
    error = None
    try:
        check.main(list(map(str, paths)))
    except ValueError as raised:
        error = str(raised)
    lines = capsys.readouterr().out.splitlines()
    return dict(line.split(": ", 1) for line in lines), error


@pytest.fixture
def sound_path(tmp_path, exported):
    """A file that passes, and is checked after all others."""
    path = tmp_path / "z.tflite"
    path.write_bytes(exported["int8"].content)
    return path


def test_files_with_a_flipped_bit_get_a_line_each(
    tmp_path, exported, waveform_files, frontend_file
):
    contents = [
        waveform_files["int8"].content,
        exported["int8"].content,
        frontend_file.exported.content,
    ]
    for number, content in enumerate(
        damaged_files.with_flipped_bits(contents, 60, seed=0)
    ):
        (tmp_path / f"{number:02}.tflite").write_bytes(content)
    result = commands.run("ofa_aec_tf.check", tmp_path)
    lines = result.stdout.splitlines()
    assert [line.split(": ")[0] for line in lines] == [
        str(tmp_path / f"{number:02}.tflite") for number in range(60)
    ]
    num_bad = sum(not line.endswith(": ok") for line in lines)
    assert 10 < num_bad < 60
    assert result.returncode == 2
    assert result.stderr.startswith(f"error: {num_bad} of 60 files must not")
    assert result.stderr.count("\n") == 1


def test_a_vector_that_leads_out_of_a_file_says_that_it_is_damaged():
    content = b"\x1c\0\0\0TFL3" + bytes(8)
    with pytest.raises(ValueError, match="of 16 bytes is cut off or damaged"):
        with flatbuffer.reading(content):
            np.frombuffer(content, np.float32, count=10)
    with pytest.raises(ValueError, match="of 16 bytes is cut off or damaged"):
        with flatbuffer.reading(content):
            np.frombuffer(content, np.float32, offset=40)
    with pytest.raises(ValueError, match="^what a check says$"):
        with flatbuffer.reading(content):
            raise ValueError("what a check says")


def _with_metadata(content, change):
    model = flatbuffer.unpack(content)
    for entry in model.metadata:
        change(model, entry)
    return flatbuffer.pack(model)


def _empty(model, entry):
    model.buffers[entry.buffer].data = None


def _unname(model, entry):
    entry.name = None


def _lead_astray(model, entry):
    entry.buffer = 12345


@pytest.mark.parametrize("change", [_empty, _unname, _lead_astray])
def test_metadata_that_are_empty_or_unnamed_are_a_verdict(
    capsys, tmp_path, waveform_files, sound_path, change
):
    path = tmp_path / "a.tflite"
    content = waveform_files["int8"].content
    path.write_bytes(_with_metadata(content, change))
    found, error = _verdicts(capsys, tmp_path)
    assert "TFLite Model Metadata" in found[str(path)] or (
        "damaged" in found[str(path)]
    )
    assert found[str(sound_path)] == "ok"
    assert error.startswith("1 of 2 files")


def _encrypted(archive):
    # The flag of encryption, in both places that have it.
    for signature, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        start = archive.index(signature) + offset
        archive[start] |= 1


def _of_unknown_method(archive):
    for signature, offset in ((b"PK\x03\x04", 8), (b"PK\x01\x02", 10)):
        start = archive.index(signature) + offset
        archive[start] = 77


def _of_other_content(archive):
    archive[archive.index("Käuz".encode()) + 4] ^= 1


def _no_text(archive):
    archive[archive.index("Kä".encode()) + 1] = 0xFF


@pytest.mark.parametrize(
    "damage",
    [_encrypted, _of_unknown_method, _of_other_content, _no_text],
)
def test_a_broken_archive_of_labels_is_a_verdict(
    capsys, tmp_path, waveform_files, sound_path, damage
):
    content = bytearray(waveform_files["int8"].content)
    damage(content)
    path = tmp_path / "a.tflite"
    path.write_bytes(content)
    found, _ = _verdicts(capsys, tmp_path)
    assert "labels" in found[str(path)]
    assert "labels.txt" in found[str(path)]
    assert found[str(sound_path)] == "ok"


@pytest.mark.parametrize(
    "report",
    [b"[]", b"3", b"null", b"\xff\xfe{}", b"[" * 100_000, b'{"files": [1]}'],
    ids=["list", "number", "null", "no UTF-8", "deep", "no files"],
)
def test_a_report_that_is_none_condemns_its_directory_alone(
    capsys, tmp_path, exported, report
):
    paths = [tmp_path / name / "a.tflite" for name in ("bad", "good")]
    for path in paths:
        path.parent.mkdir()
        path.write_bytes(exported["int8"].content)
    (tmp_path / "bad" / "export.json").write_bytes(report)
    found, error = _verdicts(capsys, tmp_path)
    assert "export.json" in found[str(paths[0])]
    assert found[str(paths[1])] == "ok"
    assert error.startswith("1 of 2 files")


def test_a_crash_of_native_code_costs_one_verdict(
    capsys, tmp_path, sound_path, monkeypatch
):
    fatal = tmp_path / "a.tflite"
    fatal.write_bytes(b"fatal")
    check_file = file_checks.check_file

    def crash(content, what):
        if content == b"fatal":
            os.abort()
        return check_file(content, what)

    monkeypatch.setattr(file_checks, "check_file", crash)
    found, error = _verdicts(capsys, tmp_path)
    assert "crashed (SIGABRT)" in found[str(fatal)]
    assert found[str(sound_path)] == "ok"
    assert error.startswith("1 of 2 files")


def test_what_is_not_there_or_holds_nothing_is_a_verdict(
    capsys, tmp_path, sound_path
):
    (tmp_path / "empty").mkdir()
    (tmp_path / "a.tflite").touch()
    (tmp_path / "b.tflite").mkdir()
    paths = [tmp_path / "gone.tflite", tmp_path / "empty", tmp_path]
    found, error = _verdicts(capsys, *paths, sound_path)
    assert found == {
        str(paths[0]): "There is no TFLite file.",
        str(paths[1]): "There is no TFLite file.",
        str(tmp_path / "a.tflite"): found[str(tmp_path / "a.tflite")],
        str(tmp_path / "b.tflite"): "There is no TFLite file.",
        str(sound_path): "ok",
    }
    assert "Received: 0 bytes" in found[str(tmp_path / "a.tflite")]
    assert error.startswith("4 of 5 files")


def test_a_builtin_operator_that_no_network_here_has_is_fine(capsys, tmp_path):
    inputs = keras.Input((20, 4))
    model = keras.Model(
        inputs, keras.ops.sigmoid(keras.ops.sum(inputs, axis=1))
    )
    content = converter.convert_float32(
        model, keras.InputSpec(shape=(1, 20, 4), dtype="float32")
    )
    path = tmp_path / "sum.tflite"
    path.write_bytes(content)
    found, _ = _verdicts(capsys, path)
    assert found[str(path)] == "ok"


def test_labels_in_another_archive_format_are_read(waveform_files):
    """Compressed, as other tools pack them."""
    content = waveform_files["int8"].content
    file = io.BytesIO(content[: content.index(b"PK\x03\x04")])
    file.seek(0, io.SEEK_END)
    with zipfile.ZipFile(file, "a", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("labels.txt", "a\n" * 10)
    metadata = file_checks.check_file(file.getvalue(), "file")
    assert metadata.labels == ("a",) * 10
