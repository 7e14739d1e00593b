"""Opens files safely, and detects their format from their first bytes."""

import contextlib
import dataclasses
import os
import pathlib
import re
import stat
from collections.abc import Iterator

from ofa_aec_tf.audio import coded_frames
from ofa_aec_tf.audio import ogg_pages
from ofa_aec_tf.audio.errors import AudioError

# In order of preference, for clips that exist in several formats.
AUDIO_SUFFIXES = tuple(
    """
    .wav .flac .ogg .oga .opus .mp3 .m4a .webm .mp4 .mkv .aiff .aif .au .caf
    .wave .w64 .rf64 .aifc .snd .mp2 .aac .wma .3gp .mka .amr .ac3 .ape .wv
    .tta
    """.split()
)

WAV = "WAV"

# More than any position looked at below.
_HEAD_BYTES = 512
_ID3_BYTES = 10
# Zeros after a tag, and anything before the first frame of MP3.
_MAX_GARBAGE_BYTES = 65_536


@dataclasses.dataclass(frozen=True)
class Content:
    """The format of a file, as far as its bytes tell.

    Args:
        name: str or None. The format, for messages; None if it is unknown.
        prefers_av: bool. Whether only PyAV reads it, or reads it faster.
        start: int. The byte at which the audio starts, after tags and zeros.
        has_garbage: bool. Whether unknown bytes precede it.
        links: tuple of int. The bytes at which further streams of a chained
            Ogg file start.
    """

    name: str | None
    prefers_av: bool = False
    start: int = 0
    has_garbage: bool = False
    links: tuple[int, ...] = ()


def _compiled(*formats):
    return [
        (name, prefers_av, re.compile(pattern, re.DOTALL))
        for name, prefers_av, pattern in formats
    ]


# Words that are common in texts include some of the bytes after them.
_SIGNATURES = _compiled(
    # The second case is a file with only part of its header.
    (WAV, False, rb"(RIFF|RIFX|RF64|BW64)(....WAVE|.{0,7}\Z)"),
    ("W64", False, rb"riff\x2e\x91\xcf\x11"),
    ("AIFF", False, rb"FORM(....AIF[FC]|.{0,7}\Z)"),
    ("AU", False, rb"\.snd\0|dns\."),
    ("CAF", False, rb"caff\0"),
    ("FLAC", False, rb"fLaC"),
    # The first Ogg page holds only the header of its stream.
    ("Ogg Opus", True, rb"OggS.{24}OpusHead"),
    ("Ogg", False, rb"OggS"),
    # The same container is used for pictures.
    (
        "MP4 or Matroska",
        True,
        rb"....ftyp(?!hei|hev|mif1|msf1|avif|avis|crx |jp[2xm] )"
        rb"|[\0-\x08]...(moov|mdat|wide|free|skip|pnot)"
        rb"|\x1a\x45\xdf\xa3",
    ),
    ("ASF (WMA)", True, rb"\x30\x26\xb2\x75\x8e\x66\xcf\x11"),
    ("AMR", True, rb"#!AMR"),
    ("AC-3", True, rb"\x0b\x77...[\x30-\x87]"),
    ("RealMedia", True, rb"\.RMF\0"),
    ("Monkey's Audio", True, rb"MAC .[\x0e\x0f]"),
    ("WavPack", True, rb"wvpk"),
    ("TTA", True, rb"TTA1[\1-\3]\0"),
    ("FLV", True, rb"FLV\x01"),
    ("AVI", True, rb"RIFF....AVI "),
    ("MPEG", True, rb"\0\0\x01\xba|G.{187}G.{187}G"),
)


def _open_regular_file(path):
    try:
        status = path.stat()
        is_regular = stat.S_ISREG(status.st_mode)
        # Only regular files are opened: a named pipe would block here.
        if is_regular and status.st_size:
            return os.open(path, os.O_RDONLY)
    except (FileNotFoundError, NotADirectoryError):
        raise AudioError(path, "missing", "there is no such file") from None
    except (OSError, ValueError) as error:
        # ValueError: a NUL in the name.
        reason = f"cannot be opened: {error}"
        raise AudioError(path, "unreadable", reason) from error
    if not is_regular:
        raise AudioError(path, "not_a_file", "not a regular file")
    raise AudioError(path, "empty_file", "the file has no bytes")


def _after_tags(descriptor: int) -> int:
    """The byte after the leading ID3 tags and the zeros that follow them."""
    position = 0
    while True:
        head = os.pread(descriptor, _ID3_BYTES, position)
        if not re.match(rb"ID3[\2-\4]..[\0-\x7f]{4}", head, re.DOTALL):
            break
        # The size has seven bits in each byte.
        size = 0
        for byte in head[6:]:
            size = size << 7 | byte
        has_footer = bool(head[5] & 0x10)
        position += size + _ID3_BYTES * (1 + has_footer)
    if position:
        zeros = os.pread(descriptor, _MAX_GARBAGE_BYTES, position)
        position += len(zeros) - len(zeros.lstrip(b"\0"))
    return position


@contextlib.contextmanager
def opened(path: pathlib.Path) -> Iterator[int]:
    """Opens a file for reading.

    Args:
        path: pathlib.Path.

    Yields:
        int, the file descriptor of a non-empty regular file.

    Raises:
        AudioError: `missing`, `not_a_file`, `empty_file` or `unreadable`.
    """
    descriptor = _open_regular_file(path)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def sniff(descriptor: int) -> Content:
    """Detects the format of an open file from its first bytes.

    Args:
        descriptor: int.

    Returns:
        Content.
    """
    start = _after_tags(descriptor)
    head = os.pread(descriptor, _HEAD_BYTES, start)
    for name, prefers_av, pattern in _SIGNATURES:
        if pattern.match(head):
            links = ()
            if head.startswith(b"OggS"):
                links = ogg_pages.find_links(descriptor, start)
            # FFmpeg decodes a click where links meet.
            return Content(name, prefers_av and not links, start, links=links)
    region = os.pread(descriptor, _MAX_GARBAGE_BYTES, start)
    is_whole = start + len(region) == os.fstat(descriptor).st_size
    found = coded_frames.find(region, is_whole)
    if found is not None:
        name, position = found
        return Content(
            name, name == coded_frames.AAC, start + position, bool(position)
        )
    # There may be a tag, followed by something unknown.
    return Content("MPEG audio" if start else None)
