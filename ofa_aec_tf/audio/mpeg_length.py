"""Corrects the announced length of MP3 files that have more frames."""

import os
import struct

from ofa_aec_tf.audio import coded_frames

# The header of the frame, up to 32 bytes of side information, and the tag.
_HEAD_BYTES = 200
_TAG_POSITIONS = (13, 21, 36)
_HAS_FRAMES, _HAS_BYTES = 1, 2
_REGION_BYTES = 65_536
_TAIL_BYTES = 16_384
# Larger than the number of frames of any file.
_UNBOUNDED = struct.pack(">I", 2**28)


def _before_tags(descriptor):
    """The byte at which the tags at the end of a file start, or its size."""
    end = os.fstat(descriptor).st_size
    if os.pread(descriptor, 3, max(0, end - 128)) == b"TAG":
        end -= 128
    footer = os.pread(descriptor, 32, max(0, end - 32))
    if footer.startswith(b"APETAGEX"):
        _, num_bytes, _, flags = struct.unpack_from("<IIII", footer, 8)
        has_header = bool(flags & 0x80000000)
        end -= num_bytes + 32 * has_header
    return end


def end_of_frames(descriptor: int) -> int:
    """The byte at which the last complete frame of a file ends.

    If there are no frames near its end, this is the byte at which the tags
    start, or the size of the file.

    Args:
        descriptor: int. An open file.
    """
    end = _before_tags(descriptor)
    start = max(0, end - _TAIL_BYTES)
    last_end = coded_frames.end_of_whole(
        os.pread(descriptor, max(0, end - start), start)
    )
    return end if last_end is None else start + last_end


def unbounded(descriptor: int, start: int) -> dict[int, bytes] | None:
    """Changes to a file with which all of it is read.

    libsndfile stops after the length that the first frame announces, or after
    the length of a file whose frames are all like the first.

    Args:
        descriptor: int. An open file.
        start: int. The byte of its first frame.

    Returns:
        dict from positions to the bytes to replace what is there, empty if no
        length is announced; None if the announced length is right.
    """
    head = os.pread(descriptor, _HEAD_BYTES, start)
    for position in _TAG_POSITIONS:
        if head[position : position + 4] not in (b"Xing", b"Info"):
            continue
        flags, num_frames, num_bytes = struct.unpack_from(
            ">III", head, position + 4
        )
        if not flags & _HAS_FRAMES or not num_frames:
            break
        if not flags & _HAS_BYTES:
            return None
        rest = start + num_bytes
        end = _before_tags(descriptor)
        if rest >= end:
            return None
        region = os.pread(descriptor, min(_REGION_BYTES, end - rest), rest)
        is_whole = rest + len(region) == end
        if coded_frames.find(region, is_whole) is None:
            return None
        # More frames follow, as in files that were joined.
        num_bytes = struct.pack(">I", min(end - start, 2**32 - 1))
        return {start + position + 8: _UNBOUNDED + num_bytes}
    return {}
