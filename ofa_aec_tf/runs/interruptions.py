"""Ctrl-C and requests to end: one line and a status, and never a trace."""

import contextlib
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator

# As shells say that a signal has ended something.
_STATUSES = {number: 128 + number for number in (signal.SIGINT, signal.SIGTERM)}
_WORDS = {signal.SIGINT: "interrupted", signal.SIGTERM: "terminated"}
_PACKAGES = ("ofa_aec_tf", "data_pipeline")
_CONSOLE_SCRIPT = "ofa-aec"
_SAME_SECONDS = 0.5
# The end of a pipe that a command holds as long as it lasts which has started
# this one as a step.
PARENT_PIPE = "OFA_AEC_PARENT_PIPE"

_prepared: list[bool] = []
_received: list[int] = []
_said: list[bool] = []
_is_step = False


class Interrupted(KeyboardInterrupt):
    """Raised where a command is when a signal asks it to end."""


def prepare() -> bool:
    """Lets a command end quietly from here on, also while it imports.

    Without effect in processes that are no command of this project, such as
    those that import one, and where it has been done.

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
    # Python looks for it, and imports its package.
    if sys.argv[:1] == ["-m"] and "-m" in sys.orig_argv[:-1]:
        return sys.orig_argv[sys.orig_argv.index("-m") + 1]
    return ""


def _end_with_parent(descriptor):
    os.set_inheritable(descriptor, False)
    os.read(descriptor, 1)
    os._exit(_STATUSES[signal.SIGTERM])


def _set_handlers(handler):
    for number in _STATUSES:
        # Where it is ignored, as in the background of a script, it stays so.
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
        # `timeout`, say, asks a process and then all of its group.
        if time.monotonic() - asked > _SAME_SECONDS:
            _end_at_once(number, frame)

    _set_handlers(end_when_asked_again)
    raise Interrupted


@contextlib.contextmanager
def raised() -> Iterator[None]:
    """Signals raise `Interrupted` in this block, and end the process after it.

    What is open in the block is closed on the way.

    Raises:
        SystemExit: with the status of the signal.
    """
    _set_handlers(_raise_once)
    try:
        yield
    except BaseException:
        # Libraries may have made something else of it.
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
    """Says what ends this process, unless it has been said."""
    # Of a step, the command says it that has started it.
    if not _is_step and not _said:
        _said.append(True)
        with contextlib.suppress(OSError):
            os.write(2, f"{_WORDS[_received[0]]}\n".encode())


@contextlib.contextmanager
def kept_from_children() -> Iterator[None]:
    """Processes that start in this block hear no Ctrl-C; this one does later.

    The keyboard interrupts all processes of a terminal. Who has started one
    ends it, so that only one of them says so.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
