"""Calls functions in child processes, which native code may crash."""

import faulthandler
import multiprocessing
import os
import pathlib
import resource
import signal
import tempfile
from collections.abc import Callable

# More than any model for a phone needs.
MAX_SECONDS = 600.0
_MAX_MEMORY_BYTES = 4 * 2**30
_MEMORY_PAGES = pathlib.Path("/proc/self/statm")


def _limit(seconds):
    """Limits the time and the memory of this process."""
    # Ctrl-C goes to all processes. The parent decides about this one.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # By default these signals end native code, too.
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    # A crash is reported in one line, without a core file.
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if _MEMORY_PAGES.is_file():
        num_pages = int(_MEMORY_PAGES.read_text().split()[0])
        limit = num_pages * resource.getpagesize() + _MAX_MEMORY_BYTES
        _, highest = resource.getrlimit(resource.RLIMIT_AS)
        if highest == resource.RLIM_INFINITY or limit < highest:
            resource.setrlimit(resource.RLIMIT_AS, (limit, highest))


def _answer(connection, output, seconds, function, arguments):
    for descriptor in (1, 2):
        os.dup2(output.fileno(), descriptor)
    # The parent reports a crash, without a trace.
    faulthandler.disable()
    _limit(seconds)
    try:
        answer = True, function(*arguments)
    except (ValueError, OSError) as error:
        # As text: its class might not be unpickled.
        answer = False, str(error)
    # No error of one file may stop the others.
    except Exception as error:
        answer = False, f"It cannot be read: {type(error).__name__}: {error}"
    connection.send(answer)


def call(
    function: Callable, *arguments, max_seconds: float = MAX_SECONDS
) -> object:
    """Calls a function in a child process.

    Args:
        function: function whose result can be pickled.
        *arguments: its arguments.
        max_seconds: float. Its time limit.

    Returns:
        The result of the function.

    Raises:
        ValueError: if the function raises an exception, crashes, or takes too
            long or more than 4 GiB of memory.
    """
    # A fork takes milliseconds, because everything is imported already.
    context = multiprocessing.get_context("fork")
    receiver, sender = context.Pipe(duplex=False)
    with tempfile.TemporaryFile() as output:
        process = context.Process(
            target=_answer,
            args=(sender, output, max_seconds, function, arguments),
            daemon=True,
        )
        process.start()
        sender.close()
        try:
            is_answer, answer = receiver.recv()
        except EOFError:
            process.join()
            cause = _cause_of_death(process.exitcode, max_seconds)
            raise ValueError(
                f"{cause}{_last_words(output)}. The file is damaged, or not "
                "for this runtime. Export the model again."
            ) from None
        finally:
            receiver.close()
            process.kill()
            process.join()
            process.close()
    if not is_answer:
        raise ValueError(answer)
    return answer


def _last_words(output):
    output.seek(0)
    lines = output.read().decode(errors="replace").split("\n")
    last = next((line for line in reversed(lines) if line.strip()), None)
    return "" if last is None else f", saying {last.strip()!r}"


def _cause_of_death(exit_code, max_seconds):
    if exit_code == -signal.SIGALRM:
        return f"The TFLite runtime took more than {max_seconds:g} s"
    if exit_code < 0:
        name = signal.Signals(-exit_code).name
        return f"The TFLite runtime crashed ({name})"
    return f"The TFLite runtime ended with status {exit_code}"
