"""Several steps at a time, each on cores of its own.

A small network does not train faster on more cores; two of them side by side
take half the time.
"""

import os
import pathlib
import subprocess
import sys
import time
from collections.abc import Iterator
from collections.abc import Sequence

from ofa_aec_tf.reproduction.steps import Step
from ofa_aec_tf.reproduction.steps import StepRunner

LOG = "log.txt"
_POLL_SECONDS = 0.2


def run_in_order(
    runner: StepRunner, wanted: Sequence[Step], num_jobs: int
) -> Iterator[Step]:
    """Runs steps and what they need, several at a time.

    A step starts as soon as what it needs is done and a place is free; those
    that come first start first. What it prints goes to `log.txt` in its
    directory. When one fails, or the iteration is given up, those that run are
    ended; they go on from there the next time.

    Args:
        runner: StepRunner.
        wanted: sequence of Step.
        num_jobs: int. How many at a time.

    Yields:
        The wanted steps in their order, each when it is done.

    Raises:
        SystemExit: with the status of a step that has failed.
    """
    waiting = [
        step for step in _with_needed(wanted) if not runner.is_done(step)
    ]
    running: dict[int, _Job] = {}
    try:
        for step in wanted:
            while not runner.is_done(step):
                _start(runner, waiting, running, num_jobs)
                time.sleep(_POLL_SECONDS)
                _collect(runner, running)
            _start(runner, waiting, running, num_jobs)
            yield step
    finally:
        for job in running.values():
            job.process.terminate()
        for job in running.values():
            job.process.wait()


class _Job:
    """A step that runs in a process, on its share of the cores."""

    def __init__(self, runner, step, place, num_jobs):
        self.step = step
        self.log = runner.directory(step) / LOG
        self.start_seconds = time.monotonic()
        self.log.parent.mkdir(parents=True, exist_ok=True)
        # After what an earlier call of a step has printed that was cut off.
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, *runner.command(step)],
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        if hasattr(os, "sched_setaffinity"):
            # Long before it counts its cores, as imports take seconds.
            cores = sorted(os.sched_getaffinity(0))
            share = cores[place::num_jobs] or cores
            os.sched_setaffinity(self.process.pid, share)


def _with_needed(wanted) -> list[Step]:
    """All steps once, each after what it needs."""
    ordered: dict[str, Step] = {}

    def add(step):
        if step.identity not in ordered:
            for needed in step.needs():
                add(needed)
            ordered[step.identity] = step

    for step in wanted:
        add(step)
    return list(ordered.values())


def _start(runner, waiting, running, num_jobs):
    for step in list(waiting):
        if len(running) == num_jobs:
            return
        if all(map(runner.is_done, step.needs())):
            waiting.remove(step)
            place = min(set(range(num_jobs)) - set(running))
            print(f"== {step.title}", flush=True)
            running[place] = _Job(runner, step, place, num_jobs)


def _collect(runner, running):
    for place, job in list(running.items()):
        status = job.process.poll()
        if status is None:
            continue
        del running[place]
        if status:
            print(
                f"stopped: {job.step.title} failed, see {job.log}: "
                f"{_last_line(job.log)}",
                file=sys.stderr,
            )
            sys.exit(status)
        runner.note_done(job.step)
        seconds = time.monotonic() - job.start_seconds
        print(f"-- {job.step.title}: {seconds:.0f} s", flush=True)


def _last_line(path: pathlib.Path) -> str:
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    return lines[-1] if lines else "it has printed nothing"
