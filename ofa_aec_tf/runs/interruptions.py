"""Ctrl-C and SIGTERM end a command with one line and a status, no trace."""

import contextlib
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator

# As in shells.
_STATUSES = {number: 128 + number for number in (signal.SIGINT, signal.SIGTERM)}
_WORDS = {signal.SIGINT: "interrupted", signal.SIGTERM: "terminated"}
_PACKAGES = ("ofa_aec_tf", "data_pipeline")
_CONSOLE_SCRIPT = "ofa-aec"
_SAME_SECONDS = 0.5
# File descriptor of a pipe that the parent command keeps open while it lives.
PARENT_PIPE = "OFA_AEC_PARENT_PIPE"

_prepared: list[bool] = []
_received: list[int] = []
_said: list[bool] = []
_is_step = False


class Interrupted(KeyboardInterrupt):
    """Raised in a command when a signal asks it to end."""


def prepare() -> bool:
    """Installs handlers that end a command quietly, even while it imports.

    It has no effect on a second call, and in processes that are no command of
    this project.

    Returns:
        bool. Whether this process runs a command.
    """
    if _command().partition(".")[0] not in _PACKAGES:
        return False
    if _prepared:
        return True
    _prepared.append(True)
    _set_handlers(_end_at_once)
    descriptor = os.environ.pop(PARENT_PIPE, None)
    if descriptor is not None:
        global _is_step
        _is_step = True
        threading.Thread(
            target=_end_with_parent, args=(int(descriptor),), daemon=True
        ).start()
    return True


def _command() -> str:
    """The module that this process runs, or its package."""
    if os.path.basename(sys.argv[0]) == _CONSOLE_SCRIPT:
        return _PACKAGES[0]
    spec = getattr(sys.modules["__main__"], "__spec__", None)
    if spec is not None:
        return spec.name
    # While Python imports its package.
    if sys.argv[:1] == ["-m"] and "-m" in sys.orig_argv[:-1]:
        return sys.orig_argv[sys.orig_argv.index("-m") + 1]
    return ""


def _end_with_parent(descriptor):
    os.set_inheritable(descriptor, False)
    os.read(descriptor, 1)
    os._exit(_STATUSES[signal.SIGTERM])


def _set_handlers(handler):
    for number in _STATUSES:
        # An ignored signal, as in the background of a script, stays ignored.
        if signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, handler)


def _end_at_once(number, unused_frame):
    _received.append(number)
    _say_once()
    os._exit(_STATUSES[_received[0]])


def _raise_once(number, unused_frame):
    _received.append(number)
    asked = time.monotonic()

    def end_when_asked_again(number, frame):
        # `timeout` signals a process, and then its process group.
        if time.monotonic() - asked > _SAME_SECONDS:
            _end_at_once(number, frame)

    _set_handlers(end_when_asked_again)
    raise Interrupted


@contextlib.contextmanager
def raised() -> Iterator[None]:
    """Makes signals raise `Interrupted` in this block, and end the process.

    Contexts inside the block are left on the way.

    Raises:
        SystemExit: with the status of the signal.
    """
    _set_handlers(_raise_once)
    try:
        yield
    except BaseException:
        # Libraries may have turned it into another exception.
        if not _received:
            raise
        with contextlib.suppress(OSError):
            sys.stdout.flush()
        _say_once()
        raise SystemExit(_STATUSES[_received[0]]) from None
    finally:
        if not _received:
            _set_handlers(_end_at_once)


def _say_once():
    """Prints what ends this process, once."""
    # For a step, its parent command does.
    if not _is_step and not _said:
        _said.append(True)
        with contextlib.suppress(OSError):
            os.write(2, f"{_WORDS[_received[0]]}\n".encode())


@contextlib.contextmanager
def kept_from_children() -> Iterator[None]:
    """Blocks Ctrl-C in processes that start in this block, and defers it here.

    The keyboard interrupts all processes of a terminal. A parent ends its
    children itself, so that only one process reports it.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
