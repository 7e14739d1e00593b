"""Lists a directory and its subdirectories, and follows links."""

import heapq
import os
from collections.abc import Iterator

from data_pipeline.clips.clip import SkippedRow
from data_pipeline.sources.files.paths import AudioRoot


def is_directory(entry: os.DirEntry) -> bool:
    """Whether an entry is a directory, or a link to one."""
    try:
        return entry.is_dir()
    except OSError:
        # A link to itself, or to a directory without permission.
        return False


class FileTree:
    """Lists the files below a directory.

    Every directory is listed once, under its own name rather than that of a
    link, so that circular links end.

    Args:
        root: AudioRoot.
    """

    def __init__(self, root: AudioRoot):
        self._root = root
        self._skipped: list[SkippedRow] = []

    @property
    def skipped(self) -> tuple[SkippedRow, ...]:
        """Directories that were not listed; complete after `files`.

        Their codes are `hidden`, `unreadable`, `path_escape` (a link out of the
        root that is not allowed) and `repeated_link` (a link to a directory
        that is listed under another name).
        """
        return tuple(self._skipped)

    def files(self) -> Iterator[tuple[str, os.DirEntry]]:
        """Yields files, directory by directory.

        Yields:
            Tuples of the directory, relative to the root (`""` is the root),
            and an entry, which may be hidden.
        """
        pending = [""]
        # Links come last, after their targets. A heap, by depth.
        links: list[tuple[int, str]] = []
        visited: set[str] = set()
        while pending or links:
            directory = pending.pop() if pending else heapq.heappop(links)[1]
            path = os.path.join(self._root.path, directory)
            real_path = os.path.realpath(path)
            if real_path in visited:
                self._skip(
                    directory,
                    "repeated_link",
                    "a directory that is read under another name",
                )
                continue
            visited.add(real_path)
            inside: list[str] = []
            try:
                # Not held in memory: there may be millions in a directory.
                with os.scandir(path) as entries:
                    for entry in entries:
                        name = os.path.join(directory, entry.name)
                        if not is_directory(entry):
                            yield directory, entry
                        elif entry.name.startswith("."):
                            self._skip(name, "hidden", "a hidden directory")
                        elif not entry.is_symlink():
                            inside.append(name)
                        elif self._may_follow(entry.path, name):
                            heapq.heappush(links, (name.count(os.sep), name))
            except OSError as error:
                reason = f"cannot be listed: {error.strerror or error}"
                self._skip(directory, "unreadable", reason)
            pending += sorted(inside, reverse=True)

    def _may_follow(self, path: str, name: str) -> bool:
        if self._root.allow_symlinks or not self._root.leads_out(path):
            return True
        self._skip(
            name,
            "path_escape",
            f"a link to a directory out of {self._root.path} is not followed; "
            "--allow_symlinks permits that",
        )
        return False

    def _skip(self, name: str, code: str, reason: str) -> None:
        self._skipped.append(SkippedRow(name, name, code, reason))
