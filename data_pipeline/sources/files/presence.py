"""Checks that the files of a source exist."""

import os
from collections.abc import Iterable

from data_pipeline.clips.clip import ClipRow
from data_pipeline.clips.clip import SkippedRow

_NUM_NAMED = 5


def check_files_are_there(rows: Iterable[ClipRow | SkippedRow]) -> None:
    """Refuses a source if all files of a class are missing.

    A disk that is not mounted should end a job before it begins. Single files
    that are missing are found when they are read.

    Args:
        rows: iterable of ClipRow and SkippedRow.

    Raises:
        ValueError: naming the classes, or the first file if there are none.
    """
    there: set[str] = set()
    missing: dict[str, ClipRow] = {}
    num_there, first = 0, None
    for row in rows:
        if isinstance(row, SkippedRow):
            continue
        if os.path.lexists(row.path):
            num_there += 1
            there.update(row.labels)
            continue
        first = first or row
        for label in row.labels:
            missing.setdefault(label, row)
    if first and not num_there:
        raise ValueError(
            f"None of the files is there. The first: {first.path}. Check "
            "--audio_dir, and whether its disk is mounted."
        )
    lost = sorted(missing.keys() - there)
    if lost:
        raise ValueError(
            f"No file of {len(lost)} classes is there: {lost[:_NUM_NAMED]}. "
            f"The first: {missing[lost[0]].path}. Bring the files back, or "
            "take the classes out of the labels."
        )
