"""Keeps the messages of native libraries off the screen."""

import contextlib
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator

from absl import logging

_STREAMS = ("stdout", "stderr")
# Shows the file if its input ends without a line: the process that should have
# written the line is dead. A process that aborts cannot safely do this itself.
_SHOW_UNLESS_ENDED = 'read -r line || { cat "$0" >&2; rm -f "$0"; }'


@contextlib.contextmanager
def to_debug_log() -> Iterator[None]:
    """Redirects the output of native code in this block to the debug log.

    The TFLite converter and interpreter write to the file descriptors of
    standard output and standard error, which neither
    `contextlib.redirect_stdout` nor a log level affects. Exceptions pass
    unchanged. The descriptors belong to the process: output of other threads
    goes to the log too. If the process dies in this block, the output goes to
    standard error instead.
    """
    for stream in _STREAMS:
        getattr(sys, stream).flush()
    with tempfile.NamedTemporaryFile() as captured:
        # In its own session, where no Ctrl-C reaches it.
        watcher = subprocess.Popen(
            ["sh", "-c", _SHOW_UNLESS_ENDED, captured.name],
            stdin=subprocess.PIPE,
            start_new_session=True,
        )
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
            watcher.communicate(b"ended\n")
            captured.seek(0)
            for line in captured.read().decode(errors="replace").splitlines():
                logging.debug("%s", line)
