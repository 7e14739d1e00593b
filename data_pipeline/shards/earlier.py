"""What earlier jobs have left in a directory, which is used again.

The database of the plan has an index of it, so that workers find single clips
among millions without holding them in memory.
"""

import contextlib
import dataclasses
import json
import os
import pathlib
import sqlite3
from collections.abc import Iterator

from ofa_aec_tf.data import records
from ofa_aec_tf.data.dataset_info import DatasetInfo
from ofa_aec_tf.runs import workdir

SHARD_SUFFIX = ".tfrecord"

_SCHEMA = """
CREATE TABLE earlier_shard (
  file TEXT PRIMARY KEY,
  name TEXT NOT NULL,
  key TEXT NOT NULL
);
CREATE TABLE earlier_clip (
  key TEXT,
  file TEXT NOT NULL,
  offset INTEGER NOT NULL,
  details TEXT
);
CREATE INDEX earlier_shard_by_name ON earlier_shard (name, key);
CREATE INDEX earlier_clip_by_key ON earlier_clip (key);
CREATE TABLE finished_clip (clip_id TEXT PRIMARY KEY);
"""


@dataclasses.dataclass(frozen=True)
class EarlierClip:
    """A record that an earlier job has written.

    Args:
        path: path of its shard.
        offset: int. Byte where it starts.
        notes: tuple of str, as in `clips.RenderedClip`.
        seconds: float or None, likewise.
    """

    path: pathlib.Path
    offset: int
    notes: tuple[str, ...]
    seconds: float | None

    def read(self) -> records.Record:
        """Reads the record.

        Raises:
            RecordError: if it is damaged.
            OSError: if the file is gone.
        """
        descriptor = os.open(self.path, os.O_RDONLY)
        try:
            data, _ = records.read_framed_record(
                descriptor, self.path, self.offset
            )
        finally:
            os.close(descriptor)
        return records.decode_record(data, self.path, self.offset)


def index(
    database: sqlite3.Connection, output_dir, finished: DatasetInfo | None
) -> None:
    """Creates the tables that `Earlier` reads.

    Args:
        database: sqlite3.Connection.
        output_dir: path of the directory.
        finished: DatasetInfo or None. The finished data set that is there.
    """
    database.executescript(_SCHEMA)
    output_dir = pathlib.Path(output_dir)
    splits = finished.splits.values() if finished else ()
    finished_files = {shard.file for split in splits for shard in split.shards}
    pattern = f"*{SHARD_SUFFIX}{records.SIDE_CAR_SUFFIX}"
    for path in sorted(output_dir.glob(pattern)):
        file = path.name.removesuffix(records.SIDE_CAR_SUFFIX)
        # Whatever a kill or a fault of the disk has left is ignored.
        with contextlib.suppress(
            ValueError, KeyError, TypeError, AttributeError, OSError
        ):
            side_car = workdir.read_json(path)
            _add(database, output_dir / file, side_car, file in finished_files)


def _add(database, path, side_car, is_finished) -> None:
    clips = side_car.get("clips")
    if is_finished:
        ids = clips["ids"] if clips else _read_ids(path, side_car["offsets"])
        database.executemany(
            "INSERT OR IGNORE INTO finished_clip VALUES (?)",
            [(clip_id,) for clip_id in ids],
        )
    # Earlier versions did not list single clips.
    if not clips:
        return
    notes: dict[str, list[str]] = {}
    for code, clip_ids in side_car["notes"].items():
        for clip_id in clip_ids:
            notes.setdefault(clip_id, []).append(code)
    database.executemany(
        "INSERT INTO earlier_clip VALUES (?, ?, ?, ?)",
        [
            (
                key,
                path.name,
                offset,
                json.dumps([notes.get(clip_id, []), seconds]),
            )
            for key, offset, clip_id, seconds in zip(
                clips["keys"],
                side_car["offsets"],
                clips["ids"],
                clips["seconds"],
            )
        ],
    )
    database.execute(
        "INSERT INTO earlier_shard VALUES (?, ?, ?)",
        (path.name, side_car["shard"], side_car["key"]),
    )


def _read_ids(path, offsets) -> Iterator[str]:
    for offset in offsets:
        yield EarlierClip(path, offset, (), None).read().clip_id


class Earlier:
    """Finds what earlier jobs have left.

    Args:
        database: sqlite3.Connection, with the tables of `index`.
        output_dir: path of the directory.
    """

    def __init__(self, database: sqlite3.Connection, output_dir):
        self._database = database
        self._output_dir = pathlib.Path(output_dir)

    def shards(self, name: str, key: str) -> list[str]:
        """Lists the files of shards with this name and content key."""
        rows = self._database.execute(
            "SELECT file FROM earlier_shard WHERE name = ? AND key = ?",
            (name, key),
        )
        return [file for (file,) in rows]

    def clip(self, key: str, shape: tuple[int, int]) -> EarlierClip | None:
        """Finds the intact record of a clip with this content key.

        Args:
            key: str, of `content_keys.of_clips`.
            shape: tuple of int, `(num_frames, num_mel_bins)`.
        """
        rows = self._database.execute(
            "SELECT file, offset, details FROM earlier_clip WHERE key = ?",
            (key,),
        )
        for file, offset, details in rows.fetchall():
            notes, seconds = json.loads(details)
            found = EarlierClip(
                self._output_dir / file, offset, tuple(notes), seconds
            )
            with contextlib.suppress(records.RecordError, OSError):
                if found.read().log_mel.shape == shape:
                    return found
        return None

    def is_finished(self, clip_id: str) -> bool:
        """Whether the finished data set has a clip of this id."""
        try:
            clip_id.encode()
        except UnicodeEncodeError:
            # A file name that is not UTF-8, which no record has.
            return False
        return bool(
            self._database.execute(
                "SELECT 1 FROM finished_clip WHERE clip_id = ?", (clip_id,)
            ).fetchone()
        )

    def gone(self) -> list[str]:
        """Lists clips of the finished data set that are not in the plan."""
        rows = self._database.execute(
            "SELECT clip_id FROM finished_clip WHERE clip_id NOT IN "
            "(SELECT clip_id FROM clip) ORDER BY clip_id"
        )
        return [clip_id for (clip_id,) in rows]
