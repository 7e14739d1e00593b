"""Reads windows of a file in one pass of a decoder."""

import bisect
import contextlib
import dataclasses
import math
from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Sequence

import numpy as np

from ofa_aec_tf.audio import windows
from ofa_aec_tf.audio.errors import AudioError
from ofa_aec_tf.audio.errors import no_samples


@dataclasses.dataclass(frozen=True)
class Source:
    """An open audio file.

    Args:
        rate_hz: int. Its sample rate.
        num_announced: int or None. Frames of the whole file according to its
            header.
        read: function of a number of frames (int or infinity). Returns the
            next block, a float32 array of shape (num_channels, any); None at
            the end. A decoder with blocks of its own may return more frames.
        seek: function of a frame (int), or None. Goes to that frame, or to
            the end, and returns the position. None if reading on from there
            would give other samples than reading from the start.
    """

    rate_hz: int
    num_announced: int | None
    read: Callable[[float], np.ndarray | None]
    seek: Callable[[int], int] | None = None

    def blocks(self) -> Iterator[np.ndarray]:
        """The rest of the file, in the blocks of `read`."""
        while (block := self.read(math.inf)) is not None:
            yield block


class WindowReader:
    """Reads windows of a file, in the order of their starts.

    Each window is read as if it were the only one, errors included. But the
    file is opened and decoded only once, up to the end of the last window, if
    nothing is wrong with it. Frames are held from the start of the current
    window on. Call `close` at the end.

    Args:
        path: path of the file, for messages.
        open_source: function without arguments. Returns a context with a
            Source.
        parts: sequence of windows.Window with ascending starts.
    """

    def __init__(
        self,
        path,
        open_source: Callable[[], contextlib.AbstractContextManager[Source]],
        parts: Sequence[windows.Window],
    ):
        self._path = path
        self._open_source = open_source
        self._parts = parts
        self._source = None
        self._error = None
        self._stack = contextlib.ExitStack()

    def close(self) -> None:
        """Closes the file."""
        self._stack.close()
        self._source = None

    def _open(self):
        self._source = self._stack.enter_context(self._open_source())
        self._frames = [
            part.frames(self._source.rate_hz) for part in self._parts
        ]
        self._stops = sorted({stop for _, stop in self._frames})
        # The frames of `_mono` end at `_position`.
        self._mono = windows.Mono()
        self._position = 0

    def _read_up_to(self, first, stop):
        while self._position < stop:
            # Never past the end of another window: a fault after that end
            # must not be an error of that window.
            next_stop = self._stops[
                bisect.bisect_right(self._stops, self._position)
            ]
            block = self._source.read(next_stop - self._position)
            if block is None:
                break
            skipped = max(0, first - self._position)
            if skipped < block.shape[1]:
                self._mono.add(block[:, skipped:])
            self._position += block.shape[1]
        if not self._position:
            raise no_samples(self._path)

    def decode(self, index: int) -> windows.Decoded:
        """Reads one window.

        Args:
            index: int. Index of the window; larger in each call.

        Returns:
            windows.Decoded.

        Raises:
            AudioError: `undecodable`, `bad_sample_rate` or `no_samples`.
        """
        try:
            if self._source is None and self._error is None:
                self._open()
            if self._source is None:
                raise self._error
            first, stop = self._frames[index]
            held_from = self._position - len(self._mono)
            self._mono.drop(first - held_from)
            if self._error is not None and stop > self._position:
                raise self._error
            if self._source.seek is not None and first > self._position:
                self._position = self._source.seek(first)
            self._read_up_to(first, stop)
        except AudioError as error:
            if self._source is not None and self._source.seek is not None:
                # What follows the fault may be intact.
                self.close()
            else:
                self._error = AudioError(error.path, error.code, error.reason)
            raise
        return windows.Decoded(
            self._mono.waveform(stop - first),
            self._source.rate_hz,
            int(min(stop, self._position)),
            self._source.num_announced,
        )
