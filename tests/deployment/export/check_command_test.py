"""The check command, on an export that is then damaged."""

import hashlib
import json
import subprocess
import sys

import pytest

from tests import commands
from tests.deployment import small_models

FILES = {
    "a_int8.tflite": "int8",
    "a_log_mel_int8.tflite": "log_mel_int8",
    "frontend.tflite": "frontend",
}


def _check(*arguments):
    return commands.run("ofa_aec_tf.check", *arguments)


@pytest.fixture
def directory(tmp_path, exported, waveform_files, frontend_file):
    """An export directory."""
    contents = {
        "a_int8.tflite": waveform_files["int8"].content,
        "a_log_mel_int8.tflite": exported["int8"].content,
        "frontend.tflite": frontend_file.exported.content,
    }
    names = list(small_models.METADATA.labels)
    report = {
        "model": {
            "frontend": small_models.FRONTEND.to_json(),
            "clip_seconds": 1.0,
            "class_names": names,
            "label_type": "multi_label",
            "details": {},
        },
        "files": {
            FILES[name]: {
                "file": name,
                "sha256": hashlib.sha256(content).hexdigest(),
            }
            for name, content in contents.items()
        },
    }
    for name, content in contents.items():
        (tmp_path / name).write_bytes(content)
    (tmp_path / "labels.txt").write_text("\n".join(names) + "\n")
    (tmp_path / "export.json").write_text(json.dumps(report))
    return tmp_path


def test_a_sound_export_passes_without_tensorflow(directory):
    code = (
        "import sys; from absl import app; from ofa_aec_tf import check;"
        "check.main(sys.argv[1:]);"
        "assert not {'tensorflow', 'keras'} & set(sys.modules)"
    )
    result = subprocess.run(
        [sys.executable, "-c", code, str(directory)],
        cwd=commands.ROOT,
        capture_output=True,
        text=True,
    )
    assert result.returncode == 0, result.stderr
    assert result.stdout.splitlines() == [
        f"{directory / name}: ok" for name in sorted(FILES)
    ]


def _refused(arguments, num_bad, num_files, *parts):
    result = _check(*arguments)
    assert result.returncode == 2
    (line,) = result.stderr.splitlines()
    assert line.startswith(f"error: {num_bad} of {num_files} files must not")
    for part in parts:
        assert part in result.stdout
    return result


def test_each_bad_file_is_named_with_its_cause(directory):
    path = directory / "a_int8.tflite"
    content = path.read_bytes()
    path.write_bytes(content[: content.index(b"PK\x03\x04")])
    front_end = directory / "frontend.tflite"
    front_end.write_bytes(front_end.read_bytes()[:5000])
    _refused(
        [directory],
        2,
        3,
        f"{path}: The metadata of the file are not what apps need",
        "'labels.txt', but no such file is packed",
        f"{front_end}: This TFLite file of 5000 bytes is cut off",
        f"{directory / 'a_log_mel_int8.tflite'}: ok",
    )


def test_a_file_without_a_report_is_checked_alone(directory):
    (directory / "export.json").unlink()
    result = _check(directory / "a_int8.tflite")
    assert result.returncode == 0, result.stderr


@pytest.mark.parametrize("arguments", [(), ("missing",), ("{}",)])
def test_nothing_to_check_is_an_error(tmp_path, arguments):
    result = _check(*(a.format(tmp_path) for a in arguments))
    assert result.returncode == 2
    assert result.stderr.startswith("error: ")
    assert "TFLite file" in result.stderr or "`.tflite` file" in result.stderr
