"""Keeps the messages of native libraries off the screen."""

import contextlib
import os
import sys
import tempfile
from collections.abc import Iterator

from absl import logging

_STREAMS = ("stdout", "stderr")


@contextlib.contextmanager
def to_debug_log() -> Iterator[None]:
    """Sends what native code writes in this block to the debug log.

    The TFLite converter and interpreter write to the file descriptors of
    standard output and standard error, past Python's `sys.stdout`, where
    neither `contextlib.redirect_stdout` nor a log level reaches them. Errors
    are exceptions and pass unchanged. The descriptors belong to the process:
    what other threads write meanwhile goes to the log too.
    """
    for stream in _STREAMS:
        getattr(sys, stream).flush()
    with tempfile.TemporaryFile() as captured:
        saved = {fd: os.dup(fd) for fd in (1, 2)}
        try:
            for descriptor in saved:
                os.dup2(captured.fileno(), descriptor)
            yield
        finally:
            for stream in _STREAMS:
                getattr(sys, stream).flush()
            for descriptor, copy in saved.items():
                os.dup2(copy, descriptor)
                os.close(copy)
            captured.seek(0)
            for line in captured.read().decode(errors="replace").splitlines():
                logging.debug("%s", line)
