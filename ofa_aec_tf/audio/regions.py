"""Divides files into regions, so that libsndfile reads all of them."""

import io
import os

from ofa_aec_tf.audio import coded_frames
from ofa_aec_tf.audio import contents
from ofa_aec_tf.audio import mpeg_length
from ofa_aec_tf.audio import wav_length

# Between MP3 frames of 8 and of 448 kbit/s.
_MAX_BITRATE_RATIO = 56
_LAST_BYTES = 128


class Region(io.RawIOBase):
    """A part of an open file that looks like a file.

    Args:
        descriptor: int.
        start: int. Its first byte.
        stop: int. The byte after its last.
        size: int. The number of bytes it claims to have. If that is more than
            there are, reading ends at a hole before the last of them.
        changes: dict from positions in the open file to the bytes that are
            read there instead.
    """

    def __init__(self, descriptor, start, stop, size, changes):
        super().__init__()
        self._descriptor = descriptor
        self._start = start
        self._stop = stop
        self._size = size
        self._changes = changes
        self._position = 0
        # Then the file itself can be read, which is faster.
        self.is_whole_file = not start and not changes and size == stop

    def readinto(self, buffer):
        begin = self._start + self._position
        if self._position >= self._size - _LAST_BYTES:
            # These are read from the end of the file, where tags may be.
            begin = max(self._start, self._stop - self._size + self._position)
        num_bytes = max(0, min(len(buffer), self._stop - begin))
        content = bytearray(os.pread(self._descriptor, num_bytes, begin))
        for position, changed in self._changes.items():
            for index, byte in enumerate(changed, position - begin):
                if 0 <= index < len(content):
                    content[index] = byte
        buffer[: len(content)] = content
        self._position += len(content)
        return len(content)

    def seek(self, offset, whence=os.SEEK_SET):
        origins = {os.SEEK_CUR: self._position, os.SEEK_END: self._size}
        self._position = origins.get(whence, 0) + offset
        return self._position

    def tell(self):
        return self._position

    @property
    def num_bytes_left(self) -> int:
        """Bytes after the position."""
        return self._stop - self._start - self._position


def find_regions(
    descriptor: int, content: contents.Content
) -> tuple[list[Region], bool]:
    """Divides a file into regions for libsndfile to open in turn.

    Args:
        descriptor: int.
        content: contents.Content of the file.

    Returns:
        tuple of a list of Region, and of whether the length that libsndfile
        finds is that of the file.
    """
    stop = os.fstat(descriptor).st_size
    starts = (content.start, *content.links)
    changes = {}
    claimed_ratio = 1
    is_length_sure = not content.links
    if content.name == coded_frames.MPEG_AUDIO:
        unbounded = mpeg_length.unbounded(descriptor, content.start)
        if unbounded is not None:
            is_length_sure = False
            stop = mpeg_length.end_of_frames(descriptor)
            changes = unbounded
            claimed_ratio = 1 if changes else _MAX_BITRATE_RATIO
    elif content.name == contents.WAV:
        changes = wav_length.unbounded(descriptor, content.start)
    regions = [
        Region(descriptor, start, stop, (stop - start) * claimed_ratio, changes)
        for start, stop in zip(starts, (*content.links, stop))
    ]
    return regions, is_length_sure
