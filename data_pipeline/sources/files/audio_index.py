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
    """Rank of a suffix among formats of the same clip; lower is better."""
    try:
        return AUDIO_SUFFIXES.index(suffix.lower())
    except ValueError:
        return len(AUDIO_SUFFIXES)


def may_be_audio(path: str) -> bool:
    """Whether a file is meant as audio, by its suffix or its content.

    A damaged file with a suffix of audio is meant as audio.
    """
    suffix = os.path.splitext(path)[1]
    # Only regular files are opened, as a named pipe would block.
    return preference(suffix) < len(AUDIO_SUFFIXES) or (
        os.path.isfile(path) and is_audio(path)
    )


def list_files(
    root: AudioRoot,
) -> tuple[list[str], list[str], list[SkippedRow]]:
    """Lists the files of a directory and its subdirectories.

    Args:
        root: AudioRoot.

    Returns:
        tuple of the names of audio files and of other files, relative to the
        directory and sorted, and of directories that were skipped. Hidden
        files are left out.
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
    """Makes the row of a file that is not audio."""
    return SkippedRow(name, name, "not_audio", "no audio, by its content")


def _split(name: str) -> tuple[str, str]:
    """Splits off the suffix, unless it is the decimals of a number."""
    stem, suffix = os.path.splitext(name)
    return (name, "") if suffix[1:].isdigit() else (stem, suffix)


class AudioIndex:
    """Finds audio files among millions by the stems of their names.

    The directory is listed once, without opening any file. Names are not kept:
    16 bytes for each file hold a hash of its stem, its directory and its
    suffix, which give its path back when it is looked up. Files without a
    suffix of audio are opened then.

    Args:
        root: AudioRoot.
    """

    def __init__(self, root: AudioRoot):
        self._root = root
        self._tree = FileTree(root)
        self._directories: list[str] = []
        # By suffix as on disk, and whether the file is a link.
        kinds: dict[tuple[str, bool], int] = {}
        hashes, directories, of_kind = array("q"), array("I"), array("I")
        for stem, kind in self._scan():
            hashes.append(hash(stem))
            directories.append(len(self._directories) - 1)
            of_kind.append(kinds.setdefault(kind, len(kinds)))
        self._kinds = list(kinds)
        # Sorted, so that the choice between files with the same stem does not
        # depend on the order in which the file system lists them.
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
        """Yields stems and kinds, of the last one of `self._directories`."""
        for directory, entry in self._tree.files():
            if not self._directories or self._directories[-1] != directory:
                self._directories.append(directory)
            if not entry.name.startswith("."):
                stem, suffix = _split(entry.name)
                yield stem, (suffix, entry.is_symlink())

    @property
    def skipped(self) -> tuple[SkippedRow, ...]:
        """Directories that were not listed."""
        return self._tree.skipped

    def __len__(self) -> int:
        """Number of files."""
        return len(self._hashes)

    def find(
        self, stem: str, clip_id: str, split: str | None = None
    ) -> str | SkippedRow | None:
        """Finds the audio file with this stem.

        Of several, it is the one whose suffix comes first in `AUDIO_SUFFIXES`,
        and then the one whose directory was listed first.

        Args:
            stem: str. Its case matters.
            clip_id: str. For the SkippedRow.
            split: str or None. Likewise.

        Returns:
            str, its path; None if there is none; or a SkippedRow as of
            `AudioRoot.join`.
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
