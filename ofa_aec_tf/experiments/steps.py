"""Steps: calls of commands that read what other steps have written.

A step is identified by what determines its result: the command, its flags after
flagfiles are read, the files that these flags name, the data, and the steps
that it needs. Its title does not matter.
"""

import dataclasses
import functools
import hashlib
import json
import os
import pathlib
import re
from collections.abc import Sequence

import ofa_aec_tf
from ofa_aec_tf.command_flags import flagfiles
from ofa_aec_tf.command_flags import path_flags
from ofa_aec_tf.data import dataset_info
from ofa_aec_tf.runs import workdir

METRICS_FILE = "metrics.json"
SUBNET = "subnet.keras"
_IDENTITY_CHARACTERS = 16
_NAMES_OF_PATHS = ("dir", "csv", "table")
_SIGNS_OF_PATHS = {"/", "."}


@dataclasses.dataclass(frozen=True)
class Data:
    """Preprocessed data that a step reads.

    Args:
        directory: path.
        fingerprint: str. Identifies the content.
        skip_corrupt: bool. Whether to skip damaged records.
    """

    directory: pathlib.Path
    fingerprint: str
    skip_corrupt: bool = False

    @property
    def flags(self) -> list[str]:
        """Flags for a command that reads these data."""
        reading = ["--skip_corrupt"] if self.skip_corrupt else []
        return [f"--data_dir={self.directory}", *reading]


@dataclasses.dataclass(frozen=True)
class Command:
    """A command that can be a step.

    Args:
        module: str.
        results: tuple of str. Patterns of the files in its directory that
            people and other steps read.
        output_flag: str. The flag that names its output.
        output_name: str. The file in its directory that is its output; "" if
            that is the directory itself.
    """

    module: str
    results: tuple[str, ...]
    output_flag: str = "workdir"
    output_name: str = ""


TRAIN = Command("ofa_aec_tf.train", ("*.keras", "*.json"))
SEARCH = Command("ofa_aec_tf.search", ("*.json", "*.csv", "*.png", "*.html"))
MATERIALIZE = Command("ofa_aec_tf.materialize", ("**/subnet.*",))
EXPORT = Command("ofa_aec_tf.export", ("**/*",), "output_dir")
EVALUATE = Command(
    "ofa_aec_tf.evaluate", (METRICS_FILE,), "output", METRICS_FILE
)


@dataclasses.dataclass(frozen=True)
class Output:
    """A file that a step writes.

    Args:
        step: Step.
        name: str. Path of the file in the step's directory.
    """

    step: "Step"
    name: str

    def sibling(self, name: str) -> "Output":
        """Another file in the same directory."""
        path = pathlib.PurePath(self.name).with_name(name)
        return Output(self.step, str(path))


@dataclasses.dataclass(frozen=True)
class Step:
    """A call of a command.

    Args:
        title: str. Shown to people; does not affect the result.
        command: Command.
        data: Data.
        flagfile: path of its flagfile, or None.
        arguments: tuple of `(name, value)`. Further flags; a value is a str,
            an Output, or a tuple of these.
        place: str or None. Its directory within the working directory. By
            default the directory is named by title and identity.
    """

    title: str
    command: Command
    data: Data
    flagfile: pathlib.Path | None
    arguments: tuple[tuple[str, object], ...]
    place: str | None = None

    def outputs(self) -> list[tuple[str, list[Output]]]:
        """The outputs of other steps that it reads, by flag."""
        found = []
        for name, value in self.arguments:
            parts = [p for p in _parts(value) if isinstance(p, Output)]
            if parts:
                found.append((name, parts))
        return found

    def needs(self) -> list["Step"]:
        """The steps whose outputs it reads."""
        return [part.step for _, parts in self.outputs() for part in parts]

    def made_of(self) -> dict:
        """What determines the result, apart from the outputs it reads."""
        flags = [] if self.flagfile is None else flagfiles.read(self.flagfile)
        flags += [
            f"--{name}={','.join(_parts(value))}"
            for name, value in self.arguments
            if not any(isinstance(part, Output) for part in _parts(value))
        ]
        return {
            "version": ofa_aec_tf.__version__,
            "module": self.command.module,
            "flags": flags,
            "named": [_content(path) for path in named_paths(flags)],
            "data": [self.data.fingerprint, self.data.skip_corrupt],
        }

    @functools.cached_property
    def identity(self) -> str:
        """A digest of everything that determines the result."""
        read = [
            [name, [[part.step.identity, part.name] for part in parts]]
            for name, parts in self.outputs()
        ]
        text = json.dumps([self.made_of(), read])
        digest = hashlib.sha256(text.encode()).hexdigest()
        return digest[:_IDENTITY_CHARACTERS]

    @property
    def file_stem(self) -> str:
        """The title, in characters for file names."""
        return re.sub(r"[^a-z0-9]+", "-", self.title.lower()).strip("-")


def _parts(value) -> tuple:
    return value if isinstance(value, tuple) else (value,)


def texts(flags: dict) -> tuple[tuple[str, str], ...]:
    """Flags as arguments of a Step."""
    return tuple((name, str(value)) for name, value in flags.items())


def evaluation(
    title: str,
    models: Sequence[Output],
    ensemble: bool = False,
    place: str | None = None,
) -> Step:
    """The step that evaluates models on the test split.

    Args:
        title: str.
        models: sequence of Output.
        ensemble: bool. Whether to evaluate their mean scores too.
        place: str or None, as of Step.
    """
    more = (("ensemble", "true"),) if ensemble else ()
    return Step(
        title,
        EVALUATE,
        models[0].step.data,
        None,
        (("split", "test"), ("model", tuple(models)), *more),
        place,
    )


def named_paths(flag_texts) -> list[pathlib.Path]:
    """The files and directories among the values of flags.

    Args:
        flag_texts: iterable of str, such as `"--audio_dir=sounds"`.
    """
    found = []
    for text in flag_texts:
        name, _, value = text.partition("=")
        # Other values are words, even if a file happens to have that name.
        if not (name.endswith(_NAMES_OF_PATHS) or _SIGNS_OF_PATHS & set(value)):
            continue
        try:
            parts = path_flags.split_paths(value)
        except ValueError:
            continue
        found += [pathlib.Path(part) for part in parts if _exists(part)]
    return found


def _exists(path):
    # JSON, for example, can be too long for a file name.
    try:
        return os.path.exists(path)
    except (OSError, ValueError):
        return False


def _content(path):
    """A digest of a file, or of the list of files in a directory."""
    if path.is_file():
        return workdir.file_digest(path)
    record = path / dataset_info.FILE_NAME
    if record.is_file():
        return workdir.file_digest(record)
    text = json.dumps(sorted(listed_files(path)))
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def listed_files(directory) -> list[tuple[str, int]]:
    """All files below a directory, with their sizes."""
    found = []
    for parent, _, names in os.walk(directory):
        for name in names:
            path = os.path.join(parent, name)
            try:
                size = os.path.getsize(path)
            except OSError:
                # A broken link.
                continue
            found.append((os.path.relpath(path, directory), size))
    return found
