"""Commands whose results have places of their own, each run when it must be.

What a step was made of is recorded beside its seconds and the digests of what
it wrote. It runs again where that is no longer so, and is kept otherwise.
"""

import dataclasses
import hashlib
import json
import os
import pathlib
from collections.abc import Callable
from collections.abc import Iterable

import ofa_aec_tf
from ofa_aec_tf.command_flags import flagfiles
from ofa_aec_tf.command_flags import path_flags
from ofa_aec_tf.data import dataset_info
from ofa_aec_tf.data.dataset_info import DatasetInfo
from ofa_aec_tf.runs import child_commands
from ofa_aec_tf.runs import workdir

_NAMES_OF_PATHS = ("dir", "csv", "table")
_SIGNS_OF_PATHS = {"/", "."}


@dataclasses.dataclass(frozen=True)
class KeptStep:
    """A command to run.

    Args:
        name: str. Of its record, distinct among the steps of a run.
        title: str. What to call it.
        module: str, such as `"ofa_aec_tf.train"`.
        flagfile: path of its flagfile, or None.
        settings: tuple of str, further flags that decide the result.
        inputs: tuple of `(name, paths)`. Flags with the files that it reads;
            their content decides, and not their place.
        output: tuple of the flag that says where it writes, and the path.
        results: function of no arguments that returns the files that it has
            written.
    """

    name: str
    title: str
    module: str
    flagfile: pathlib.Path | None
    settings: tuple[str, ...]
    inputs: tuple[tuple[str, tuple[pathlib.Path, ...]], ...]
    output: tuple[str, pathlib.Path]
    results: Callable[[], Iterable[pathlib.Path]]

    def flags(self) -> list[str]:
        """The flags that decide the result, but for those of files."""
        read = [] if self.flagfile is None else flagfiles.read(self.flagfile)
        return [*read, *self.settings]

    def arguments(self, data_dir) -> list[str]:
        """What the command is called with.

        Args:
            data_dir: path of the preprocessed data.
        """
        flag, path = self.output
        return [
            *([] if self.flagfile is None else [f"--flagfile={self.flagfile}"]),
            f"--data_dir={data_dir}",
            *self.settings,
            *(f"--{name}={_value(paths)}" for name, paths in self.inputs),
            f"--{flag}={path}",
        ]


def _value(paths) -> str:
    # One may be of a flag that takes no more; where it exists, a list takes it
    # as it is.
    return str(paths[0]) if len(paths) == 1 else path_flags.join_paths(paths)


class KeptSteps:
    """Runs steps, and keeps what an earlier call of theirs has left whole.

    Args:
        directory: path of the directory of the records.
        data_dir: path of the preprocessed data, which all steps read.
    """

    def __init__(self, directory, data_dir):
        self._directory = pathlib.Path(directory)
        self._data_dir = pathlib.Path(data_dir)
        self._data_fingerprint = DatasetInfo.read(data_dir).fingerprint
        self.seconds = 0.0

    def run(self, step: KeptStep) -> None:
        """Runs a step, unless its results are there and made of the same."""
        path = self._directory / f"{step.name}.json"
        identity = self._identity(step)
        record = read_record(path)
        if record.get("identity") == identity and self._are_whole(
            record["results"]
        ):
            print(f"== {step.title}: kept, in {step.output[1]}", flush=True)
            self.seconds += record["seconds"]
            return
        seconds = round(
            child_commands.call(
                step.title,
                step.module,
                *step.arguments(self._data_dir),
            ),
            1,
        )
        self.seconds += seconds
        workdir.write_json(
            path,
            {
                "identity": identity,
                "seconds": seconds,
                "results": {
                    self._place(file): workdir.file_digest(file)
                    for file in step.results()
                },
            },
        )

    def _place(self, path):
        # So that all of it may be moved.
        return os.path.relpath(path, self._directory)

    def _are_whole(self, results):
        return bool(results) and all(
            (self._directory / place).is_file()
            and workdir.file_digest(self._directory / place) == digest
            for place, digest in results.items()
        )

    def _identity(self, step):
        return {
            "version": ofa_aec_tf.__version__,
            "module": step.module,
            "flags": step.flags(),
            "named": [_content(path) for path in named_paths(step.flags())],
            "data": self._data_fingerprint,
            "inputs": [
                [name, [workdir.file_digest(path) for path in paths]]
                for name, paths in step.inputs
            ],
        }


def read_record(path, keys=("identity", "results", "seconds")) -> dict:
    """The record of a step, empty where it has none that can be read.

    Args:
        path: path of the record.
        keys: iterable of str, which it must have.
    """
    try:
        record = workdir.read_json(path)
    except (OSError, ValueError):
        return {}
    if not isinstance(record, dict) or not set(keys) <= set(record):
        return {}
    kinds_are_right = isinstance(record["seconds"], int | float) and all(
        isinstance(record.get(name, {}), dict)
        for name in ("identity", "results", "tables")
    )
    return record if kinds_are_right else {}


def named_paths(flag_texts) -> list[pathlib.Path]:
    """The files and directories among the values of flags.

    Args:
        flag_texts: iterable of str, such as `"--audio_dir=sounds"`.
    """
    found = []
    for text in flag_texts:
        name, _, value = text.partition("=")
        # Else it is a word, whatever the current directory holds.
        if not (name.endswith(_NAMES_OF_PATHS) or _SIGNS_OF_PATHS & set(value)):
            continue
        try:
            parts = path_flags.split_paths(value)
        except ValueError:
            continue
        found += [pathlib.Path(part) for part in parts if _exists(part)]
    return found


def _exists(path):
    # JSON, say, is too long for a name.
    try:
        return os.path.exists(path)
    except (OSError, ValueError):
        return False


def _content(path):
    """A digest of a file, or of which files a directory holds."""
    if path.is_file():
        return workdir.file_digest(path)
    record = path / dataset_info.FILE_NAME
    if record.is_file():
        return workdir.file_digest(record)
    text = json.dumps(sorted(listed_files(path)))
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def listed_files(directory) -> list[tuple[str, int]]:
    """The files of a directory and of those below it, with their sizes."""
    found = []
    for parent, _, names in os.walk(directory):
        for name in names:
            path = os.path.join(parent, name)
            try:
                size = os.path.getsize(path)
            except OSError:
                # A link that leads nowhere.
                continue
            found.append((os.path.relpath(path, directory), size))
    return found
