"""Commands that run other commands, which end with them."""

import os
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Sequence

from ofa_aec_tf.runs import interruptions

BROKEN_PIPE_STATUS = 128 + signal.SIGPIPE
# It gets this long to save its work before it is killed.
_PATIENCE_SECONDS = 30


class ChildCommand:
    """A command in a process of its own, which ends when this one ends.

    That holds even if this process is killed.

    Args:
        words: sequence of str. Arguments of Python.
        options: further arguments of `subprocess.Popen`.
    """

    def __init__(self, words, **options):
        read_end, self._write_end = os.pipe()
        try:
            with interruptions.kept_from_children():
                self._process = subprocess.Popen(
                    [sys.executable, *words],
                    env={
                        **os.environ,
                        interruptions.PARENT_PIPE: str(read_end),
                    },
                    pass_fds=[read_end],
                    **options,
                )
        except BaseException:
            os.close(self._write_end)
            raise
        finally:
            os.close(read_end)
        self.process_id = self._process.pid

    def poll(self) -> int | None:
        """The exit status; None while it runs."""
        return self._noted(self._process.poll())

    def wait(self) -> int:
        """Waits for its end. If this is interrupted, it is ended.

        Returns:
            int. The exit status, as a shell has it.
        """
        try:
            return self._noted(self._process.wait())
        except BaseException:
            self.end()
            raise

    def end(self) -> None:
        """Ends it gracefully: it saves what it has done."""
        if self._process.poll() is None:
            self._process.terminate()
            try:
                self._process.wait(_PATIENCE_SECONDS)
            except BaseException:
                self._process.kill()
                self._process.wait()
        self._noted(self._process.returncode)

    def _noted(self, status):
        if status is not None and self._write_end is not None:
            os.close(self._write_end)
            self._write_end = None
        return 128 - status if status is not None and status < 0 else status


def announce(title: str, words: Sequence[str]) -> None:
    """Prints which command runs now.

    Args:
        title: str. What to call it.
        words: sequence of str. Arguments of Python.
    """
    print(f"\n== {title}\n$ python {shlex.join(words)}", flush=True)


def check(title: str, status: int, where: str = "see above") -> None:
    """Ends this command with the status of one that has failed.

    Args:
        title: str. What to call it.
        status: int. Its exit status, 0 if it has ended well.
        where: str. Where to read why.

    Raises:
        SystemExit: with that status, if it is not 0.
    """
    if not status:
        return
    if status != BROKEN_PIPE_STATUS:
        killed = status == 128 + signal.SIGKILL
        ending = (
            "was killed, perhaps for lack of memory" if killed else "failed"
        )
        print(f"stopped: {title} {ending}, {where}", file=sys.stderr)
    sys.exit(status)


def call(title: str, module: str, *arguments) -> float:
    """Runs another command; if it fails, this one ends with its status.

    Args:
        title: str. What to call it.
        module: str, such as `"ofa_aec_tf.train"`.
        arguments: its flags.

    Returns:
        float. Seconds that it took.
    """
    words = ["-m", module, *map(str, arguments)]
    announce(title, words)
    start = time.monotonic()
    check(title, ChildCommand(words).wait())
    seconds = time.monotonic() - start
    print(f"-- {title}: {seconds:.0f} s", flush=True)
    return seconds
