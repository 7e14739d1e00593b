"""Paths of audio files, which must not leave their directory."""

import os
import pathlib

from data_pipeline.clips.clip import SkippedRow


class AudioRoot:
    """The directory that the file names of a table are relative to.

    Args:
        path: path of an existing directory.
        allow_symlinks: bool. Whether symbolic links in it may lead elsewhere.
            The directory itself may always be a link.

    Raises:
        ValueError: if there is no such directory.
    """

    def __init__(self, path, allow_symlinks: bool = False):
        # A worker may run in another directory.
        self.path = pathlib.Path(os.path.abspath(path))
        self.allow_symlinks = allow_symlinks
        if not self.path.is_dir():
            raise ValueError(
                "--audio_dir must be an existing directory. "
                f"Received: --audio_dir={path}"
            )
        self._real_path = os.path.realpath(self.path)
        self._is_inside: dict[str, bool] = {}

    def join(
        self, name: str, clip_id: str, split: str | None = None
    ) -> str | SkippedRow:
        """Returns the path of a file that a table names.

        Args:
            name: str from an untrusted table. Relative to the directory, or an
                absolute path in it.
            clip_id: str. For the SkippedRow.
            split: str or None. Likewise.

        Returns:
            str, which never leaves the directory (with `allow_symlinks`: not by
            its name); or a SkippedRow with the code `path_escape`, or
            `bad_path` if no file can have that name.
        """
        code, reason = self._fault(name)
        if code:
            return SkippedRow(clip_id, name, code, reason, split)
        return str(self.path / self._relative(name))

    def _relative(self, name: str) -> str:
        """Removes `.`, `..` and the path of the directory from a name."""
        # By name only: the system would follow a link before a `..` first, and
        # go up from its target.
        normal = os.path.normpath(name)
        for path in (str(self.path), self._real_path):
            if normal == path or normal.startswith(os.path.join(path, "")):
                return os.path.relpath(normal, path)
        return normal

    def _fault(self, name: str) -> tuple[str, str]:
        if not name or "\0" in name:
            return "bad_path", f"no file can be named {name!r}"
        try:
            name.encode()
        except UnicodeEncodeError:
            return "bad_path", f"its name is not UTF-8: {name!r}"
        try:
            os.fsencode(name)
        except UnicodeEncodeError as error:
            return "bad_path", f"no file can be named {name!r} ({error.reason})"
        normal = self._relative(name)
        if os.path.isabs(normal):
            return "path_escape", f"an absolute path that is not in {self.path}"
        if normal == os.curdir:
            return "bad_path", f"{name!r} is the directory itself"
        if normal.split(os.sep)[0] == os.pardir:
            return "path_escape", f"`..` leads out of {self.path}"
        if not self.allow_symlinks and self.leads_out(self.path / normal):
            return (
                "path_escape",
                f"a symbolic link leads out of {self.path}; --allow_symlinks "
                "permits that",
            )
        return "", ""

    def leads_out(self, path) -> bool:
        """Whether symbolic links lead from a path out of the directory."""
        directory, _ = os.path.split(path)
        # Cached, as many files are in one directory.
        if directory not in self._is_inside:
            self._is_inside[directory] = self._contains(directory)
        if os.path.islink(path):
            return not self._contains(path)
        return not self._is_inside[directory]

    def _contains(self, path) -> bool:
        real_path = os.path.realpath(path)
        return (
            os.path.commonpath([self._real_path, real_path]) == self._real_path
        )
