"""Which audio files are in a directory."""

import os
from array import array
from collections.abc import Iterator

import numpy as np

from data_pipeline.clips.clip import SkippedRow
from data_pipeline.sources.files import sorted_hashes
from data_pipeline.sources.files.file_tree import FileTree
from data_pipeline.sources.files.paths import AudioRoot
from ofa_aec_tf.audio import AUDIO_SUFFIXES
from ofa_aec_tf.audio import is_audio


def preference(suffix: str) -> int:
    """Rank of a suffix, where one clip is there in several formats."""
    try:
        return AUDIO_SUFFIXES.index(suffix.lower())
    except ValueError:
        return len(AUDIO_SUFFIXES)


def may_be_audio(path: str) -> bool:
    """Whether to take a file for audio: by its suffix, or by its content.

    What has a suffix of audio was meant as such, even if it is damaged.

    Args:
        path: str.
    """
    suffix = os.path.splitext(path)[1]
    # Nothing but a regular file is opened: a named pipe would block.
    return preference(suffix) < len(AUDIO_SUFFIXES) or (
        os.path.isfile(path) and is_audio(path)
    )


def list_files(
    root: AudioRoot,
) -> tuple[list[str], list[str], list[SkippedRow]]:
    """The files of a directory and of those in it.

    Args:
        root: AudioRoot.

    Returns:
        tuple of the names of audio files and of the others, relative to the
        directory and sorted, and of what was not gone into. Hidden files are
        in none of them.
    """
    audio_files, others = [], []
    tree = FileTree(root)
    for directory, entry in tree.files():
        if entry.name.startswith("."):
            continue
        name = os.path.join(directory, entry.name)
        (audio_files if may_be_audio(entry.path) else others).append(name)
    return sorted(audio_files), sorted(others), list(tree.skipped)


def not_audio(name: str) -> SkippedRow:
    """The row of a file that is no audio."""
    return SkippedRow(name, name, "not_audio", "no audio, by its content")


def _split(name: str) -> tuple[str, str]:
    """Stem and suffix; what follows the dot of a number is no suffix."""
    stem, suffix = os.path.splitext(name)
    return (name, "") if suffix[1:].isdigit() else (stem, suffix)


class AudioIndex:
    """The audio files of a directory by the stems of their names.

    The directory is listed once, without asking for the state of a file.
    Names are not kept: 16 bytes a file hold a hash of its stem, its directory
    and its suffix, which together give back its path. Content decides what is
    audio, as soon as a file with another suffix, or none, is asked for.

    Args:
        root: AudioRoot. Hidden files and directories are left out, and so are
            directories that links out of it lead to, unless it allows them,
            and those that cannot be listed.
    """

    def __init__(self, root: AudioRoot):
        self._root = root
        self._tree = FileTree(root)
        self._directories: list[str] = []
        # Of suffix as on disk, and whether the file is a link.
        kinds: dict[tuple[str, bool], int] = {}
        hashes, directories, of_kind = array("q"), array("I"), array("I")
        for stem, kind in self._scan():
            hashes.append(hash(stem))
            directories.append(len(self._directories) - 1)
            of_kind.append(kinds.setdefault(kind, len(kinds)))
        self._kinds = list(kinds)
        # Sorted, so that the order in which a file system lists does not
        # decide which of several files with one stem is taken.
        by_preference = sorted(range(len(kinds)), key=self._preference)
        ranks = np.empty(len(kinds), np.uint32)
        ranks[by_preference] = np.arange(len(kinds))
        kind_of = np.asarray(of_kind)
        directory_of = np.asarray(directories)
        order = np.lexsort((directory_of, ranks[kind_of], hashes))
        self._hashes = memoryview(np.asarray(hashes)[order])
        self._directory_of = memoryview(directory_of[order])
        self._kind_of = memoryview(kind_of[order])

    def _preference(self, kind: int) -> tuple[int, str, bool]:
        suffix, is_link = self._kinds[kind]
        return preference(suffix), suffix, is_link

    def _scan(self) -> Iterator[tuple[str, tuple[str, bool]]]:
        """Stems and kinds of the files in the last of `self._directories`."""
        for directory, entry in self._tree.files():
            if not self._directories or self._directories[-1] != directory:
                self._directories.append(directory)
            if not entry.name.startswith("."):
                stem, suffix = _split(entry.name)
                yield stem, (suffix, entry.is_symlink())

    @property
    def skipped(self) -> tuple[SkippedRow, ...]:
        """Directories that were not gone into."""
        return self._tree.skipped

    def __len__(self) -> int:
        """Number of files."""
        return len(self._hashes)

    def find(
        self, stem: str, clip_id: str, split: str | None = None
    ) -> str | SkippedRow | None:
        """Path of the audio file whose name is `stem` and a suffix of audio.

        Of several, the one whose suffix comes first in `AUDIO_SUFFIXES`, and
        then whose directory was listed first.

        Args:
            stem: str, in the case that the file has.
            clip_id: str. For the rejection.
            split: str or None. Likewise.

        Returns:
            str, None if there is none, or a SkippedRow with the code
            `path_escape` if it is a link out of the directory that is not
            allowed.
        """
        position = sorted_hashes.find(self._hashes, hash(stem))
        if position is None:
            return None
        for index in range(position, len(self._hashes)):
            if self._hashes[index] != hash(stem):
                break
            suffix, is_link = self._kinds[self._kind_of[index]]
            directory = self._directories[self._directory_of[index]]
            name = os.path.join(directory, stem + suffix)
            path = os.path.join(self._root.path, name)
            if is_link:
                path = self._root.join(name, clip_id, split)
            if isinstance(path, SkippedRow) or may_be_audio(path):
                return path
        return None
