import errno
import fcntl
import hashlib
import json
import os
import pathlib
import stat
import subprocess
import sys
import threading

import pytest

from ofa_aec_tf import workdir


def test_json_is_read_back_as_it_was_written(tmp_path):
    path = tmp_path / "new" / "directory" / "x.json"
    value = {"name": "Käuzchen", "values": [1, 0.1, None]}
    workdir.write_json(path, value)
    assert workdir.read_json(path) == value
    assert json.loads(path.read_text(encoding="utf-8")) == value


def test_text_replaces_what_was_there_and_leaves_no_other_file(tmp_path):
    path = tmp_path / "x.txt"
    workdir.write_text(path, "first and long")
    workdir.write_text(path, "second")
    assert path.read_text() == "second"
    assert os.listdir(tmp_path) == ["x.txt"]


def test_bytes_are_written_as_they_are(tmp_path):
    path = tmp_path / "new" / "x.bin"
    content = bytes(range(256)) + b"\r\n"
    workdir.write_bytes(path, content)
    assert path.read_bytes() == content
    assert os.listdir(path.parent) == ["x.bin"]


def test_a_write_that_fails_leaves_the_old_file_alone(tmp_path, monkeypatch):
    path = tmp_path / "x.txt"
    workdir.write_text(path, "old")

    def fail(*unused):
        raise OSError("disk full")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OSError, match="disk full"):
        workdir.write_text(path, "new")
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["x.txt"]


def test_files_are_readable_by_others(tmp_path):
    path = tmp_path / "x.txt"
    workdir.write_text(path, "text")
    assert stat.S_IMODE(path.stat().st_mode) == 0o644


def test_a_path_that_is_not_utf_8_is_written_as_it_is(tmp_path):
    path = tmp_path / "x.txt"
    workdir.write_text(path, f"--a=K\u00e4fer/{os.fsdecode(bytes([0xFC]))}\n")
    assert path.read_bytes() == b"--a=K\xc3\xa4fer/\xfc\n"


def test_broken_json_is_an_error_that_names_the_file(tmp_path):
    path = tmp_path / "x.json"
    path.write_text('{"a": ')
    with pytest.raises(ValueError, match="x.json is not a JSON file"):
        workdir.read_json(path)


def test_the_digest_is_the_start_of_the_sha256_of_the_content(tmp_path):
    path = tmp_path / "x.bin"
    path.write_bytes(b"content")
    expected = hashlib.sha256(b"content").hexdigest()
    assert workdir.file_digest(path) == expected[:16]


def test_the_digest_of_a_missing_file_is_an_error_that_names_it(tmp_path):
    with pytest.raises(ValueError, match="There is no file .*gone.keras"):
        workdir.file_digest(tmp_path / "gone.keras")


_HOLDER = """
import sys, time
from ofa_aec_tf import workdir
with workdir.lock(sys.argv[1]):
    print("held", flush=True)
    time.sleep(600)
"""


def test_a_lock_ends_with_its_process_however_that_ends(tmp_path):
    with subprocess.Popen(
        [sys.executable, "-c", _HOLDER, tmp_path],
        stdout=subprocess.PIPE,
        cwd=pathlib.Path(__file__).parents[1],
    ) as process:
        try:
            assert process.stdout.readline() == b"held\n"
            with pytest.raises(ValueError, match=f"writing into {tmp_path}"):
                with workdir.lock(tmp_path):
                    pass
        finally:
            process.kill()
    with workdir.lock(tmp_path):
        pass
    assert not os.listdir(tmp_path)


def test_a_lock_may_be_waited_for(tmp_path):
    def wait():
        with workdir.lock(tmp_path, wait=True):
            pass

    thread = threading.Thread(target=wait, daemon=True)
    with workdir.lock(tmp_path):
        thread.start()
        thread.join(0.2)
        assert thread.is_alive()
    thread.join(60)
    assert not thread.is_alive()


def test_a_file_system_without_locks_is_used_without(tmp_path, monkeypatch):
    def fail(*unused):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", fail)
    with workdir.lock(tmp_path):
        pass
