"""The plan of a job: which clip goes into which shard.

A plan is an SQLite database, so that a job over millions of clips is planned,
checked and divided into shards in bounded memory. A worker needs only the path
of the plan and the number of a shard.
"""

import dataclasses
import itertools
import pathlib
import pickle
import sqlite3
from collections import Counter
from collections.abc import Iterable
from collections.abc import Iterator

from data_pipeline.clips import splits
from data_pipeline.clips.clip import NOT_CLIPS
from data_pipeline.clips.clip import Clip
from data_pipeline.clips.clip import SkippedRow
from data_pipeline.shards.config import PreprocessConfig
from data_pipeline.shards.earlier import Earlier
from data_pipeline.shards.earlier import index
from data_pipeline.shards.shard_writer import ShardPlan
from ofa_aec_tf.data import dataset_info

CLIPS_PER_SHARD = 512
MIN_SHARDS = 2
# Fewer clips are not worth a file.
MIN_CLIPS_PER_SHARD = 8

_CACHE_KIB = 64 * 1024
# Clips may be of any class, so they are pickled, as on their way to any other
# process. A job only reads the plan that it has just made.
_SCHEMA = """
CREATE TABLE clip (
  clip_id TEXT PRIMARY KEY,
  split TEXT NOT NULL,
  content BLOB NOT NULL,
  hash BLOB NOT NULL,
  start_seconds REAL NOT NULL,
  shard INTEGER,
  place BLOB
);
CREATE TABLE skipped (content BLOB NOT NULL);
CREATE TABLE shard (
  number INTEGER PRIMARY KEY,
  name TEXT NOT NULL,
  split TEXT NOT NULL,
  num_clips INTEGER NOT NULL
);
CREATE TABLE fact (name TEXT PRIMARY KEY, content BLOB NOT NULL);
"""


@dataclasses.dataclass(frozen=True)
class ShardSummary:
    """A shard before it is written.

    Args:
        number: int.
        name: str. Start of its file name.
        split: str.
        num_clips: int.
    """

    number: int
    name: str
    split: str
    num_clips: int


class Plan:
    """Reads a plan. A context manager.

    Args:
        path: path of the database that a `PlanBuilder` has written.
    """

    def __init__(self, path):
        self.path = pathlib.Path(path)
        # Read only, so no locks, which are unreliable on network file systems.
        address = f"{self.path.resolve().as_uri()}?mode=ro&immutable=1"
        self._database = sqlite3.connect(address, uri=True)

    def __enter__(self) -> "Plan":
        return self

    def __exit__(self, *unused_exception) -> None:
        self._database.close()

    def _fact(self, name: str):
        ((content,),) = self._database.execute(
            "SELECT content FROM fact WHERE name = ?", (name,)
        )
        return pickle.loads(content)

    def config(self) -> PreprocessConfig:
        """Returns what decides the content of the records."""
        return self._fact("config")

    def shards(self) -> list[ShardSummary]:
        """Lists all shards, split by split."""
        rows = self._database.execute(
            "SELECT number, name, split, num_clips FROM shard ORDER BY number"
        )
        return [ShardSummary(*row) for row in rows]

    def shard(self, number: int) -> ShardPlan:
        """Returns what to write into a shard.

        Args:
            number: int, as in `shards`.
        """
        ((name, split),) = self._database.execute(
            "SELECT name, split FROM shard WHERE number = ?", (number,)
        )
        rows = self._database.execute(
            "SELECT content FROM clip WHERE shard = ? "
            "ORDER BY place, start_seconds, clip_id",
            (number,),
        )
        clips = tuple(pickle.loads(content) for (content,) in rows)
        return ShardPlan(name, split, clips, self.config())

    def skipped(self) -> Iterator[SkippedRow]:
        """Yields the rows of the source that cannot become clips."""
        for (content,) in self._database.execute(
            "SELECT content FROM skipped ORDER BY rowid"
        ):
            yield pickle.loads(content)

    def label_names(self) -> set[str]:
        """All labels of the clips, and of rows that cannot become clips."""
        return self._fact("labels")

    def earlier(self, output_dir) -> Earlier:
        """Finds what earlier jobs have left in a directory.

        Args:
            output_dir: path of the directory.
        """
        return Earlier(self._database, output_dir)


class PlanBuilder:
    """Writes a plan. A context manager.

    Args:
        path: path of the database; one that is there is replaced.
        label_type: `"multi_label"` or `"single_label"`.
    """

    def __init__(self, path, label_type: str):
        self._label_type = label_type
        self._label_names: set[str] = set()
        self._skipped_labels: set[str] = set()
        # By split: counts by code, and an example.
        self._skipped: dict[str | None, tuple[Counter, SkippedRow]] = {}
        path = pathlib.Path(path)
        path.unlink(missing_ok=True)
        # No other process uses the file, so it needs no locks.
        self._database = sqlite3.connect(
            f"{path.absolute().as_uri()}?nolock=1", uri=True
        )
        # An unfinished plan is made again, so there is nothing to protect.
        self._database.execute("PRAGMA journal_mode = OFF")
        self._database.execute("PRAGMA synchronous = OFF")
        self._database.execute(f"PRAGMA cache_size = -{_CACHE_KIB}")
        self._database.executescript(_SCHEMA)

    def __enter__(self) -> "PlanBuilder":
        return self

    def __exit__(self, *unused_exception) -> None:
        self._database.commit()
        self._database.close()

    def add(self, rows: Iterable[Clip | SkippedRow]) -> None:
        """Adds the clips of a source.

        Args:
            rows: iterable of Clip with splits, and of SkippedRow; read once,
                and never held in memory.

        Raises:
            ValueError: if an id comes twice, or labels do not fit the type.
        """
        for row in rows:
            if isinstance(row, SkippedRow):
                self._database.execute(
                    "INSERT INTO skipped VALUES (?)", (pickle.dumps(row),)
                )
                counts, _ = self._skipped.setdefault(
                    row.split, (Counter(), row)
                )
                counts[row.code] += 1
                if row.code not in (*NOT_CLIPS, "unknown_label"):
                    self._skipped_labels.update(row.labels)
            else:
                self._add_clip(row)

    def add_earlier(
        self, output_dir, finished: dataset_info.DatasetInfo | None
    ) -> None:
        """Indexes what earlier jobs have left, for `Plan.earlier`.

        Args:
            output_dir: path of the directory.
            finished: DatasetInfo or None. The finished data set there.
        """
        index(self._database, output_dir, finished)

    def _add_clip(self, clip: Clip) -> None:
        single = self._label_type == dataset_info.SINGLE_LABEL
        if single and len(clip.labels) != 1:
            raise ValueError(
                "With label type single_label every clip has one label. "
                f"Received: {list(clip.labels)} for {clip.clip_id}. Use "
                "--label_type=multi_label."
            )
        self._label_names.update(clip.labels)
        # Clips of one recording are neighbours, to be read in one pass.
        place = getattr(clip, "recording", None) or clip.clip_id
        try:
            self._database.execute(
                "INSERT INTO clip "
                "(clip_id, split, content, hash, start_seconds) "
                "VALUES (?, ?, ?, ?, ?)",
                (
                    clip.clip_id,
                    clip.split,
                    pickle.dumps(clip),
                    # As bytes: SQLite has no unsigned numbers of 64 bits.
                    splits.stable_hash("shard", place).to_bytes(8),
                    getattr(clip, "start_seconds", 0.0),
                ),
            )
        except sqlite3.IntegrityError:
            raise ValueError(
                f"Clip ids must be distinct. Received twice: {[clip.clip_id]}"
            ) from None

    def label_names(self) -> tuple[str, ...]:
        """All labels of the clips, sorted."""
        return tuple(sorted(self._label_names))

    def divide(self, config: PreprocessConfig, num_shards: int | None) -> None:
        """Divides the clips into shards, which completes the plan.

        A hash of its recording, or of its id if it is not part of a longer
        recording, gives the shard of a clip and its place there. So they do
        not depend on the order of the source, and a shard mixes the classes.
        Parts of one recording are ordered by their starts.

        Args:
            config: PreprocessConfig.
            num_shards: int or None. Shards of each split; by default about
                one for `CLIPS_PER_SHARD` clips, and at least `MIN_SHARDS`.
                A split has fewer where they would hold less than
                `MIN_CLIPS_PER_SHARD` clips.

        Raises:
            ValueError: if a split has no clip, or one has a label that is no
                class of `config`.
        """
        unknown = sorted(self._label_names - set(config.class_map.names))
        if unknown:
            raise ValueError(
                f"The classes are {list(config.class_map.names)}. Received "
                f"clips with other labels: {unknown[:10]}. Add them to "
                "--classes, or leave --classes out to have all of them."
            )
        counts = dict(
            self._database.execute(
                "SELECT split, COUNT(*) FROM clip GROUP BY split"
            )
        )
        for split, (codes, row) in self._skipped.items():
            if split is not None and split not in counts:
                raise ValueError(
                    f"No row of the split {split!r} can be used: "
                    f"{dict(codes)}. The first: {row.filename}: {row.reason}."
                )
        if splits.TRAIN not in counts:
            raise ValueError(
                "No clip is for training, whose statistics models normalize "
                f"with. Received clips by split: {counts}"
            )
        numbers = {
            split: _num_shards(counts[split], num_shards)
            for split in dataset_info.SPLITS
            if split in counts
        }
        first = dict(zip(numbers, itertools.accumulate([0, *numbers.values()])))
        self._database.create_function(
            "shard_of",
            2,
            lambda split, digest: (
                first[split] + int.from_bytes(digest) % numbers[split]
            ),
            deterministic=True,
        )
        self._database.create_function(
            "place_of",
            2,
            lambda split, digest: (
                int.from_bytes(digest) // numbers[split]
            ).to_bytes(8),
            deterministic=True,
        )
        self._database.execute(
            "UPDATE clip SET shard = shard_of(split, hash), "
            "place = place_of(split, hash)"
        )
        self._database.execute(
            "CREATE INDEX by_place ON clip (shard, place, clip_id)"
        )
        filled = dict(
            self._database.execute(
                "SELECT shard, COUNT(*) FROM clip GROUP BY shard"
            )
        )
        self._database.executemany(
            "INSERT INTO shard VALUES (?, ?, ?, ?)",
            [
                (
                    first[split] + index,
                    f"{split}-{index:05d}-of-{number:05d}",
                    split,
                    filled.get(first[split] + index, 0),
                )
                for split, number in numbers.items()
                for index in range(number)
            ],
        )
        labels = self._label_names | self._skipped_labels
        self._database.executemany(
            "INSERT INTO fact VALUES (?, ?)",
            [
                ("config", pickle.dumps(config)),
                ("labels", pickle.dumps(labels)),
            ],
        )


def _num_shards(num_clips: int, wanted: int | None) -> int:
    by_size = max(MIN_SHARDS, round(num_clips / CLIPS_PER_SHARD))
    return max(1, min(wanted or by_size, num_clips // MIN_CLIPS_PER_SHARD))
