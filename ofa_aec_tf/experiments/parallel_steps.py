"""Several steps at a time, each on cores of its own.

A small network does not train faster on more cores; two of them side by side
take half the time.
"""

import os
import pathlib
import subprocess
import sys
import time
from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Sequence

from ofa_aec_tf.experiments.steps import BoundStep
from ofa_aec_tf.runs import child_commands
from ofa_aec_tf.runs.child_commands import ChildCommand

LOG = "log.txt"
_POLL_SECONDS = 0.2


def run_in_order(
    wanted: Sequence[BoundStep], num_jobs: int
) -> Iterator[BoundStep]:
    """Runs steps and what they need, several at a time.

    A step starts as soon as what it needs is done and a place is free; those
    that come first start first. What it prints goes to `log.txt` in its
    directory, but for one at a time. When one fails, or the iteration is given
    up, those that run are ended; they go on from there the next time.

    Args:
        wanted: sequence of BoundStep.
        num_jobs: int. How many at a time.

    Yields:
        The wanted steps in their order, each when it is done.

    Raises:
        SystemExit: with the status of a step that has failed.
    """
    if num_jobs == 1:
        for bound in wanted:
            bound.run()
            yield bound
        return
    waiting = [bound for bound in _with_needed(wanted) if not bound.is_done()]
    running: dict[int, _Job] = {}
    try:
        for bound in wanted:
            while not bound.is_done():
                _start(waiting, running, num_jobs)
                time.sleep(_POLL_SECONDS)
                _collect(running)
            _start(waiting, running, num_jobs)
            yield bound
    finally:
        for job in running.values():
            job.command.end()


def share_of_cores(cores: Iterable[int], place: int, num_jobs: int) -> set[int]:
    """The cores of one of several jobs: all of them where there are too few.

    Args:
        cores: iterable of int. Those that there are.
        place: int, in 0 ... num_jobs - 1.
        num_jobs: int.
    """
    cores = sorted(cores)
    return set(cores[place::num_jobs] if len(cores) >= num_jobs else cores)


class _Job:
    """A step that runs in a process, on its share of the cores."""

    def __init__(self, bound, place, num_jobs):
        self.bound = bound
        self.log = bound.directory / LOG
        self.start_seconds = time.monotonic()
        self.log.parent.mkdir(parents=True, exist_ok=True)
        # After what an earlier call of a step has printed that was cut off.
        with self.log.open("ab") as log:
            self.command = ChildCommand(
                bound.runner.command(bound.step),
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        if hasattr(os, "sched_setaffinity"):
            # Long before it counts its cores, as imports take seconds.
            os.sched_setaffinity(
                self.command.process_id,
                share_of_cores(os.sched_getaffinity(0), place, num_jobs),
            )


def _with_needed(wanted) -> list[BoundStep]:
    """All steps once, each after what it needs."""
    ordered: dict[tuple, BoundStep] = {}

    def add(bound):
        if bound.key not in ordered:
            for needed in bound.needs():
                add(needed)
            ordered[bound.key] = bound

    for bound in wanted:
        add(bound)
    return list(ordered.values())


def _start(waiting, running, num_jobs):
    for bound in list(waiting):
        if len(running) == num_jobs:
            return
        if all(needed.is_done() for needed in bound.needs()):
            waiting.remove(bound)
            place = min(set(range(num_jobs)) - set(running))
            print(f"== {bound.step.title}", flush=True)
            running[place] = _Job(bound, place, num_jobs)


def _collect(running):
    for place, job in list(running.items()):
        status = job.command.poll()
        if status is None:
            continue
        del running[place]
        title = job.bound.step.title
        if status:
            print(
                f"stopped: {title} {child_commands.ending(status)}, "
                f"see {job.log}: "
                f"{_last_line(job.log)}",
                file=sys.stderr,
            )
            sys.exit(status)
        job.bound.runner.note_done(job.bound.step)
        seconds = time.monotonic() - job.start_seconds
        print(f"-- {title}: {seconds:.0f} s", flush=True)


def _last_line(path: pathlib.Path) -> str:
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    return lines[-1] if lines else "it has printed nothing"
