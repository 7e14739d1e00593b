"""Commands with what they read from each other, each run once.

A step is known by what decides its result: the command, its flags as they are
after flagfiles are read, the data and the steps that it reads from. Titles and
places don't count, so that a plan may be rearranged and goes on all the same.
"""

import dataclasses
import functools
import hashlib
import json
import pathlib
import re

import ofa_aec_tf
from ofa_aec_tf.command_flags import flagfiles
from ofa_aec_tf.command_flags import path_flags
from ofa_aec_tf.runs import child_commands
from ofa_aec_tf.runs import workdir

_DONE = "done.json"
_IDENTITY_CHARACTERS = 16


@dataclasses.dataclass(frozen=True)
class Output:
    """A file that a step writes.

    Args:
        step: Step.
        name: str. Path of the file in the step's directory.
    """

    step: "Step"
    name: str

    @property
    def parts(self) -> tuple[str, ...]:
        """The parts of `name`."""
        return pathlib.PurePath(self.name).parts


@dataclasses.dataclass(frozen=True)
class Step:
    """A command to run.

    Args:
        title: str. What to call it; decides nothing.
        module: str, such as `"ofa_aec_tf.train"`.
        flagfile: path of its flagfile, or None.
        arguments: tuple of `(name, value)`, further flags. A value is str, an
            Output, or a tuple of the one or the other, a list.
        output_flag: str. The flag that names the step's own directory.
        output_name: str. The file in it that this flag names; "" for the
            directory itself.
    """

    title: str
    module: str
    flagfile: pathlib.Path | None
    arguments: tuple[tuple[str, object], ...]
    output_flag: str = "workdir"
    output_name: str = ""

    def needs(self) -> list["Step"]:
        """The steps that this one reads from."""
        return [
            part.step
            for _, value in self.arguments
            for part in _parts(value)
            if isinstance(part, Output)
        ]

    @functools.cached_property
    def identity(self) -> str:
        """A digest of what decides the result, but for the data."""
        content = [
            ofa_aec_tf.__version__,
            self.module,
            [] if self.flagfile is None else flagfiles.read(self.flagfile),
            [
                [
                    name,
                    [
                        [part.step.identity, part.name]
                        if isinstance(part, Output)
                        else str(part)
                        for part in _parts(value)
                    ],
                ]
                for name, value in self.arguments
            ],
        ]
        return hashlib.sha256(json.dumps(content).encode()).hexdigest()


def _parts(value) -> tuple:
    return value if isinstance(value, tuple) else (value,)


class StepRunner:
    """Runs steps, each in a directory of its own, and none twice.

    Args:
        directory: path of a directory that holds those of the steps.
        data_dir: path of the preprocessed data, which all steps read.
        data_fingerprint: str. What tells these data from others.
    """

    def __init__(self, directory, data_dir, data_fingerprint: str):
        self._directory = pathlib.Path(directory)
        self._data_dir = data_dir
        self._data_fingerprint = data_fingerprint

    def directory(self, step: Step) -> pathlib.Path:
        """Where a step writes, whether it has run or not."""
        identity = hashlib.sha256(
            f"{step.identity} {self._data_fingerprint}".encode()
        ).hexdigest()[:_IDENTITY_CHARACTERS]
        # One that had another title is the same.
        for path in self._directory.glob(f"*-{identity}"):
            return path
        words = re.sub(r"[^a-z0-9]+", "-", step.title.lower()).strip("-")
        return self._directory / f"{words}-{identity}"

    def path(self, output: Output) -> pathlib.Path:
        """Where an output is."""
        return self.directory(output.step) / output.name

    def is_done(self, step: Step) -> bool:
        """Whether a step has run to its end."""
        return (self.directory(step) / _DONE).is_file()

    def run(self, step: Step) -> None:
        """Runs a step and before it what it needs, as far as not done."""
        if self.is_done(step):
            return
        for needed in step.needs():
            self.run(needed)
        self.directory(step).mkdir(parents=True, exist_ok=True)
        child_commands.call(step.title, *self.command(step)[1:])
        self.note_done(step)

    def command(self, step: Step) -> list[str]:
        """What Python is called with to run a step."""
        return [
            "-m",
            step.module,
            *([] if step.flagfile is None else [f"--flagfile={step.flagfile}"]),
            f"--data_dir={self._data_dir}",
            *(
                f"--{name}={self._text(value)}"
                for name, value in step.arguments
            ),
            f"--{step.output_flag}={self.directory(step) / step.output_name}",
        ]

    def note_done(self, step: Step) -> None:
        """Notes that a step has run to its end."""
        workdir.write_json(self.directory(step) / _DONE, {"title": step.title})

    def _text(self, value) -> str:
        if isinstance(value, Output):
            return str(self.path(value))
        parts = _parts(value)
        if any(isinstance(part, Output) for part in parts):
            return path_flags.join_paths(map(self.path, parts))
        return ",".join(parts)


@dataclasses.dataclass(frozen=True)
class BoundStep:
    """A step on the data of a runner.

    Args:
        runner: StepRunner.
        step: Step.
    """

    runner: StepRunner
    step: Step

    @property
    def key(self) -> tuple[StepRunner, str]:
        """What two of one result have in common."""
        return self.runner, self.step.identity

    @property
    def directory(self) -> pathlib.Path:
        """Where it writes, whether it has run or not."""
        return self.runner.directory(self.step)

    def needs(self) -> list["BoundStep"]:
        """What it reads from."""
        return [BoundStep(self.runner, step) for step in self.step.needs()]

    def is_done(self) -> bool:
        """Whether it has run to its end."""
        return self.runner.is_done(self.step)

    def run(self) -> None:
        """Runs it and before it what it needs, as far as not done."""
        self.runner.run(self.step)
