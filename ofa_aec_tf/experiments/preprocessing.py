"""The preprocessing of a run, done again only when its source has changed.

When audio files are gone, the data are kept: the files may have been deleted to
save space, or their disk may not be mounted.
"""

import dataclasses
import hashlib
import io
import pathlib
from collections.abc import Sequence

import numpy as np

from ofa_aec_tf.command_flags import flagfiles
from ofa_aec_tf.data.dataset_info import DatasetInfo
from ofa_aec_tf.experiments import step_runner
from ofa_aec_tf.experiments import steps
from ofa_aec_tf.runs import child_commands
from ofa_aec_tf.runs import workdir


@dataclasses.dataclass(frozen=True)
class _Inputs:
    """What data are made from.

    Args:
        flags: list of str.
        tables: dict from paths to digests, of the files that flags name.
        files: array of uint64, sorted. A hash of the path and the size of
            each file of the directories that flags name.
    """

    flags: list[str]
    tables: dict[str, str]
    files: np.ndarray

    @classmethod
    def read(cls, flags: list[str]) -> "_Inputs":
        """The state of the inputs now."""
        paths = steps.named_paths(flags)
        hashes = [
            hashlib.blake2b(
                f"{file}\0{size}".encode(errors="surrogateescape"),
                digest_size=8,
            ).digest()
            for path in paths
            if path.is_dir()
            for file, size in steps.listed_files(path)
        ]
        return cls(
            flags,
            {str(p): workdir.file_digest(p) for p in paths if p.is_file()},
            np.unique(np.frombuffer(b"".join(hashes), np.uint64)),
        )

    @property
    def has_lost_files(self) -> bool:
        """Whether the directories that flags name are empty or gone."""
        names = (text.partition("=")[0] for text in self.flags)
        return not self.files.size and any(n.endswith("_dir") for n in names)


class Preprocessing:
    """A call of data_pipeline.preprocess for a working directory.

    Args:
        directory: path of the working directory.
        flagfile: path of a flagfile of data_pipeline.preprocess.
        arguments: sequence of str. Flags that override those of the flagfile.
        name: str or None. Name of the directory of the data. By default it
            is derived from the flags and tables, so that data of other
            settings are kept beside these.
        title: str. What to call the data.

    Raises:
        ValueError: if there is no such flagfile.
    """

    def __init__(
        self,
        directory,
        flagfile,
        arguments: Sequence[str] = (),
        name: str | None = None,
        title: str = "data",
    ):
        self._inputs = _Inputs.read([*flagfiles.read(flagfile), *arguments])
        if name is None:
            text = "\n".join(
                (*self._inputs.flags, *self._inputs.tables.values())
            )
            name = f"data-{hashlib.sha256(text.encode()).hexdigest()[:8]}"
        self.data_dir = pathlib.Path(directory) / name
        self._record = pathlib.Path(
            directory, step_runner.RECORDS, f"{name}.json"
        )
        self._files = self._record.with_suffix(".npy")
        self._arguments = [f"--flagfile={flagfile}", *arguments]
        self._title = title

    def run(self, overwrite: bool = False) -> float:
        """Makes the data, unless they are up to date.

        Args:
            overwrite: bool. Whether to make them in any case, and to replace
                whatever is there.

        Returns:
            float. Seconds that it took to make them.
        """
        record = step_runner.read_record(
            self._record,
            flags=list,
            tables=dict,
            fingerprint=str,
            seconds=int | float,
        )
        reason = (
            "--overwrite_data is given" if overwrite else self._reason(record)
        )
        if not reason:
            gone = self._known_files().size - self._inputs.files.size
            note = f" ({gone} files that they were made of are gone)"
            print(
                f"== {self._title}: kept, in {self.data_dir}"
                f"{note if gone > 0 else ''}",
                flush=True,
            )
            return record.get("seconds", 0.0)
        if self.data_dir.exists():
            print(f"{self._title} are made again: {reason}", flush=True)
        seconds = child_commands.call(
            self._title,
            "data_pipeline.preprocess",
            *self._arguments,
            *(["--overwrite"] if overwrite else []),
            f"--output_dir={self.data_dir}",
        )
        seconds = round(seconds, 1)
        content = io.BytesIO()
        np.save(content, self._inputs.files)
        workdir.write_bytes(self._files, content.getvalue())
        workdir.write_json(
            self._record,
            {
                "flags": self._inputs.flags,
                "tables": self._inputs.tables,
                "fingerprint": _fingerprint(self.data_dir),
                "seconds": seconds,
            },
        )
        return seconds

    def _known_files(self):
        try:
            return np.load(self._files, allow_pickle=False)
        except (OSError, ValueError, EOFError):
            return np.zeros(0, np.uint64)

    def _reason(self, record) -> str | None:
        """Why the data must be made again; None if they are up to date."""
        fingerprint = _fingerprint(self.data_dir)
        if fingerprint is None:
            return "they are not there, or not whole"
        if not record:
            if self._inputs.has_lost_files:
                return None
            return "nothing is known of them"
        if record["fingerprint"] != fingerprint:
            return "they are not those of the last time"
        if record["flags"] != self._inputs.flags:
            return "their flags have changed"
        for path, digest in self._inputs.tables.items():
            if record["tables"].get(path) != digest:
                return f"{path} has changed"
        if np.setdiff1d(self._inputs.files, self._known_files()).size:
            return "audio files are new or have changed"
        return None


def _fingerprint(data_dir) -> str | None:
    """The fingerprint of the data in a directory; None if incomplete."""
    try:
        dataset = DatasetInfo.read(data_dir)
        if all(
            (data_dir / shard.file).stat().st_size == shard.num_bytes
            for split in dataset.splits.values()
            for shard in split.shards
        ):
            return dataset.fingerprint
    except (OSError, ValueError):
        pass
    return None


def facts(dataset: DatasetInfo) -> dict:
    """Facts about a data set for a report."""
    return {
        "clips": {
            name: split.num_clips for name, split in dataset.splits.items()
        },
        "seconds a clip": dataset.clip_seconds,
        "classes": len(dataset.class_map),
        "fingerprint": dataset.fingerprint,
    }
