"""Which audio files are in a directory, for millions of them."""

import os
from array import array
from collections.abc import Iterator

import numpy as np
from absl import logging

from data_pipeline.clips import SkippedRow
from data_pipeline.sources import sorted_hashes
from data_pipeline.sources.paths import AudioRoot
from ofa_aec_tf.audio import AUDIO_SUFFIXES


class AudioIndex:
    """The audio files of a directory by the stems of their names.

    The directory is listed once, without asking for the state of a file.
    Names are not kept: 14 bytes a file hold a hash of its stem, its directory
    and its suffix, which together give back its path.

    Args:
        root: AudioRoot. Hidden files and directories are left out, and so are
            directories that links out of it lead to, unless it allows them.

    Raises:
        OSError: if a directory cannot be listed.
    """

    def __init__(self, root: AudioRoot):
        self._root = root
        self._directories: list[str] = []
        # Of suffix as on disk, and whether the file is a link.
        kinds: dict[tuple[str, bool], int] = {}
        hashes, directories, of_kind = array("q"), array("I"), array("H")
        for stem, kind in self._scan():
            hashes.append(hash(stem))
            directories.append(len(self._directories) - 1)
            of_kind.append(kinds.setdefault(kind, len(kinds)))
        self._kinds = list(kinds)
        # Sorted, so that the order in which a file system lists does not
        # decide which of several files with one stem is taken.
        by_preference = sorted(range(len(kinds)), key=self._preference)
        ranks = np.empty(len(kinds), np.uint16)
        ranks[by_preference] = np.arange(len(kinds))
        kind_of = np.asarray(of_kind)
        directory_of = np.asarray(directories)
        order = np.lexsort((directory_of, ranks[kind_of], hashes))
        self._hashes = memoryview(np.asarray(hashes)[order])
        self._directory_of = memoryview(directory_of[order])
        self._kind_of = memoryview(kind_of[order])

    def _preference(self, kind: int) -> tuple[int, str, bool]:
        suffix, is_link = self._kinds[kind]
        return AUDIO_SUFFIXES.index(suffix.lower()), suffix, is_link

    def _scan(self) -> Iterator[tuple[str, tuple[str, bool]]]:
        """Stems and kinds of the files in the last of `self._directories`."""
        pending = [""]
        # Links come last: what they lead to has a name of its own before.
        links: list[str] = []
        visited = set()
        while pending or links:
            directory = (pending or links).pop()
            path = os.path.join(self._root.path, directory)
            real_path = os.path.realpath(path)
            if real_path in visited:
                continue
            visited.add(real_path)
            self._directories.append(directory)
            inside, linked_inside = [], []
            with os.scandir(path) as entries:
                for entry in entries:
                    if entry.name.startswith("."):
                        continue
                    is_link = entry.is_symlink()
                    if entry.is_dir():
                        name = os.path.join(directory, entry.name)
                        if not is_link:
                            inside.append(name)
                        elif self._may_follow(entry.path):
                            linked_inside.append(name)
                        continue
                    stem, suffix = os.path.splitext(entry.name)
                    if suffix.lower() in AUDIO_SUFFIXES:
                        yield stem, (suffix, is_link)
            pending += sorted(inside, reverse=True)
            links += sorted(linked_inside, reverse=True)

    def _may_follow(self, link: str) -> bool:
        if self._root.allow_symlinks or not self._root.leads_out(link):
            return True
        logging.warning(
            "%s leads out of %s and is not followed; --allow_symlinks permits "
            "that.",
            link,
            self._root.path,
        )
        return False

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
        suffix, is_link = self._kinds[self._kind_of[position]]
        directory = self._directories[self._directory_of[position]]
        name = os.path.join(directory, stem + suffix)
        if is_link:
            return self._root.join(name, clip_id, split)
        return os.path.join(self._root.path, name)
