"""Keeps a bounded number of files open for reading."""

import collections
import contextlib
import os
import threading
from collections.abc import Iterator

# Several readers fit into the 256 descriptors that macOS gives a process.
MAX_OPEN = 32


class OpenFiles:
    """Keeps the most recently read files open.

    Several threads may use it; each may have one more file open.
    """

    def __init__(self):
        self._lock = threading.Lock()
        # From path to descriptor, the most recent one last.
        self._idle = collections.OrderedDict()

    @contextlib.contextmanager
    def opened(self, path) -> Iterator[int]:
        """Opens a file for reading, unless it is open.

        Args:
            path: path of the file.

        Yields:
            int, its descriptor, which no other thread uses meanwhile.

        Raises:
            OSError: if it cannot be opened.
        """
        with self._lock:
            descriptor = self._idle.pop(path, None)
        if descriptor is None:
            descriptor = os.open(path, os.O_RDONLY)
        try:
            yield descriptor
        finally:
            with self._lock:
                surplus = [self._idle.pop(path, None)]
                self._idle[path] = descriptor
                if len(self._idle) > MAX_OPEN:
                    surplus.append(self._idle.popitem(last=False)[1])
            for closed in surplus:
                if closed is not None:
                    os.close(closed)

    def close(self) -> None:
        """Closes all files that are not being read."""
        while self._idle:
            os.close(self._idle.popitem()[1])
