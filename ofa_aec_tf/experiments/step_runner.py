"""Runs steps, several at a time, unless they are done already.

Each finished step has a record: what it was made from, how long it took, and
digests of the files that it wrote. It runs again when its inputs have changed,
or its files are damaged or gone.
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
    """Runs steps, each in a directory of its own.

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
        # Seconds of the steps that are known to be done, by identity.
        self._seconds: dict[str, float] = {}

    @property
    def seconds(self) -> float:
        """The time that all steps took, including those of earlier calls."""
        return sum(self._seconds.values())

    def directory(self, step: Step) -> pathlib.Path:
        """The directory of a step, whether it has run or not."""
        if step.place is not None:
            return self._workdir / step.place
        # A step that was renamed keeps its directory.
        for path in self._records.glob(f"*-{step.identity}/"):
            return path
        return self._records / f"{step.file_stem}-{step.identity}"

    def output(self, step: Step) -> pathlib.Path:
        """The path that the command of a step is told to write to."""
        return self.directory(step) / step.command.output_name

    def path(self, output: Output) -> pathlib.Path:
        """The path of an output."""
        return self.directory(output.step) / output.name

    def is_done(self, step: Step) -> bool:
        """Whether a step is done, and all steps that it needs."""
        return all(map(self.is_done, step.needs())) and self._is_kept(
            step, self._made_of(step)
        )

    def run(self, wanted: Sequence[Step]) -> Iterator[tuple[Step, bool]]:
        """Runs steps and those that they need, unless they are done.

        A step starts as soon as the steps that it needs are done and a job is
        free, in the order given. When a step fails, or the iteration is given
        up, the running steps are ended; the next call resumes them.

        Args:
            wanted: sequence of Step.

        Yields:
            Tuples of a wanted step, in their order, as soon as it is done, and
            whether it ran in this call.

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
                # The caller uses its result before the next step starts.
                return
            if len(running) == self._num_jobs:
                return
            if any(s.identity not in self._seconds for s in step.needs()):
                continue
            waiting.remove(step)
            # Before it runs: flagfiles may be edited in the meantime.
            made_of = self._made_of(step)
            if not self._is_kept(step, made_of):
                place = min(set(range(self._num_jobs)) - set(running))
                running[place] = _Job(
                    self, step, made_of, place, self._num_jobs
                )

    def _collect(self, running) -> set[str]:
        """Notes the steps that have ended; returns their identities."""
        ended = set()
        for place, job in list(running.items()):
            if job.has_ended():
                del running[place]
                self._note(job)
                ended.add(job.step.identity)
        return ended

    def _record(self, step) -> pathlib.Path:
        name = step.file_stem if step.place else self.directory(step).name
        return self._records / f"{name}.json"

    def _note(self, job):
        """Records that a step is done."""
        directory = self.directory(job.step)
        files = {
            file
            for pattern in job.step.command.results
            for file in directory.glob(pattern)
            if file.is_file()
        }
        workdir.write_json(
            self._record(job.step),
            {
                "made_of": job.made_of,
                "seconds": job.seconds,
                # Relative, so that the working directory can be moved.
                "results": {
                    str(file.relative_to(directory)): workdir.file_digest(file)
                    for file in sorted(files)
                },
            },
        )
        self._seconds[job.step.identity] = job.seconds

    def _made_of(self, step) -> dict:
        inputs = [
            [name, [workdir.file_digest(self.path(part)) for part in parts]]
            for name, parts in step.outputs()
        ]
        return {**step.made_of(), "inputs": inputs}

    def _is_kept(self, step, made_of) -> bool:
        """Whether a step is done, given that those it needs are."""
        if step.identity in self._seconds:
            return True
        record = read_record(
            self._record(step), made_of=dict, seconds=int | float, results=dict
        )
        if record.get("made_of") != made_of:
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
        """The arguments that Python runs a step with."""
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
        # Some flags take one path only, and flags that take several read one
        # that exists as it is.
        return (
            str(paths[0]) if len(paths) == 1 else path_flags.join_paths(paths)
        )


class _Job:
    """A step that is running, on its share of the cores."""

    def __init__(self, runner, step, made_of, place, num_jobs):
        self.step = step
        self.made_of = made_of
        self.seconds = 0.0
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
        # Appended to what an interrupted call has printed.
        with self._log.open("ab") as log:
            self.command = ChildCommand(
                words, stdout=log, stderr=subprocess.STDOUT
            )
        if hasattr(os, "sched_setaffinity"):
            # In time: it counts its cores only after seconds of imports.
            os.sched_setaffinity(
                self.command.process_id,
                share_of_cores(os.sched_getaffinity(0), place, num_jobs),
            )

    def has_ended(self) -> bool:
        """Whether it has ended.

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
        self.seconds = round(time.monotonic() - self._start_seconds, 1)
        print(f"-- {self.step.title}: {self.seconds:.0f} s", flush=True)
        return True


def share_of_cores(cores: Iterable[int], place: int, num_jobs: int) -> set[int]:
    """The cores of one of several jobs; all cores if there are too few.

    Args:
        cores: iterable of int. All cores.
        place: int, in 0 ... num_jobs - 1.
        num_jobs: int.
    """
    cores = sorted(cores)
    return set(cores[place::num_jobs] if len(cores) >= num_jobs else cores)


def read_record(path, **kinds: type) -> dict:
    """Reads a record; an empty dict if it is missing or damaged.

    Args:
        path: path of the record.
        **kinds: the types of its required entries.
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
    """All steps once, each after those that it needs."""
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
