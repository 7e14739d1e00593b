"""Finds MP3 and AAC, which have no header, by the frames they consist of."""

import math
import re

# Of MPEG-1, and of MPEG-2 and 2.5; by layer.
_KBPS = {
    (1, 1): range(32, 449, 32),
    (1, 2): (32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384),
    (1, 3): (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    (2, 1): (32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256),
    (2, 2): (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
    (2, 3): (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}
_RATES_HZ = (44100, 48000, 32000)
# The first one may stand anywhere by chance; so may not three in a row.
_NUM_FRAMES = 3
_MIN_FRAMES = 2
_HEADER_BYTES = 6
_MAX_FREE_BYTES = 6000
_SYNC = re.compile(rb"\xff[\xe2-\xff]", re.DOTALL)

MPEG_AUDIO = "MPEG audio"
AAC = "AAC"


def _mpeg_frame(head):
    """Kind and bytes of the MPEG audio frame that begins so, or None."""
    version = {3: 1, 2: 2, 0: 2.5}.get(head[1] >> 3 & 3)
    layer = 4 - (head[1] >> 1 & 3)
    bitrate_index = head[2] >> 4
    rate_index = head[2] >> 2 & 3
    if version is None or layer == 4 or bitrate_index == 15 or rate_index == 3:
        return None
    kind = MPEG_AUDIO, version, layer, rate_index
    if not bitrate_index:
        # Free format: the header does not tell.
        return kind, None
    rate_hz = _RATES_HZ[rate_index] / {1: 1, 2: 2, 2.5: 4}[version]
    kbps = _KBPS[min(2, int(version)), layer][bitrate_index - 1]
    padding = head[2] >> 1 & 1
    if layer == 1:
        return kind, (int(12_000 * kbps / rate_hz) + padding) * 4
    slots = 72_000 if layer == 3 and version > 1 else 144_000
    return kind, int(slots * kbps / rate_hz) + padding


def _aac_frame(head):
    """Kind and bytes of the ADTS frame that begins so, or None."""
    num_bytes = (head[3] & 3) << 11 | head[4] << 3 | head[5] >> 5
    rate_index = head[2] >> 2 & 15
    if rate_index > 12 or num_bytes <= _HEADER_BYTES:
        return None
    return (AAC, head[1] & 8, rate_index), num_bytes


def _frame(content, position):
    head = content[position : position + _HEADER_BYTES]
    if len(head) < _HEADER_BYTES or not _SYNC.match(head):
        return None
    return _aac_frame(head) if head[1] & 0xF6 == 0xF0 else _mpeg_frame(head)


def _free_format_bytes(content, position, kind):
    """Bytes of a frame of free format: up to the next of the same kind."""
    stop = position + _MAX_FREE_BYTES
    for match in _SYNC.finditer(content, position + _HEADER_BYTES, stop):
        if _frame(content, match.start()) == (kind, None):
            return match.start() - position
    return None


def _kind_at(content, position, end):
    """The kind of the frames that begin at a position, or None."""
    first_kind = None
    num_bytes = None
    for number in range(_NUM_FRAMES):
        if number >= _MIN_FRAMES and position >= end:
            break
        found = _frame(content, position)
        if found is None or first_kind not in (None, found[0]):
            return None
        first_kind = found[0]
        if found[1] is not None:
            num_bytes = found[1]
        elif num_bytes is None:
            num_bytes = _free_format_bytes(content, position, first_kind)
            if num_bytes is None:
                return None
        position += num_bytes
    return first_kind[0]


def find(content: bytes, is_whole: bool) -> tuple[str, int] | None:
    """Finds frames that follow each other.

    Args:
        content: bytes. Where to look.
        is_whole: bool. Whether the file ends with them.

    Returns:
        tuple of the kind, `MPEG_AUDIO` or `AAC`, and the position (int) of
        the first frame; None if there is none.
    """
    end = len(content) if is_whole else math.inf
    for match in _SYNC.finditer(content):
        kind = _kind_at(content, match.start(), end)
        if kind is not None:
            return kind, match.start()
    return None
