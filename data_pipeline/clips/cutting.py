"""Cuts long recordings into consecutive clips."""

import dataclasses
from collections.abc import Iterable
from collections.abc import Iterator

from absl import logging

from data_pipeline.clips.clip import ClipRow
from data_pipeline.clips.clip import SkippedRow
from data_pipeline.clips.clip import format_seconds
from ofa_aec_tf import audio

# Share of a segment. A shorter rest at the end of a recording is not used.
_MIN_REST = 0.5
# Covers rounding, and the precision of decoders.
_NEGLIGIBLE_SECONDS = 0.001


@dataclasses.dataclass(frozen=True)
class Segment:
    """A part of a recording.

    Args:
        start_seconds: float.
        end_seconds: float.
    """

    start_seconds: float
    end_seconds: float


@dataclasses.dataclass(frozen=True)
class Cut:
    """A recording that was cut.

    Args:
        duration_seconds: float. Of the recording; 0 if it cannot be read.
        segments: tuple of Segment.
        skipped: tuple of SkippedRow. What cannot be used: the rest of the
            recording (`cropped_rest`), or all of it.
    """

    duration_seconds: float
    segments: tuple[Segment, ...]
    skipped: tuple[SkippedRow, ...]


def segments_of(
    duration_seconds: float, segment_seconds: float
) -> list[Segment]:
    """Divides a recording into segments, from its beginning.

    Args:
        duration_seconds: float. Of the recording.
        segment_seconds: float.

    Returns:
        list of Segment, at least one. A rest of at least half of a segment
        becomes a shorter one.
    """
    count = int(duration_seconds / segment_seconds)
    rest_seconds = duration_seconds - count * segment_seconds
    if rest_seconds >= _MIN_REST * segment_seconds or not count:
        count += 1
    # Microseconds: 3 * 0.1 is more than 0.3.
    starts = [round(i * segment_seconds, 6) for i in range(count)]
    return [
        Segment(start, min(duration_seconds, round(start + segment_seconds, 6)))
        for start in starts
    ]


class Cutter:
    """Cuts recordings, and adds up the audio that is not used.

    Args:
        segment_seconds: float.
        decoder: str. One of `ofa_aec_tf.audio.DECODERS`.
    """

    def __init__(self, segment_seconds: float, decoder: str = "auto"):
        self._segment_seconds = segment_seconds
        self._decoder = decoder
        self._cropped_seconds = 0.0

    def cut(self, row: ClipRow) -> Cut:
        """Cuts the recording of a row that is a whole file."""
        try:
            duration_seconds = audio.duration_seconds(row.path, self._decoder)
        except audio.AudioError as error:
            skipped = _skipped(row.clip_id, row, error.code, error.reason)
            return Cut(0.0, (), (skipped,))
        segments = segments_of(duration_seconds, self._segment_seconds)
        end_seconds = segments[-1].end_seconds
        rest_seconds = duration_seconds - end_seconds
        if rest_seconds <= _NEGLIGIBLE_SECONDS:
            return Cut(duration_seconds, tuple(segments), ())
        self._cropped_seconds += rest_seconds
        reason = (
            f"the last {rest_seconds:.3f} s of the recording are less than "
            f"half of a segment of {self._segment_seconds:g} s"
        )
        clip_id = _part_id(row, end_seconds)
        skipped = _skipped(clip_id, row, "cropped_rest", reason)
        return Cut(duration_seconds, tuple(segments), (skipped,))

    def cut_all(
        self, rows: Iterable[ClipRow | SkippedRow]
    ) -> Iterator[ClipRow | SkippedRow]:
        """Cuts the rows that are whole files, and passes on the others.

        Args:
            rows: iterable of ClipRow and SkippedRow.

        Yields:
            ClipRow of the segments, with the labels of the file; SkippedRow.
        """
        for row in rows:
            if isinstance(row, SkippedRow) or row.is_part:
                yield row
                continue
            cut = self.cut(row)
            for segment in cut.segments:
                yield part(row, segment)
            yield from cut.skipped
        self.report()

    def report(self) -> None:
        """Logs how much audio is not used."""
        if self._cropped_seconds:
            logging.warning(
                "%.1f s at the ends of recordings, each less than half of a "
                "segment, are not used",
                self._cropped_seconds,
            )


def part(
    row: ClipRow, segment: Segment, labels: tuple[str, ...] | None = None
) -> ClipRow:
    """Makes the clip of a segment.

    Args:
        row: ClipRow of the whole file.
        segment: Segment.
        labels: tuple of str, or None for those of the file.

    Returns:
        ClipRow. Its id is that of the file with the start, and it stays in one
        split with the other clips of the recording.
    """
    group = row.group
    # Folds divide groups themselves.
    if group is None and row.fold is None:
        group = row.clip_id
    return dataclasses.replace(
        row,
        clip_id=_part_id(row, segment.start_seconds),
        labels=row.labels if labels is None else labels,
        group=group,
        start_seconds=segment.start_seconds,
        end_seconds=segment.end_seconds,
        recording=row.clip_id,
    )


def _part_id(row: ClipRow, start_seconds: float) -> str:
    return f"{row.clip_id}@{format_seconds(start_seconds)}"


def _skipped(clip_id: str, row: ClipRow, code: str, reason: str) -> SkippedRow:
    return SkippedRow(clip_id, row.clip_id, code, reason, row.split)
