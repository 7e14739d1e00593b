"""Child processes that do not outlive their parent."""

import concurrent.futures
import contextlib
import multiprocessing
import multiprocessing.connection
import os
import threading
from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence
from concurrent.futures.process import BrokenProcessPool

from ofa_aec_tf.runs import interruptions


def end_with_parent() -> None:
    """Ends this child when its parent is killed, instead of waiting forever."""
    parent_ended = [multiprocessing.parent_process().sentinel]
    # The parent may have been killed while this child started. Work that is
    # waiting must not begin before the thread runs.
    if multiprocessing.connection.wait(parent_ended, timeout=0):
        os._exit(1)

    def watch():
        multiprocessing.connection.wait(parent_ended)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


@contextlib.contextmanager
def environment(values: Mapping[str, str]) -> Iterator[None]:
    """Sets environment variables for processes started in this context.

    Args:
        values: dict of str.
    """
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def run_all(
    function: Callable, tasks: Sequence[tuple], num_workers: int, advice: str
) -> Iterator:
    """Calls a function for each of many tasks, in several processes.

    Args:
        function: importable function.
        tasks: sequence of tuple, its arguments.
        num_workers: int. Number of processes; 1 is this process.
        advice: str. What the user can do if a process dies.

    Yields:
        What the function returns, as tasks are finished.

    Raises:
        ChildProcessError: if a process dies.
    """
    num_workers = min(num_workers, len(tasks))
    if num_workers < 2:
        for task in tasks:
            yield function(*task)
        return
    with concurrent.futures.ProcessPoolExecutor(
        num_workers,
        multiprocessing.get_context("spawn"),
        initializer=end_with_parent,
    ) as pool:
        try:
            with interruptions.kept_from_children():
                futures = [pool.submit(function, *task) for task in tasks]
            for future in concurrent.futures.as_completed(futures):
                yield future.result()
        except (KeyboardInterrupt, GeneratorExit):
            # Nobody waits for their results.
            for process in multiprocessing.active_children():
                process.kill()
            raise
        except BrokenProcessPool as error:
            raise ChildProcessError(
                "A worker process ended abruptly, perhaps for lack of "
                f"memory. {advice}"
            ) from error
        finally:
            # Workers finish what they write, or remove it.
            pool.shutdown(wait=True, cancel_futures=True)
