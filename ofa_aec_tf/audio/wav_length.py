"""Whether the length that a WAV file announces is that of all its samples."""

import os
import re

_HEADER_BYTES = 8
# Chunks have names.
_NAME = re.compile(rb"[ -~]{4}")
_UNKNOWN_SIZE = b"\xff\xff\xff\xff"


def _chunk(descriptor, position):
    """Name, begin and size of the content of a chunk; None if there is none."""
    header = os.pread(descriptor, _HEADER_BYTES, position)
    if len(header) < _HEADER_BYTES or not _NAME.match(header):
        return None
    return (
        header[:4],
        position + _HEADER_BYTES,
        int.from_bytes(header[4:], "little"),
    )


def unbounded(descriptor: int, start: int) -> dict[int, bytes]:
    """What to change in a file, so that no samples are left unread.

    A recorder that is cut off, or a program that writes into a pipe, leaves
    the length that it began with in the header, such as 0.

    Args:
        descriptor: int. An open file.
        start: int. Its first byte.

    Returns:
        dict from positions to the bytes that stand there instead; empty if
        behind the samples there is nothing, or another chunk.
    """
    if os.pread(descriptor, 4, start) != b"RIFF":
        return {}
    size = os.fstat(descriptor).st_size
    position = start + 12
    while (chunk := _chunk(descriptor, position)) is not None:
        name, begin, num_bytes = chunk
        position = begin + num_bytes + num_bytes % 2
        if name != b"data":
            continue
        # One byte may be there to make them even.
        if position + _HEADER_BYTES > size:
            break
        following = _chunk(descriptor, position)
        if following is None or sum(following[1:]) > size + 1:
            return {begin - 4: _UNKNOWN_SIZE}
        break
    return {}
