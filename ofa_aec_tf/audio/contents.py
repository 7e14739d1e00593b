"""Which files are audio, how to open them safely, and who can read them."""

import enum
import os
import pathlib
import stat

from ofa_aec_tf.audio.errors import AudioError

# In the order of preference, where a clip is there in several formats.
AUDIO_SUFFIXES = (
    ".wav",
    ".flac",
    ".ogg",
    ".oga",
    ".opus",
    ".mp3",
    ".m4a",
    ".webm",
    ".mp4",
    ".mkv",
    ".aiff",
    ".aif",
    ".au",
    ".caf",
)

# More than any position looked at below.
_NUM_BYTES = 64


class Content(enum.Enum):
    """What the first bytes of a file look like, as far as it matters."""

    MP4_OR_MATROSKA = "MP4 or Matroska"
    OGG_OPUS = "Ogg Opus"
    OTHER = "other"


def open_regular_file(path: pathlib.Path) -> int:
    """Opens a file for reading.

    Args:
        path: pathlib.Path.

    Returns:
        int, the file descriptor of a non-empty regular file.

    Raises:
        AudioError: `missing`, `not_a_file`, `empty_file` or `unreadable`.
    """
    try:
        status = path.stat()
        is_regular = stat.S_ISREG(status.st_mode)
        # Nothing else is opened: a named pipe would block here.
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


def sniff(descriptor: int) -> Content:
    """Looks at the first bytes of an open file.

    Args:
        descriptor: int.

    Returns:
        Content.
    """
    head = os.pread(descriptor, _NUM_BYTES, 0)
    if head[4:8] in (b"ftyp", b"moov", b"mdat"):
        return Content.MP4_OR_MATROSKA
    if head.startswith(b"\x1a\x45\xdf\xa3"):
        return Content.MP4_OR_MATROSKA
    # The first page of Ogg holds nothing but the header of its stream.
    if head.startswith(b"OggS") and head[28:36] == b"OpusHead":
        return Content.OGG_OPUS
    return Content.OTHER


_SIGNATURES = (
    b"RIFF",
    b"RIFX",
    b"RF64",
    b"riff",
    b"FORM",
    b"fLaC",
    b"OggS",
    b"ID3",
    b".snd",
    b"caff",
    b"\x1a\x45\xdf\xa3",
    b"\x30\x26\xb2\x75\x8e\x66\xcf\x11",
)


def is_audio(path) -> bool:
    """Whether the content of a file is audio, whatever its name.

    Args:
        path: path.
    """
    try:
        descriptor = open_regular_file(pathlib.Path(path))
    except AudioError:
        return False
    try:
        head = os.pread(descriptor, _NUM_BYTES, 0)
    finally:
        os.close(descriptor)
    is_mpeg = head[:1] == b"\xff" and len(head) > 2 and head[1] >= 0xE0
    return is_mpeg or head.startswith(_SIGNATURES) or head[4:8] == b"ftyp"
