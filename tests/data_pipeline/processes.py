"""Looks at processes, for tests that end some."""

import os
import pathlib
import signal
import subprocess
import sys
import time

import pytest

needs_proc = pytest.mark.skipif(
    not pathlib.Path("/proc/self/stat").exists(), reason="needs Linux's /proc"
)


def is_running(pid):
    try:
        status = pathlib.Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False
    # A zombie has ended, and waits for its parent to notice.
    return status.rpartition(")")[2].split()[0] != "Z"


def wait_until(condition, seconds=60):
    end_seconds = time.monotonic() + seconds
    while not condition() and time.monotonic() < end_seconds:
        time.sleep(0.05)
    return condition()


def assert_children_end_with_parent(code, pid_dir, num_children):
    """Kills a process when its children run, and waits for their end.

    Args:
        code: str. Python that starts children which never end by themselves,
            each of which writes `<its process id>.pid` to `pid_dir`.
        pid_dir: pathlib.Path.
        num_children: int.
    """
    parent = subprocess.Popen(
        [sys.executable, "-c", code],
        cwd=pathlib.Path(__file__).resolve().parents[2],
    )
    pids = []
    try:
        assert wait_until(
            lambda: len(list(pid_dir.glob("*.pid"))) == num_children
        )
        pids = [int(path.stem) for path in pid_dir.glob("*.pid")]
        assert all(map(is_running, pids))
        parent.kill()
        parent.wait()
        assert wait_until(lambda: not any(map(is_running, pids)), seconds=15)
    finally:
        parent.kill()
        for pid in filter(is_running, pids):
            os.kill(pid, signal.SIGKILL)
