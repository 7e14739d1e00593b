"""Corrects the announced length of WAV files that have more samples."""

import os
import re

_HEADER_BYTES = 8
# The name of a chunk.
_NAME = re.compile(rb"[ -~]{4}")
_UNKNOWN_SIZE = b"\xff\xff\xff\xff"


def _chunk(descriptor, position):
    """Name, start and size of the content of a chunk; None without one."""
    header = os.pread(descriptor, _HEADER_BYTES, position)
    if len(header) < _HEADER_BYTES or not _NAME.match(header):
        return None
    return (
        header[:4],
        position + _HEADER_BYTES,
        int.from_bytes(header[4:], "little"),
    )


def unbounded(descriptor: int, start: int) -> dict[int, bytes]:
    """Changes to a file with which all samples are read.

    A recorder that is cut off, or a program that writes to a pipe, leaves its
    initial length in the header, such as 0.

    Args:
        descriptor: int. An open file.
        start: int. Its first byte.

    Returns:
        dict from positions to the bytes to replace what is there; empty if
        nothing or another chunk follows the samples.
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
        # There may be one byte of padding.
        if position + _HEADER_BYTES > size:
            break
        following = _chunk(descriptor, position)
        if following is None or sum(following[1:]) > size + 1:
            return {begin - 4: _UNKNOWN_SIZE}
        break
    return {}
