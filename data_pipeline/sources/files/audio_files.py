"""Finds the files that a table names, whatever their spelling."""

import dataclasses
import os
import re
import unicodedata
from collections import Counter
from collections import defaultdict
from collections.abc import Sequence
from typing import NamedTuple

from data_pipeline.clips.clip import ClipRow
from data_pipeline.clips.clip import SkippedRow
from data_pipeline.sources.files.audio_index import may_be_audio
from data_pipeline.sources.files.audio_index import preference
from data_pipeline.sources.files.file_tree import FileTree
from data_pipeline.sources.files.paths import AudioRoot
from ofa_aec_tf.audio import AUDIO_SUFFIXES

_NUM_NAMED = 3
_DRIVE = re.compile("[A-Za-z]:/")


class FoundFile(NamedTuple):
    """Where a file is that a table names.

    Args:
        path: str.
        is_elsewhere: bool. Whether its directory or its spelling differs from
            the table.
        is_there: bool. Whether the file exists.
    """

    path: str
    is_elsewhere: bool = False
    is_there: bool = True


def _nfc(name: str) -> str:
    return unicodedata.normalize("NFC", name)


def _key(name: str) -> str:
    return _nfc(name).casefold()


def _is_there(path: str | SkippedRow) -> bool:
    """Whether there is such a file, or a broken link."""
    return (
        isinstance(path, str)
        and os.path.lexists(path)
        and not os.path.isdir(path)
    )


class AudioFiles:
    """Finds files of a directory by the names that tables give them.

    Args:
        root: AudioRoot.
    """

    def __init__(self, root: AudioRoot):
        self._root = root
        # By file name and by stem. Listed when a file is first not found where
        # its name says.
        self._by_name: dict[str, list[str]] | None = None

    def find(
        self, name: str, clip_id: str, split: str | None = None
    ) -> FoundFile | SkippedRow:
        """Finds a file by its name.

        The name may have `\\` for `/`, another Unicode form or case, or no
        suffix. It may lack directories, or have some above the root, if no
        other file has that name.

        Args:
            name: str. Relative to the directory, or an absolute path in it.
            clip_id: str. For the SkippedRow.
            split: str or None. Likewise.

        Returns:
            FoundFile; a SkippedRow as of `AudioRoot.join`, or with the code
            `ambiguous_file` if several files may be meant.
        """
        path = self._root.join(name, clip_id, split)
        if "\\" in name and not _is_there(path):
            name = name.replace("\\", "/")
            path = self._root.join(name, clip_id, split)
        if isinstance(path, SkippedRow):
            return path
        if _is_there(path):
            return FoundFile(path)
        if _DRIVE.match(name):
            reason = "an absolute path of Windows"
            return SkippedRow(clip_id, name, "path_escape", reason, split)
        names = self._candidates(os.path.relpath(path, self._root.path))
        if len(names) > 1:
            return SkippedRow(
                clip_id,
                name,
                "ambiguous_file",
                f"{len(names)} files may be meant, such as {names[0]!r} and "
                f"{names[1]!r}: give the path below {self._root.path}",
                split,
            )
        if not names:
            return FoundFile(path, is_there=False)
        found = self._root.join(names[0], clip_id, split)
        if isinstance(found, SkippedRow):
            return found
        return FoundFile(found, is_elsewhere=True)

    def find_in_any_format(
        self, name: str, clip_id: str, split: str | None = None
    ) -> FoundFile | SkippedRow:
        """Finds a file by its name, also if it was converted since.

        Args and Returns: as of `find`. A file with another suffix than the
        name is elsewhere.
        """
        file = self.find(name, clip_id, split)
        if isinstance(file, SkippedRow) or file.is_there:
            return file
        stem, suffix = os.path.splitext(name)
        # The last dot need not begin a suffix, as in `site_1.5`.
        if not stem or preference(suffix) == len(AUDIO_SUFFIXES):
            return file
        converted = self.find(stem, clip_id, split)
        if isinstance(converted, SkippedRow) or converted.is_there:
            return converted
        return file

    def locate(
        self, name: str, row: ClipRow, notes: Counter[str]
    ) -> ClipRow | SkippedRow:
        """Gives a row the path of its file.

        Args:
            name: str, as in `find`.
            row: ClipRow, whose path is replaced.
            notes: Counter. Counts `found_elsewhere`.
        """
        file = self.find_in_any_format(name, row.clip_id, row.split)
        if isinstance(file, SkippedRow):
            return dataclasses.replace(file, labels=row.labels)
        if file.is_elsewhere:
            notes["found_elsewhere"] += 1
        return dataclasses.replace(row, path=file.path)

    def unnamed(self, rows: Sequence[ClipRow | SkippedRow], table) -> list[str]:
        """Describes the audio files that no row of a table names.

        Args:
            rows: sequence of ClipRow and SkippedRow, all of the table.
            table: path of the table.

        Returns:
            list of a str, or empty.
        """
        named = {row.path for row in rows if isinstance(row, ClipRow)}
        named |= {
            os.path.join(self._root.path, row.filename)
            for row in rows
            if isinstance(row, SkippedRow)
        }
        others = []
        for directory, entry in FileTree(self._root).files():
            name = os.path.join(directory, entry.name)
            path = os.path.join(self._root.path, name)
            if (
                not entry.name.startswith(".")
                and not entry.is_symlink()
                and path not in named
                and may_be_audio(path)
            ):
                others.append(name)
        if not others:
            return []
        examples = ", ".join(sorted(others)[:_NUM_NAMED])
        return [
            f"audio files in {self._root.path} that are in no row of {table}: "
            f"{len(others)}, such as {examples}"
        ]

    def _candidates(self, name: str) -> list[str]:
        """Lists the paths below the root that fit a name best."""
        if self._by_name is None:
            self._by_name = self._index()
        parts = _key(name).split(os.sep)
        above = _key(str(self._root.path)).split(os.sep)
        same, elsewhere = [], []
        for other in self._by_name.get(parts[-1], ()):
            others = _key(other).split(os.sep)
            if others[-1] != parts[-1]:
                if not may_be_audio(str(self._root.path / other)):
                    continue
                others[-1] = parts[-1]
            # A table may also name directories above the root.
            if others == parts:
                same.append(other)
            elif (above + others)[-len(parts) :] == parts:
                elsewhere.append(other)
        found = same or elsewhere
        if len(found) > 1:
            found = self._best(found, os.path.basename(name))
        return sorted(found)

    def _best(self, found: list[str], name: str) -> list[str]:
        """Prefers files with the same case, and one format of a recording."""
        exact = [
            other
            for other in found
            if _nfc(name) in _nfc(os.path.basename(other))
        ]
        by_preference = sorted(
            exact or found,
            key=lambda other: (preference(os.path.splitext(other)[1]), other),
        )
        one_of = {}
        for other in by_preference:
            # Links to one file count as one, too.
            path = os.path.realpath(self._root.path / other)
            one_of.setdefault(os.path.splitext(path)[0], other)
        return list(one_of.values())

    def _index(self) -> dict[str, list[str]]:
        by_name = defaultdict(list)
        for directory, entry in FileTree(self._root).files():
            if not entry.name.startswith("."):
                path = os.path.join(directory, entry.name)
                key = _key(entry.name)
                stem = os.path.splitext(key)[0]
                for each in {key, stem}:
                    by_name[each].append(path)
        return by_name
