"""The preprocessed data of a pipeline, made again only for a reason.

Audio files may be deleted to save space, or their disk may not be there: what
was made of them is kept.
"""

import dataclasses
import hashlib
import io
import pathlib

import numpy as np

from ofa_aec_tf.command_flags import flagfiles
from ofa_aec_tf.data.dataset_info import DatasetInfo
from ofa_aec_tf.experiments import kept_steps
from ofa_aec_tf.runs import child_commands
from ofa_aec_tf.runs import workdir

_RECORD, _FILES = "data.json", "data_files.npy"
_KEYS = ("flags", "tables", "fingerprint", "seconds")


@dataclasses.dataclass(frozen=True)
class _Inputs:
    """What data are made of.

    Args:
        flags: list of str.
        tables: dict from paths to digests, of the files that flags name.
        files: array of uint64, sorted. A hash of the path and the size of
            each file of the directories that flags name.
    """

    flags: list[str]
    tables: dict[str, str]
    files: np.ndarray

    @property
    def has_lost_files(self) -> bool:
        """Whether nothing is left of the directories that flags name."""
        names = (text.partition("=")[0] for text in self.flags)
        return not self.files.size and any(n.endswith("_dir") for n in names)


def _inputs(flags) -> _Inputs:
    paths = kept_steps.named_paths(flags)
    hashes = [
        hashlib.blake2b(
            f"{file}\0{size}".encode(errors="surrogateescape"), digest_size=8
        ).digest()
        for path in paths
        if path.is_dir()
        for file, size in kept_steps.listed_files(path)
    ]
    return _Inputs(
        flags,
        {str(p): workdir.file_digest(p) for p in paths if p.is_file()},
        np.unique(np.frombuffer(b"".join(hashes), np.uint64)),
    )


def _fingerprint(data_dir) -> str | None:
    """That of the data of a directory, None where they are not whole."""
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


class KeptData:
    """Data that preprocessing has made.

    Args:
        directory: path of the directory of the records.
        data_dir: path of the data.
        flagfile: path of the flagfile of data_pipeline.preprocess.
        settings: sequence of str, flags that count for more.
    """

    def __init__(self, directory, data_dir, flagfile, settings):
        self._record = pathlib.Path(directory) / _RECORD
        self._files = pathlib.Path(directory) / _FILES
        self._data_dir = pathlib.Path(data_dir)
        self._arguments = [f"--flagfile={flagfile}", *settings]
        self._inputs = _inputs([*flagfiles.read(flagfile), *settings])

    def _known_files(self):
        try:
            return np.load(self._files, allow_pickle=False)
        except (OSError, ValueError, EOFError):
            return np.zeros(0, np.uint64)

    def _reason(self, record) -> str | None:
        """Why the data must be made again, None where they need not."""
        fingerprint = _fingerprint(self._data_dir)
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

    def make(self, overwrite: bool) -> float:
        """Makes the data where that must be.

        Args:
            overwrite: bool. Whether to make them in any case, and to replace
                what is there whatever it is.

        Returns:
            float. Seconds that it takes to make them.
        """
        record = kept_steps.read_record(self._record, _KEYS)
        reason = (
            "--overwrite_data is given" if overwrite else self._reason(record)
        )
        if not reason:
            gone = self._known_files().size - self._inputs.files.size
            note = f" ({gone} files that they were made of are gone)"
            print(
                f"== data: kept, in {self._data_dir}{note if gone > 0 else ''}",
                flush=True,
            )
            return record.get("seconds", 0.0)
        if self._data_dir.exists():
            print(f"data are made again: {reason}", flush=True)
        seconds = round(
            child_commands.call(
                "data",
                "data_pipeline.preprocess",
                *self._arguments,
                *(["--overwrite"] if overwrite else []),
                f"--output_dir={self._data_dir}",
            ),
            1,
        )
        content = io.BytesIO()
        np.save(content, self._inputs.files)
        workdir.write_bytes(self._files, content.getvalue())
        workdir.write_json(
            self._record,
            {
                "flags": self._inputs.flags,
                "tables": self._inputs.tables,
                "fingerprint": _fingerprint(self._data_dir),
                "seconds": seconds,
            },
        )
        return seconds
