"""Looks at processes, for tests that end some."""

import pathlib
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
