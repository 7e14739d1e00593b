"""Annotations: long recordings, cut into labelled clips."""

import bisect
import dataclasses
import os
import pathlib
import re
import unicodedata
from collections import Counter
from collections import defaultdict
from collections.abc import Iterator
from collections.abc import Sequence
from typing import ClassVar

from data_pipeline.clips import cutting
from data_pipeline.clips import splits
from data_pipeline.clips.clip import ClipRow
from data_pipeline.clips.clip import SkippedRow
from data_pipeline.sources.division import FractionSettings
from data_pipeline.sources.files import audio_index
from data_pipeline.sources.files.paths import AudioRoot
from data_pipeline.sources.source import FileSettings
from data_pipeline.sources.source import SegmentSettings
from data_pipeline.sources.source import Source
from data_pipeline.sources.tables import event_tables
from data_pipeline.sources.tables.event_tables import Event
from ofa_aec_tf.checks.settings import setting

_SLASHES = re.compile(r"[/\\]+")
_ROUNDING_SECONDS = 1e-6


class _Recordings:
    """Finds recordings by the names that annotations give them."""

    def __init__(self, names: Sequence[str]):
        self._by_name: dict[str, list[str]] = defaultdict(list)
        for name in names:
            file = _composed(name).rsplit("/", 1)[-1]
            for key in {file, os.path.splitext(file)[0]}:
                self._by_name[key].append(name)

    def of_table(self, path: str) -> list[str]:
        """Finds the recordings that may belong to a table, by its name.

        `X.Table.1.selections.txt` belongs to `X.wav`.
        """
        *folders, file = _composed(path).split("/")
        parts = file.split(".")
        for stop in range(len(parts) - 1, 0, -1):
            name = ".".join(parts[:stop])
            if name in self._by_name:
                return self._nearest(name, folders)
        return []

    def named(self, filename: str, path: str) -> list[str]:
        """Finds the recordings that a row of a table may mean.

        The file name may be a path on the machine where the table was made.
        """
        *folders, file = _SLASHES.split(_composed(filename))
        if not any(folders):
            *folders, _ = _composed(path).split("/")
        for name in (file, os.path.splitext(file)[0]):
            if name in self._by_name:
                return self._nearest(name, folders)
        return []

    def _nearest(self, name: str, folders: Sequence[str]) -> list[str]:
        """Finds the files of a name that have the most folders in common."""
        common = {
            candidate: _num_common(
                _composed(candidate).split("/")[:-1], folders
            )
            for candidate in self._by_name[name]
        }
        most = max(common.values())
        return [candidate for candidate, n in common.items() if n == most]


def _composed(name: str) -> str:
    return unicodedata.normalize("NFC", name)


def _num_common(folders: Sequence[str], others: Sequence[str]) -> int:
    count = 0
    for one, other in zip(reversed(folders), reversed(others)):
        if one != other:
            break
        count += 1
    return count


def _tables(directory: pathlib.Path) -> list[tuple[pathlib.Path, str]]:
    """Lists text files of a directory, and their names relative to it."""
    if directory.is_file():
        return [(directory, directory.name)]
    if not directory.is_dir():
        raise ValueError(
            "--annotations_dir must be a directory or a file. Received: "
            f"--annotations_dir={directory}"
        )
    found = (
        (path, path.relative_to(directory).as_posix())
        for path in sorted(directory.rglob("*"))
        if path.suffix.lower() in event_tables.SUFFIXES and path.is_file()
    )
    return [
        (path, name)
        for path, name in found
        if not any(part.startswith(".") for part in name.split("/"))
    ]


@dataclasses.dataclass(frozen=True, kw_only=True)
class AnnotationsSettings(SegmentSettings, FractionSettings, FileSettings):
    """Recordings with annotation files.

    An annotation names its recording in a column, or its file is named like
    the recording. Folders such as `train` and `test` give the split.
    """

    annotations_dir: str | None = setting(
        None,
        "Directory of the annotation files, or the single file; by default "
        "--audio_dir.",
        is_path=True,
    )
    annotation_label_column: str | None = setting(
        None,
        "Column of the labels in annotation files with a header; by default "
        "one with a usual name, such as Species, Annotation or Label.",
    )
    min_overlap_seconds: float = setting(
        0.1,
        "A clip has the label of an event that lasts in it for at least this "
        "long, or for half of the event.",
        at_least=0,
    )

    summary: ClassVar[str] = (
        "long recordings in --audio_dir with annotation files"
    )

    def open(self) -> Source:
        """Reads the annotations, and cuts every annotated recording.

        A segment has the labels of the events that last in it for
        `min_overlap_seconds`, for half of the event or for all of the segment,
        so that no event is lost. One without events is a negative clip; one
        with only uncertain events is left out as `uncertain`.

        Returns:
            Source with the recording as group.

        Raises:
            ValueError: if no annotation is of a recording, or as in
                `event_tables.read_events`.
        """
        root = AudioRoot(self.audio_dir, self.allow_symlinks)
        audio_files, others, unread = audio_index.list_files(root)
        reader = _Reader(_Recordings(audio_files), self.annotation_label_column)
        annotations = pathlib.Path(self.annotations_dir or root.path)
        for path, name in _tables(annotations):
            reader.read(path, name)
        if not reader.events:
            codes = Counter(row.code for row in reader.skipped)
            raise ValueError(
                f"No annotation file in {annotations} is of a recording in "
                f"{root.path}: received {len(audio_files)} recordings, and "
                f"{dict(codes) or 'no annotation files'}. An annotation file "
                "has the name of its recording, or a column with it."
            )
        skipped = unread + reader.skipped
        skipped += [
            audio_index.not_audio(name)
            for name in others
            if pathlib.Path(name).suffix.lower() not in event_tables.SUFFIXES
        ]
        skipped += [
            SkippedRow(name, name, "no_annotations", "no annotations are of it")
            for name in audio_files
            if name not in reader.events
        ]
        notes: Counter[str] = Counter()
        maker = _RowMaker(root, self.cutter(), self.min_overlap_seconds, notes)
        return Source(maker.rows(reader.events, skipped), notes=notes)


class _Reader:
    """Reads annotation files, and collects events by recording."""

    def __init__(self, recordings: _Recordings, label_column: str | None):
        self._recordings = recordings
        self._label_column = label_column
        self.events: dict[str, list[Event]] = {}
        self.skipped: list[SkippedRow] = []

    def read(self, path: pathlib.Path, name: str) -> None:
        """Reads a file, given its name relative to the annotations."""
        rows = event_tables.read_events(path, self._label_column)
        of_table = self._recordings.of_table(name)
        if rows is None or not (rows or of_table):
            reason = "no annotations, by its content"
            self.skipped.append(
                SkippedRow(name, name, "not_annotations", reason)
            )
            return
        if len(of_table) == 1:
            # Even without events: then all of it is background.
            self.events.setdefault(of_table[0], [])
        unfound: dict[str, SkippedRow] = {}
        for row in rows:
            if isinstance(row, SkippedRow):
                self.skipped.append(row)
                continue
            found = of_table
            if row.filename:
                found = self._recordings.named(row.filename, name)
            if len(found) == 1:
                self.events.setdefault(found[0], []).append(row)
            else:
                filename = row.filename or name
                unfound.setdefault(filename, _unfound(filename, found, row))
        self.skipped += unfound.values()


def _unfound(filename: str, found: list[str], event: Event) -> SkippedRow:
    if found:
        code = "ambiguous_file"
        reason = f"{event.where}: may be of any of {found[:3]}"
    else:
        code = "missing"
        reason = f"{event.where}: there is no such recording"
    return SkippedRow(filename, filename, code, reason)


@dataclasses.dataclass
class _RowMaker:
    """Makes rows of recordings and their events."""

    root: AudioRoot
    cutter: cutting.Cutter
    min_overlap_seconds: float
    notes: Counter[str]

    def rows(
        self, events: dict[str, list[Event]], skipped: Sequence[SkippedRow]
    ) -> Iterator[ClipRow | SkippedRow]:
        """Yields the skipped rows, and then those of all recordings."""
        yield from skipped
        for name in sorted(events):
            split = splits.of_folders(name)
            path = self.root.join(name, name, split)
            if isinstance(path, SkippedRow):
                yield path
            else:
                recording = ClipRow(name, path, (), split, group=name)
                yield from self._parts(recording, events[name])
        self.cutter.report()

    def _parts(
        self, recording: ClipRow, events: Sequence[Event]
    ) -> Iterator[ClipRow | SkippedRow]:
        cut = self.cutter.cut(recording)
        labels: list[set[str]] = [set() for _ in cut.segments]
        uncertain = [False] * len(cut.segments)
        for event in events if cut.segments else ():
            if event.start_seconds >= cut.duration_seconds:
                reason = (
                    f"{event.where}: begins at {event.start_seconds:g} s, in a "
                    f"recording of {cut.duration_seconds:g} s"
                )
                yield _skipped_event(recording, event, "bad_segment", reason)
                continue
            if event.end_seconds > cut.duration_seconds + _ROUNDING_SECONDS:
                self.notes["cut_event"] += 1
                event = dataclasses.replace(
                    event, end_seconds=cut.duration_seconds
                )
            if event.uncertain:
                self.notes["uncertain_event"] += 1
            numbers = _touched(event, cut.segments)
            if not numbers:
                reason = f"{event.where}: in the rest that is not used"
                yield _skipped_event(recording, event, "cropped_rest", reason)
            for number in numbers:
                uncertain[number] |= event.uncertain
                if self._is_heard(event, cut.segments[number]):
                    labels[number].update(event.labels)
        for number, segment in enumerate(cut.segments):
            row = cutting.part(
                recording, segment, tuple(sorted(labels[number]))
            )
            if uncertain[number] and not row.labels:
                yield SkippedRow(
                    row.clip_id,
                    recording.clip_id,
                    "uncertain",
                    "has nothing but events that may be anything",
                    recording.split,
                )
            else:
                yield row
        yield from cut.skipped

    def _is_heard(self, event: Event, segment: cutting.Segment) -> bool:
        overlap_seconds = min(event.end_seconds, segment.end_seconds) - max(
            event.start_seconds, segment.start_seconds
        )
        enough_seconds = min(
            self.min_overlap_seconds,
            (event.end_seconds - event.start_seconds) / 2,
            segment.end_seconds - segment.start_seconds,
        )
        return overlap_seconds >= enough_seconds - _ROUNDING_SECONDS


def _touched(event: Event, segments: Sequence[cutting.Segment]) -> range:
    """Indices of the segments that an event overlaps at all."""
    if event.start_seconds >= segments[-1].end_seconds:
        return range(0)
    starts = [segment.start_seconds for segment in segments]
    first = bisect.bisect_right(starts, event.start_seconds) - 1
    # An event without duration is in one segment.
    stop = max(first + 1, bisect.bisect_left(starts, event.end_seconds))
    return range(first, stop)


def _skipped_event(
    recording: ClipRow, event: Event, code: str, reason: str
) -> SkippedRow:
    clip_id = f"{recording.clip_id}@{event.start_seconds:g}"
    return SkippedRow(clip_id, recording.clip_id, code, reason, recording.split)
