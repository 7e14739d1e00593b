"""Commands that run in child processes and end with their parent."""

import os
import shlex
import signal
import subprocess
import sys
import time

from ofa_aec_tf.runs import interruptions

BROKEN_PIPE_STATUS = 128 + signal.SIGPIPE
# How long a child may take to end before it is killed.
_PATIENCE_SECONDS = 30


class ChildCommand:
    """A command in a child process, which ends when this process ends.

    The child notices the end of this process, even if that is killed.

    Args:
        words: sequence of str. Arguments of the Python interpreter.
        options: as for `subprocess.Popen`.
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
        """The exit status, None while it runs."""
        return self._noted(self._process.poll())

    def wait(self) -> int:
        """Waits for the command; an interruption of the wait ends it.

        Returns:
            int. The exit status, as in a shell.
        """
        try:
            return self._noted(self._process.wait())
        except BaseException:
            self.end()
            raise

    def end(self) -> None:
        """Asks the command to end, and kills it if it does not."""
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


def ending(status: int) -> str:
    """How a command failed, in words."""
    if status == 128 + signal.SIGKILL:
        return "was killed, perhaps for lack of memory"
    return "failed"


def call(title: str, module: str, *arguments) -> float:
    """Runs a command; if it fails, this process ends with its status.

    Args:
        title: str. Printed before the command runs.
        module: str, such as `"ofa_aec_tf.train"`.
        arguments: converted to its flags by `str`.

    Returns:
        float. Its run time in seconds.
    """
    words = ["-m", module, *map(str, arguments)]
    print(f"\n== {title}\n$ python {shlex.join(words)}", flush=True)
    start = time.monotonic()
    status = ChildCommand(words).wait()
    if status:
        if status != BROKEN_PIPE_STATUS:
            print(
                f"stopped: {title} {ending(status)}, see above", file=sys.stderr
            )
        sys.exit(status)
    seconds = time.monotonic() - start
    print(f"-- {title}: {seconds:.0f} s", flush=True)
    return seconds
