"""`dataset.json`: what a directory of log-mel TFRecords holds.

Preprocessing writes it last, so that a directory without it is unfinished.
Every consumer reads it first.
"""

import dataclasses
import hashlib
import pathlib
from collections.abc import Mapping

from ofa_aec_tf.audio import frontend
from ofa_aec_tf.audio.frontend import FrontendConfig
from ofa_aec_tf.checks import json_kinds
from ofa_aec_tf.data.class_map import ClassMap
from ofa_aec_tf.runs import workdir

FILE_NAME = "dataset.json"
SCHEMA_VERSION = 1
SPLITS = ("train", "validation", "test")
MULTI_LABEL = "multi_label"
SINGLE_LABEL = "single_label"
# Key in `source`: folds of the corpus that are in no split, if any.
OTHER_FOLDS = "other_folds"

_KINDS = {
    "frontend": frontend.is_frontend,
    "clip_seconds": json_kinds.is_clip_seconds,
    "class_names": json_kinds.is_names,
    "splits": json_kinds.is_mapping,
    "mel_mean_db": json_kinds.is_numbers,
    "mel_std_db": json_kinds.is_numbers,
    "source": json_kinds.is_mapping,
    "num_dead_letters": json_kinds.is_count,
}
_SPLIT_KINDS = {
    "class_counts": json_kinds.is_counts,
    "shards": lambda value: isinstance(value, list),
}
_SHARD_KINDS = {
    # Files outside the directory are never read.
    "file": json_kinds.is_file_name,
    "num_records": json_kinds.is_count,
    "num_bytes": json_kinds.is_count,
    "sha256": lambda value: isinstance(value, str),
}


@dataclasses.dataclass(frozen=True)
class ShardInfo:
    """One TFRecord file.

    Args:
        file: str. Name inside the data directory.
        num_records: int.
        num_bytes: int. Size of the file.
        sha256: str. Hash of its content.
    """

    file: str
    num_records: int
    num_bytes: int
    sha256: str


@dataclasses.dataclass(frozen=True)
class SplitInfo:
    """One split.

    Args:
        shards: tuple of ShardInfo, in order.
        class_counts: tuple of int. Clips of each class.
    """

    shards: tuple[ShardInfo, ...]
    class_counts: tuple[int, ...]

    @property
    def num_clips(self) -> int:
        """Number of clips."""
        return sum(shard.num_records for shard in self.shards)


@dataclasses.dataclass(frozen=True)
class DatasetInfo:
    """What a directory of log-mel TFRecords holds.

    Args:
        frontend: FrontendConfig.
        clip_seconds: float. Length of every clip.
        class_map: ClassMap.
        label_type: `"multi_label"` or `"single_label"`.
        splits: dict from split name to SplitInfo.
        mel_mean_db: tuple of float. Mean of each mel band over the training
            split.
        mel_std_db: tuple of float. Standard deviation, likewise.
        source: dict. Origin of the clips, for people.
        num_dead_letters: int. Skipped clips; see `dead_letters.jsonl`.
        num_shards: int or None. Requested shards of each split.
    """

    frontend: FrontendConfig
    clip_seconds: float
    class_map: ClassMap
    label_type: str
    splits: Mapping[str, SplitInfo]
    mel_mean_db: tuple[float, ...]
    mel_std_db: tuple[float, ...]
    source: Mapping
    num_dead_letters: int
    num_shards: int | None = None

    def __post_init__(self):
        if self.label_type not in (MULTI_LABEL, SINGLE_LABEL):
            raise ValueError(
                f"`label_type` must be {MULTI_LABEL!r} or {SINGLE_LABEL!r}. "
                f"Received: label_type={self.label_type!r}"
            )

    @property
    def num_frames(self) -> int:
        """Frames of every clip."""
        return self.frontend.num_frames(
            self.frontend.num_samples(self.clip_seconds)
        )

    @property
    def fingerprint(self) -> str:
        """Short hash of the classes and the content of all shards."""
        digest = hashlib.sha256(self.class_map.digest().encode())
        for name in sorted(self.splits):
            for shard in self.splits[name].shards:
                digest.update(f"{name}:{shard.sha256}\n".encode())
        return digest.hexdigest()[:16]

    def has_split(self, name: str) -> bool:
        """Whether a split has clips."""
        return name in self.splits and self.splits[name].num_clips > 0

    def split(self, name: str) -> SplitInfo:
        """One split.

        Raises:
            ValueError: if there is no such split or it is empty.
        """
        if not self.has_split(name):
            filled = sorted(filter(self.has_split, self.splits))
            raise ValueError(
                f"This data set has clips in the splits {filled}. "
                f"Received: split={name!r}"
            )
        return self.splits[name]

    def to_json(self) -> dict:
        """This record as a dict of JSON types."""
        return {
            "schema_version": SCHEMA_VERSION,
            "frontend": self.frontend.to_json(),
            "frontend_digest": self.frontend.digest(),
            "clip_seconds": self.clip_seconds,
            "num_frames": self.num_frames,
            "class_names": list(self.class_map.names),
            "class_map_digest": self.class_map.digest(),
            "label_type": self.label_type,
            "fingerprint": self.fingerprint,
            "splits": {
                name: {
                    "num_clips": split.num_clips,
                    "class_counts": list(split.class_counts),
                    "shards": [dataclasses.asdict(s) for s in split.shards],
                }
                for name, split in self.splits.items()
            },
            "mel_mean_db": list(self.mel_mean_db),
            "mel_std_db": list(self.mel_std_db),
            "num_dead_letters": self.num_dead_letters,
            "num_shards": self.num_shards,
            "source": dict(self.source),
        }

    def write(self, data_dir) -> None:
        """Writes `dataset.json` into `data_dir`."""
        workdir.write_json(pathlib.Path(data_dir) / FILE_NAME, self.to_json())

    @classmethod
    def read(cls, data_dir) -> "DatasetInfo":
        """Reads `dataset.json` from `data_dir`.

        Raises:
            ValueError: if it is missing, or of another schema version.
        """
        path = pathlib.Path(data_dir) / FILE_NAME
        if not path.is_file():
            raise ValueError(
                f"{data_dir} holds no preprocessed data ({FILE_NAME} is "
                "missing). Make it with `python -m data_pipeline.preprocess "
                f"--output_dir={data_dir} ...`; its --help lists the sources."
            )
        values = workdir.read_json(path)
        if not isinstance(values, dict):
            raise ValueError(
                f"{path} is damaged: it holds no object. Preprocess again; "
                "finished shards are kept."
            )
        if values.get("schema_version") != SCHEMA_VERSION:
            raise ValueError(
                f"{path} has schema version {values.get('schema_version')}, "
                f"but this version reads {SCHEMA_VERSION}. Preprocess again."
            )
        try:
            _check_kinds(values)
            return cls._from_json(values)
        except (KeyError, TypeError, ValueError) as error:
            raise ValueError(
                f"{path} is damaged: {error}. Preprocess again; finished "
                "shards are kept."
            ) from error

    @classmethod
    def _from_json(cls, values):
        return cls(
            frontend=FrontendConfig.from_json(values["frontend"]),
            clip_seconds=values["clip_seconds"],
            class_map=ClassMap(tuple(values["class_names"])),
            label_type=values["label_type"],
            splits={
                name: SplitInfo(
                    tuple(ShardInfo(**shard) for shard in split["shards"]),
                    tuple(split["class_counts"]),
                )
                for name, split in values["splits"].items()
            },
            mel_mean_db=tuple(values["mel_mean_db"]),
            mel_std_db=tuple(values["mel_std_db"]),
            source=values["source"],
            num_dead_letters=values["num_dead_letters"],
            # Earlier versions did not record it.
            num_shards=values.get("num_shards"),
        )


def _check_kinds(values):
    """Refuses a record with a value of another kind, naming the first."""
    json_kinds.check(values, _KINDS, "")
    for name, split in values["splits"].items():
        json_kinds.check(split, _SPLIT_KINDS, f"splits.{name}.")
        for number, shard in enumerate(split["shards"]):
            json_kinds.check(
                shard, _SHARD_KINDS, f"splits.{name}.shards.{number}."
            )
        if len(split["class_counts"]) != len(values["class_names"]):
            raise ValueError(
                f"`splits.{name}.class_counts` must have a number for each "
                "class"
            )
    for name in ("mel_mean_db", "mel_std_db"):
        if len(values[name]) != values["frontend"]["num_mel_bins"]:
            raise ValueError(f"`{name}` must have a number for each mel band")
    shards = values.get("num_shards")
    if shards is not None and not json_kinds.is_count(shards):
        raise ValueError(f"`num_shards` is of another kind: {shards!r:.80}")
