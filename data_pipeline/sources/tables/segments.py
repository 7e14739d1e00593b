"""Reads segments tables of AudioSet, and lists of YouTube ids."""

import re
from collections.abc import Iterator
from typing import NamedTuple

from data_pipeline.clips.clip import SkippedRow
from data_pipeline.sources.tables import cell_values
from data_pipeline.sources.tables import table_file

_COLUMNS = ("YTID", "start_seconds", "end_seconds", "positive_labels")
# First cells of headers. They cannot be ids, which have 11 characters.
_ID_COLUMNS = ("ytid", "youtube_id", "video_id")
_MID_START = "/"
_YOUTUBE_ID = re.compile(r"[A-Za-z0-9_-]+")


class Segment(NamedTuple):
    """A labelled part of a video.

    Args:
        youtube_id: str.
        start_seconds: float.
        end_seconds: float.
        mids: tuple of str. Identifiers of its classes, such as `/m/09x0r`.
    """

    youtube_id: str
    start_seconds: float
    end_seconds: float
    mids: tuple[str, ...]

    @property
    def start_ms(self) -> int:
        """Start in whole milliseconds."""
        return round(self.start_seconds * 1000)

    @property
    def end_ms(self) -> int:
        """End in whole milliseconds."""
        return round(self.end_seconds * 1000)

    @property
    def clip_id(self) -> str:
        """Its id, as in AudioSet's tables of strong labels."""
        return f"{self.youtube_id}_{self.start_ms}"


def _is_header(cells: list[str]) -> bool:
    return cells[0].strip().lower() in _ID_COLUMNS


def read_segments(path) -> Iterator[Segment | SkippedRow]:
    """Reads a segments table of AudioSet.

    Args:
        path: path of a CSV file with the columns YTID, start_seconds,
            end_seconds and positive_labels (separated by commas, with quotes
            around all of them or without). It may have a header; comments
            begin with `#`.

    Yields:
        Segment, or SkippedRow with the code `bad_segment` and the YouTube id
        as clip id if the times are invalid.

    Raises:
        ValueError: naming the line, if the table is malformed or empty.
    """
    empty = True
    for line, cells in table_file.read_cells(path, comment="#"):
        where = f"{path}, line {line}"
        cells = [cell.strip() for cell in cells]
        while len(cells) > len(_COLUMNS) and not cells[-1]:
            cells.pop()
        if empty and _is_header(cells):
            continue
        empty = False
        if (
            len(cells) < len(_COLUMNS)
            or not cells[0]
            or not all(
                cell.startswith(_MID_START) for cell in cells[len(_COLUMNS) :]
            )
        ):
            raise ValueError(
                f"{where}: expected {', '.join(_COLUMNS)}, with quotes around "
                f"several labels. Received: {cells}"
            )
        youtube_id, start, end, *labels = cells
        start_seconds = cell_values.parse_seconds(start)
        end_seconds = cell_values.parse_seconds(end)
        if (
            start_seconds is None
            or end_seconds is None
            or end_seconds <= start_seconds
        ):
            yield SkippedRow(
                youtube_id,
                "",
                "bad_segment",
                f"{where}: a segment needs 0 <= start_seconds < end_seconds. "
                f"Received: {start!r} and {end!r}",
            )
            continue
        mids = cell_values.parse_labels(",".join(labels), separator=",")
        yield Segment(youtube_id, start_seconds, end_seconds, mids)
    if empty:
        raise ValueError(f"{path} has no segments.")


def read_youtube_ids(path) -> frozenset[str]:
    """Reads a list of YouTube ids.

    Args:
        path: path of a text file with an id in each line, or of a segments
            table. Lines that begin with `#` are comments; there may be a
            header.

    Returns:
        frozenset of str.

    Raises:
        ValueError: naming the line, if it is not an id, so that no list is
            misread.
    """
    youtube_ids = set()
    for line, cells in table_file.read_cells(path, "#", "list of YouTube ids"):
        if not youtube_ids and _is_header(cells):
            continue
        youtube_id = cells[0].strip()
        if not _YOUTUBE_ID.fullmatch(youtube_id):
            raise ValueError(
                f"{path}, line {line}: expected a YouTube id, alone or before "
                f"a comma. Received: {cells[0]!r}"
            )
        youtube_ids.add(youtube_id)
    if not youtube_ids:
        raise ValueError(f"{path} has no YouTube ids.")
    return frozenset(youtube_ids)
