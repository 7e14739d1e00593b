"""Runs steps, several at a time, and keeps what an earlier call has left whole.

Beside each step that has ended well stands a record: what it was made of, its
seconds, and digests of what it wrote. It runs again where one of these no
longer agrees.
"""

import os
import pathlib
import subprocess
import time
from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Sequence

from ofa_aec_tf.command_flags import path_flags
from ofa_aec_tf.experiments.steps import Output
from ofa_aec_tf.experiments.steps import Step
from ofa_aec_tf.runs import child_commands
from ofa_aec_tf.runs import workdir
from ofa_aec_tf.runs.child_commands import ChildCommand

RECORDS = "steps"
LOG = "log.txt"
_POLL_SECONDS = 0.2


class StepRunner:
    """Runs steps, each in a directory of its own, and none twice.

    Args:
        directory: path of the working directory.
        num_jobs: int. Steps to run at a time. A small network does not train
            faster on more cores, so each gets its share of them. What steps
            print goes to `log.txt` in their directories, but for one at a
            time.
    """

    def __init__(self, directory, num_jobs: int = 1):
        self._workdir = pathlib.Path(directory)
        self._records = self._workdir / RECORDS
        self._num_jobs = num_jobs
        # The seconds of the steps that are known to be done, by identity.
        self._seconds: dict[str, float] = {}

    @property
    def seconds(self) -> float:
        """What all steps have taken, also those of earlier calls."""
        return sum(self._seconds.values())

    def directory(self, step: Step) -> pathlib.Path:
        """Where a step writes, whether it has run or not."""
        if step.place is not None:
            return self._workdir / step.place
        # One that had another title is the same.
        for path in self._records.glob(f"*-{step.identity}/"):
            return path
        return self._records / f"{step.file_stem}-{step.identity}"

    def output(self, step: Step) -> pathlib.Path:
        """What its command is told to write: its directory, or a file in it."""
        return self.directory(step) / step.command.output_name

    def path(self, output: Output) -> pathlib.Path:
        """Where an output is."""
        return self.directory(output.step) / output.name

    def is_done(self, step: Step) -> bool:
        """Whether a step has run to its end, and all that it reads from."""
        return all(map(self.is_done, step.needs())) and self._is_kept(step)

    def run(self, wanted: Sequence[Step]) -> Iterator[tuple[Step, bool]]:
        """Runs steps and what they need, as far as they are not done.

        A step starts as soon as what it needs is done and a place is free;
        those that come first start first. When one fails, or the iteration is
        given up, those that run are ended; they go on from there the next
        time.

        Args:
            wanted: sequence of Step.

        Yields:
            Tuples of the wanted steps in their order, each when it is done,
            and whether it has run just now.

        Raises:
            SystemExit: with the status of a step that has failed.
        """
        waiting = _with_needed(wanted)
        running: dict[int, _Job] = {}
        ran: set[str] = set()
        try:
            for step in wanted:
                self._start(waiting, running, step)
                while step.identity not in self._seconds:
                    time.sleep(_POLL_SECONDS)
                    ran |= self._collect(running)
                    self._start(waiting, running, step)
                yield step, step.identity in ran
        finally:
            for job in running.values():
                job.command.end()

    def _start(self, waiting, running, wanted):
        for step in list(waiting):
            is_one_at_a_time = self._num_jobs == 1
            if is_one_at_a_time and wanted.identity in self._seconds:
                # What is made of it comes first.
                return
            if len(running) == self._num_jobs:
                return
            if any(s.identity not in self._seconds for s in step.needs()):
                continue
            waiting.remove(step)
            if not self._is_kept(step):
                place = min(set(range(self._num_jobs)) - set(running))
                running[place] = _Job(self, step, place, self._num_jobs)

    def _collect(self, running) -> set[str]:
        """The identities of the steps that have ended since the last time."""
        ended = set()
        for place, job in list(running.items()):
            if job.has_ended():
                del running[place]
                self._note(job.step, job.seconds)
                ended.add(job.step.identity)
        return ended

    def _record(self, step) -> pathlib.Path:
        name = step.file_stem if step.place else self.directory(step).name
        return self._records / f"{name}.json"

    def _note(self, step, seconds):
        """Notes that a step has run to its end."""
        directory = self.directory(step)
        files = {
            file
            for pattern in step.command.results
            for file in directory.glob(pattern)
            if file.is_file()
        }
        workdir.write_json(
            self._record(step),
            {
                "made_of": self._made_of(step),
                "seconds": seconds,
                # Relative, so that all of it may be moved.
                "results": {
                    str(file.relative_to(directory)): workdir.file_digest(file)
                    for file in sorted(files)
                },
            },
        )
        self._seconds[step.identity] = seconds

    def _made_of(self, step) -> dict:
        inputs = [
            [name, [workdir.file_digest(self.path(part)) for part in parts]]
            for name, parts in step.outputs()
        ]
        return {**step.made_of(), "inputs": inputs}

    def _is_kept(self, step) -> bool:
        """Whether the results of a step are there, and made of the same.

        What it needs must be done.
        """
        if step.identity in self._seconds:
            return True
        record = read_record(
            self._record(step), made_of=dict, seconds=int | float, results=dict
        )
        if record.get("made_of") != self._made_of(step):
            return False
        directory = self.directory(step)
        is_whole = bool(record["results"]) and all(
            (directory / name).is_file()
            and workdir.file_digest(directory / name) == digest
            for name, digest in record["results"].items()
        )
        if is_whole:
            self._seconds[step.identity] = record["seconds"]
        return is_whole

    def words(self, step: Step) -> list[str]:
        """What Python is called with to run a step."""
        return [
            "-m",
            step.command.module,
            *([] if step.flagfile is None else [f"--flagfile={step.flagfile}"]),
            *step.data.flags,
            *(
                f"--{name}={self._text(value)}"
                for name, value in step.arguments
            ),
            f"--{step.command.output_flag}={self.output(step)}",
        ]

    def _text(self, value) -> str:
        parts = value if isinstance(value, tuple) else (value,)
        if not any(isinstance(part, Output) for part in parts):
            return ",".join(parts)
        paths = [self.path(part) for part in parts]
        # One may be of a flag that takes no more; where it exists, a list
        # takes it as it is.
        return (
            str(paths[0]) if len(paths) == 1 else path_flags.join_paths(paths)
        )


class _Job:
    """A step that runs in a process, on its share of the cores."""

    def __init__(self, runner, step, place, num_jobs):
        self.step = step
        self._log = None
        words = runner.words(step)
        directory = runner.directory(step)
        directory.mkdir(parents=True, exist_ok=True)
        self._start_seconds = time.monotonic()
        if num_jobs == 1:
            child_commands.announce(step.title, words)
            self.command = ChildCommand(words)
            return
        print(f"== {step.title}", flush=True)
        self._log = directory / LOG
        # After what an earlier call of a step has printed that was cut off.
        with self._log.open("ab") as log:
            self.command = ChildCommand(
                words, stdout=log, stderr=subprocess.STDOUT
            )
        if hasattr(os, "sched_setaffinity"):
            # Long before it counts its cores, as imports take seconds.
            os.sched_setaffinity(
                self.command.process_id,
                share_of_cores(os.sched_getaffinity(0), place, num_jobs),
            )

    @property
    def seconds(self) -> float:
        """How long it has run."""
        return round(time.monotonic() - self._start_seconds, 1)

    def has_ended(self) -> bool:
        """Whether it has ended well.

        Raises:
            SystemExit: with its status, if it has failed.
        """
        status = self.command.poll()
        if status is None:
            return False
        where = "see above"
        if status and self._log is not None:
            where = f"see {self._log}: {_last_line(self._log)}"
        child_commands.check(self.step.title, status, where)
        print(f"-- {self.step.title}: {self.seconds:.0f} s", flush=True)
        return True


def share_of_cores(cores: Iterable[int], place: int, num_jobs: int) -> set[int]:
    """The cores of one of several jobs: all of them where there are too few.

    Args:
        cores: iterable of int. Those that there are.
        place: int, in 0 ... num_jobs - 1.
        num_jobs: int.
    """
    cores = sorted(cores)
    return set(cores[place::num_jobs] if len(cores) >= num_jobs else cores)


def read_record(path, **kinds: type) -> dict:
    """The record of what has been made, empty where none can be read.

    Args:
        path: path of the record.
        **kinds: types of what it must have, by name.
    """
    try:
        record = workdir.read_json(path)
    except (OSError, ValueError):
        return {}
    if not isinstance(record, dict) or not all(
        isinstance(record.get(name), kind) for name, kind in kinds.items()
    ):
        return {}
    return record


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


def _last_line(path: pathlib.Path) -> str:
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    return lines[-1] if lines else "it has printed nothing"
