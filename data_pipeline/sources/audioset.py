"""AudioSet: parts of two million videos with 527 classes."""

import dataclasses
import itertools
import os
from array import array
from collections import Counter
from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Sequence
from typing import ClassVar
from typing import NamedTuple

import numpy as np

from data_pipeline.clips import splits
from data_pipeline.clips.clip import ClipRow
from data_pipeline.clips.clip import SkippedRow
from data_pipeline.clips.clip import format_seconds
from data_pipeline.sources.division import ValidationSettings
from data_pipeline.sources.files import sorted_hashes
from data_pipeline.sources.files.audio_index import AudioIndex
from data_pipeline.sources.files.paths import AudioRoot
from data_pipeline.sources.source import FileSettings
from data_pipeline.sources.source import Source
from data_pipeline.sources.tables import table_file
from data_pipeline.sources.tables.label_names import LabelNames
from data_pipeline.sources.tables.label_names import unknown_label_row
from data_pipeline.sources.tables.segments import Segment
from data_pipeline.sources.tables.segments import read_segments
from data_pipeline.sources.tables.segments import read_youtube_ids
from ofa_aec_tf.audio import AUDIO_SUFFIXES
from ofa_aec_tf.checks import settings
from ofa_aec_tf.checks.settings import setting

_CLASS_COLUMNS = ("index", "mid", "display_name")


class _Repeats(NamedTuple):
    """Sorted hashes of clips with several rows, videos with several clips."""

    clips: memoryview
    videos: memoryview


def _find_repeats(paths: Sequence) -> _Repeats:
    clips, videos = array("q"), array("q")
    for path in paths:
        for segment in read_segments(path):
            if isinstance(segment, Segment):
                clips.append(hash(segment.clip_id))
                videos.append(hash(segment.youtube_id))
    of_clips = np.asarray(clips)
    of_videos = np.asarray(videos)
    # Only the first row of each clip, as repeated rows are not several clips.
    _, firsts = np.unique(of_clips, return_index=True)
    return _Repeats(
        sorted_hashes.repeated(of_clips),
        sorted_hashes.repeated(of_videos[firsts]),
    )


@dataclasses.dataclass
class _RowMaker:
    """Makes rows of segments."""

    root: AudioRoot
    index: AudioIndex
    names: LabelNames
    repeats: _Repeats
    whole_recordings: bool
    notes: Counter[str]

    def rows(
        self, paths: Sequence, split_of: Callable[[str], str | None]
    ) -> Iterator[ClipRow | SkippedRow]:
        """Yields rows of tables; clips with several rows come last.

        Args:
            paths: sequence of paths of segments tables.
            split_of: function from YouTube id to split, or to None for videos
                that are left out.
        """
        # Only clips with several rows are held in memory.
        held: dict[str, Segment] = {}
        for path in paths:
            for segment in read_segments(path):
                if isinstance(segment, SkippedRow):
                    split = split_of(segment.clip_id)
                    if split:
                        yield dataclasses.replace(segment, split=split)
                    continue
                split = split_of(segment.youtube_id)
                if not split:
                    continue
                clip_id = segment.clip_id
                if not sorted_hashes.contains(
                    self.repeats.clips, hash(clip_id)
                ):
                    yield self._row(segment, split)
                elif clip_id in held:
                    held[clip_id] = self._unite(held[clip_id], segment)
                else:
                    held[clip_id] = segment
        for segment in held.values():
            yield self._row(segment, split_of(segment.youtube_id))

    def _unite(self, segment: Segment, other: Segment) -> Segment:
        if set(other.mids) == set(segment.mids):
            self.notes["repeated_row"] += 1
            return segment
        self.notes["united_labels"] += 1
        mids = dict.fromkeys(segment.mids + other.mids)
        return segment._replace(mids=tuple(mids))

    def _row(self, segment: Segment, split: str) -> ClipRow | SkippedRow:
        labels = self.names.known(segment.mids, self.notes)
        if segment.mids and not labels:
            return unknown_label_row(segment.clip_id, "", segment.mids, split)
        path = self._path(segment, split)
        if isinstance(path, SkippedRow):
            return path
        return ClipRow(
            segment.clip_id,
            path,
            labels,
            split,
            group=segment.youtube_id,
            start_seconds=(
                segment.start_seconds if self.whole_recordings else 0.0
            ),
            recording=segment.youtube_id if self.whole_recordings else None,
        )

    def _path(self, segment: Segment, split: str) -> str | SkippedRow:
        clip_id, youtube_id = segment.clip_id, segment.youtube_id
        start = format_seconds(segment.start_seconds)
        end = format_seconds(segment.end_seconds)
        names_of_segment = [
            f"{name}_{place}"
            for name in (youtube_id, f"Y{youtube_id}")
            for place in (
                f"{segment.start_ms}_{segment.end_ms}",
                f"{segment.start_ms}",
                f"{segment.start_seconds:.3f}_{segment.end_seconds:.3f}",
                f"{start}_{end}",
                start,
            )
        ]
        for stem in () if self.whole_recordings else names_of_segment:
            path = self.index.find(stem, clip_id, split)
            if path:
                return path
        is_ambiguous = not self.whole_recordings and sorted_hashes.contains(
            self.repeats.videos, hash(youtube_id)
        )
        for stem in (youtube_id, f"Y{youtube_id}"):
            path = self.index.find(stem, clip_id, split)
            if path and is_ambiguous:
                return SkippedRow(
                    clip_id,
                    stem,
                    "bad_segment",
                    "several segments of this video are listed, and the name "
                    "of its file does not say which of them it is: call it "
                    f"{clip_id}, or use --whole_recordings",
                    split,
                )
            if path:
                return path
        # Listed as missing when it is read.
        filename = f"{youtube_id}{AUDIO_SUFFIXES[0]}"
        return self.root.join(filename, clip_id, split)


def _check_tables(*tables_of_segments) -> None:
    paths = [os.path.realpath(p) for p in itertools.chain(*tables_of_segments)]
    if not paths:
        raise ValueError(
            "AudioSet needs segments tables: --train_segments or "
            "--evaluation_segments. Received: none."
        )
    repeated = [path for path, n in Counter(paths).items() if n > 1]
    if repeated:
        raise ValueError(
            "Every segments table must be given once. Received several times: "
            f"{repeated}"
        )


def _youtube_ids(paths: Sequence) -> set[str]:
    """Ids of all videos of tables, even those with invalid times."""
    return {
        row.clip_id if isinstance(row, SkippedRow) else row.youtube_id
        for path in paths
        for row in read_segments(path)
    }


@dataclasses.dataclass(frozen=True, kw_only=True)
class AudioSetTables(settings.Settings):
    """Tables of AudioSet, and what its files are."""

    class_labels_csv: str = setting(
        settings.REQUIRED, "AudioSet's class_labels_indices.csv.", is_path=True
    )
    train_segments: tuple[str, ...] = setting(
        (),
        "Segments tables of AudioSet to train on, such as "
        "balanced_train_segments.csv.",
        is_path=True,
    )
    validation_segments: tuple[str, ...] = setting(
        (),
        "Segments tables of AudioSet of which --validation_fraction of the "
        "videos validate, such as the unbalanced ones. Videos of "
        "--train_segments are left out. By default that fraction of "
        "--train_segments validates.",
        is_path=True,
    )
    evaluation_segments: tuple[str, ...] = setting(
        (),
        "Segments tables of AudioSet to test on, such as eval_segments.csv. "
        "None of their videos is used for training.",
        is_path=True,
    )
    blacklist: str | None = setting(
        None,
        "Videos of AudioSet that must not be used for training: a file with an "
        "id in each line, or a segments table.",
        is_path=True,
    )
    whole_recordings: bool = setting(
        False,
        "Whether AudioSet's files are whole videos; by default they have been "
        "cut to the segments.",
    )


@dataclasses.dataclass(frozen=True, kw_only=True)
class AudioSetSettings(ValidationSettings, AudioSetTables, FileSettings):
    """AudioSet, or a part of it.

    Files may be anywhere in `audio_dir`, with any suffix, and named
    `{id}_{start_ms}_{end_ms}`, `{id}_{start_ms}`, `{id}_30.000_40.000`,
    `{id}_{start}_{end}`, `{id}_{start}` or `{id}`, each also after a `Y`; with
    `whole_recordings` only the last one.
    """

    summary: ClassVar[str] = (
        "--audio_dir, --class_labels_csv and segments tables"
    )
    has_splits: ClassVar[bool] = True
    # Few of the videos are still available.
    may_lose_classes: ClassVar[bool] = True

    def open(self) -> Source:
        """Reads the tables and lists the files.

        A row whose file is absent is a ClipRow as well, with the path
        `{id}.wav`. Rows of one clip (a YouTube id and a start) become one row
        with the labels of all of them, which come last. Other segments of a
        video are other clips. They need files of their own or
        `whole_recordings`, or else are skipped as `bad_segment`.

        Rows are not held in memory. It takes about 60 bytes for each of them
        at the start and 14 for each file until the end, the ids of the
        evaluation set and of the blacklist, and the clips with several rows.

        Returns:
            Source with splits and with the YouTube ids as groups, and with the
            display names of the classes in the order of their indices.

        Raises:
            ValueError: naming the line, if a table is malformed.
            OSError: if a directory cannot be listed.
        """
        splits.check_fractions(self.validation_fraction, 0)
        _check_tables(
            self.train_segments,
            self.validation_segments,
            self.evaluation_segments,
        )
        root = AudioRoot(self.audio_dir, self.allow_symlinks)
        names = LabelNames(
            (
                (line, [values[column] for column in _CLASS_COLUMNS])
                for line, values in table_file.read_table(
                    self.class_labels_csv, _CLASS_COLUMNS
                )
            ),
            self.class_labels_csv,
        )
        evaluation_ids = _youtube_ids(self.evaluation_segments)
        blacklisted_ids = (
            read_youtube_ids(self.blacklist) if self.blacklist else ()
        )
        repeats = _find_repeats(
            (
                *self.train_segments,
                *self.validation_segments,
                *self.evaluation_segments,
            )
        )
        notes: Counter[str] = Counter()
        train_hashes = sorted_hashes.unique(
            # Otherwise they are not used.
            _youtube_ids(self.train_segments)
            if self.validation_segments
            else ()
        )

        def is_kept_out(youtube_id: str) -> bool:
            if youtube_id in evaluation_ids:
                notes["in_evaluation"] += 1
                return True
            if youtube_id in blacklisted_ids:
                notes["blacklisted"] += 1
                return True
            return False

        def split_of_train(youtube_id: str) -> str | None:
            if is_kept_out(youtube_id):
                return None
            if self.validation_segments:
                return splits.TRAIN
            return splits.train_or_validation(
                youtube_id, self.validation_fraction
            )

        def split_of_validation(youtube_id: str) -> str | None:
            split = splits.train_or_validation(
                youtube_id, self.validation_fraction
            )
            if split != splits.VALIDATION or is_kept_out(youtube_id):
                return None
            if sorted_hashes.contains(train_hashes, hash(youtube_id)):
                notes["in_training"] += 1
                return None
            return split

        index = AudioIndex(root)
        maker = _RowMaker(
            root, index, names, repeats, self.whole_recordings, notes
        )
        rows = itertools.chain(
            index.skipped,
            maker.rows(self.train_segments, split_of_train),
            maker.rows(self.validation_segments, split_of_validation),
            maker.rows(self.evaluation_segments, lambda _: splits.TEST),
        )
        return Source(rows, names.class_names, notes)
