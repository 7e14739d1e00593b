"""Finds MP3 and AAC, which have no file header, by their frames."""

import itertools
import math
import re

# Bit rates by version (MPEG-1; MPEG-2 and 2.5) and layer.
_KBPS = {
    (1, 1): range(32, 449, 32),
    (1, 2): (32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384),
    (1, 3): (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    (2, 1): (32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256),
    (2, 2): (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
    (2, 3): (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}
_RATES_HZ = (44100, 48000, 32000)
# One header may be there by chance. Three in a row are not.
_NUM_FRAMES = 3
_MIN_FRAMES = 2
_HEADER_BYTES = 6
_MAX_FREE_BYTES = 6000
_SYNC = re.compile(rb"\xff[\xe2-\xff]", re.DOTALL)

MPEG_AUDIO = "MPEG audio"
AAC = "AAC"


def _mpeg_frame(head):
    """Kind, size and padding in bytes of an MPEG audio frame, by its header."""
    version = {3: 1, 2: 2, 0: 2.5}.get(head[1] >> 3 & 3)
    layer = 4 - (head[1] >> 1 & 3)
    bitrate_index = head[2] >> 4
    rate_index = head[2] >> 2 & 3
    if version is None or layer == 4 or bitrate_index == 15 or rate_index == 3:
        return None
    kind = MPEG_AUDIO, version, layer, rate_index
    padding = head[2] >> 1 & 1
    padding *= 4 if layer == 1 else 1
    if not bitrate_index:
        # Free format: the header does not state the bit rate.
        return kind, None, padding
    rate_hz = _RATES_HZ[rate_index] / {1: 1, 2: 2, 2.5: 4}[version]
    kbps = _KBPS[min(2, int(version)), layer][bitrate_index - 1]
    if layer == 1:
        return kind, int(12_000 * kbps / rate_hz) * 4 + padding, padding
    slots = 72_000 if layer == 3 and version > 1 else 144_000
    return kind, int(slots * kbps / rate_hz) + padding, padding


def _aac_frame(head):
    """Kind, size and padding in bytes of an ADTS frame, by its header."""
    num_bytes = (head[3] & 3) << 11 | head[4] << 3 | head[5] >> 5
    rate_index = head[2] >> 2 & 15
    if rate_index > 12 or num_bytes <= _HEADER_BYTES:
        return None
    return (AAC, head[1] & 8, rate_index), num_bytes, 0


def _frame(content, position):
    """Kind, size and padding of the frame at a position; None without one."""
    head = content[position : position + _HEADER_BYTES]
    if len(head) < _HEADER_BYTES or not _SYNC.match(head):
        return None
    return _aac_frame(head) if head[1] & 0xF6 == 0xF0 else _mpeg_frame(head)


def _free_format_bytes(content, position, kind, padding):
    """Size of a free-format frame without padding, from the next header."""
    stop = position + _MAX_FREE_BYTES
    for match in _SYNC.finditer(content, position + _HEADER_BYTES, stop):
        found = _frame(content, match.start())
        if found is None or found[:2] != (kind, None):
            continue
        num_bytes = match.start() - position - padding
        after = _frame(content, match.start() + num_bytes + found[2])
        # Coded samples may look like one header, but not like two.
        if after is not None and after[:2] == (kind, None):
            return num_bytes
    return None


def _frames(content, position):
    """Kind and end of each of the consecutive frames of one kind."""
    first_kind = free_bytes = None
    while (found := _frame(content, position)) is not None:
        kind, num_bytes, padding = found
        if kind != (first_kind or kind):
            return
        first_kind = kind
        if num_bytes is None:
            if free_bytes is None:
                free_bytes = _free_format_bytes(
                    content, position, kind, padding
                )
            if free_bytes is None:
                return
            num_bytes = free_bytes + padding
        position += num_bytes
        yield kind[0], position


def _kind_at(content, position, end):
    """The kind of the frames that start at a position, or None."""
    frames = itertools.islice(_frames(content, position), _NUM_FRAMES)
    number = 0
    for number, (kind, position) in enumerate(frames, 1):
        if number >= _MIN_FRAMES and position >= end:
            return kind
    return kind if number == _NUM_FRAMES else None


def find(content: bytes, is_whole: bool) -> tuple[str, int] | None:
    """Finds consecutive frames.

    Args:
        content: bytes. Where to look.
        is_whole: bool. Whether the file ends with these bytes.

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


def end_of_whole(content: bytes) -> int | None:
    """Where the last complete frame ends.

    Args:
        content: bytes. The end of a file.

    Returns:
        int, a position; None if there are no frames.
    """
    last_end = None
    position = 0
    # There may be more frames after other bytes, such as tags.
    while (found := find(content[position:], is_whole=True)) is not None:
        position += found[1]
        for _, end in _frames(content, position):
            position = end
            if end <= len(content):
                last_end = end
    return last_end
