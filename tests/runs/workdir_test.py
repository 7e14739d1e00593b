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

from ofa_aec_tf.runs import workdir


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


def test_a_pipe_or_a_device_is_written_to_and_stays_what_it_is(tmp_path):
    path = tmp_path / "pipe"
    os.mkfifo(path)
    received = []
    reader = threading.Thread(
        target=lambda: received.append(path.read_text()), daemon=True
    )
    reader.start()
    workdir.check_writable(path)
    workdir.write_json(path, [1])
    reader.join(10)
    assert received == ["[\n  1\n]\n"]
    assert path.is_fifo()
    assert list(tmp_path.iterdir()) == [path]


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
from ofa_aec_tf.runs import workdir
with workdir.lock(sys.argv[1]):
    print("held", flush=True)
    time.sleep(600)
"""


def test_a_lock_ends_with_its_process_however_that_ends(tmp_path):
    with subprocess.Popen(
        [sys.executable, "-c", _HOLDER, tmp_path],
        stdout=subprocess.PIPE,
        cwd=pathlib.Path(__file__).parents[2],
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


def _locks_fail(monkeypatch, number, fails=lambda descriptor: True):
    """Lets locks fail, on the descriptors that `fails` is true of."""
    original = fcntl.flock

    def flock(descriptor, operation):
        if fails(descriptor):
            raise OSError(number, os.strerror(number))
        return original(descriptor, operation)

    monkeypatch.setattr(fcntl, "flock", flock)


@pytest.mark.parametrize("number", [errno.ENOLCK, errno.ENOSYS, errno.EINVAL])
def test_a_file_system_without_locks_is_used_with_a_warning(
    tmp_path, monkeypatch, caplog, number
):
    _locks_fail(monkeypatch, number)
    for _ in range(2):
        with workdir.lock(tmp_path):
            pass
    (message,) = [record.getMessage() for record in caplog.records]
    assert f"{tmp_path} has no locks ({os.strerror(number)})" in message
    assert not os.listdir(tmp_path)


def test_where_directories_cannot_be_locked_a_file_is(
    tmp_path, monkeypatch, caplog
):
    # As on NFS.
    _locks_fail(
        monkeypatch,
        errno.EBADF,
        lambda descriptor: stat.S_ISDIR(os.fstat(descriptor).st_mode),
    )
    with workdir.lock(tmp_path):
        with pytest.raises(ValueError, match="Another process is writing"):
            with workdir.lock(tmp_path):
                pass
    with workdir.lock(tmp_path):
        pass
    assert not caplog.records


@pytest.mark.parametrize("number", [errno.EIO, errno.EACCES, errno.ESTALE])
def test_a_lock_that_fails_is_not_passed_over(tmp_path, monkeypatch, number):
    _locks_fail(monkeypatch, number)
    with pytest.raises(OSError, match=os.strerror(number)):
        with workdir.lock(tmp_path):
            pass


def test_outputs_that_cannot_be_written_are_found_before(tmp_path):
    file = tmp_path / "file"
    file.write_text("kept")
    for path in (file / "x.json", file / "y" / "x.json", tmp_path):
        with pytest.raises(ValueError, match="cannot be written"):
            workdir.check_writable(path)
    for path in (file, tmp_path / "new" / "er" / "x.json", "/dev/null"):
        workdir.check_writable(path)
    assert os.listdir(tmp_path) == ["file"]
    assert file.read_text() == "kept"


@pytest.mark.parametrize("content", [b"\xff\xfe{}", b"[" * 100_000, b"{"])
def test_what_is_no_json_is_named(tmp_path, content):
    path = tmp_path / "x.json"
    path.write_bytes(content)
    with pytest.raises(ValueError, match="x.json is not a JSON file"):
        workdir.read_json(path)
