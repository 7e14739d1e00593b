"""Decoding with libsndfile: WAV, FLAC, Ogg Vorbis, Ogg Opus, MP3 and more."""

import contextlib
import io
import os
import pathlib
from collections.abc import Iterator

import numpy as np
import soundfile

from ofa_aec_tf.audio import contents
from ofa_aec_tf.audio import windows
from ofa_aec_tf.audio.errors import AudioError
from ofa_aec_tf.audio.errors import check_sample_rate
from ofa_aec_tf.audio.reader import Source

# libsndfile's answer where a header does not tell.
_UNKNOWN_FRAMES = 2**63 - 1
# Samples that do not depend on those before them: here, seeking gives what
# decoding from the start would. FLAC has the subtypes of PCM.
_EXACT_SUBTYPES = ("PCM_", "FLOAT", "DOUBLE", "ULAW", "ALAW")

_WITHOUT_SIGNATURE = ("MP3", "MPC2K", "RAW")


class _SoundFile(soundfile.SoundFile):
    """A file that stays where a block ended.

    After each block soundfile seeks to where the file is anyway, if it can
    seek; in MP3 the samples that follow are others then.
    """

    def seekable(self):
        return False


class _Tail(io.RawIOBase):
    """An open file from some byte on."""

    def __init__(self, descriptor: int, start: int):
        super().__init__()
        self._descriptor = descriptor
        self._start = start
        self._size = os.fstat(descriptor).st_size - start
        self._position = 0

    def readinto(self, buffer):
        content = os.pread(
            self._descriptor, len(buffer), self._start + self._position
        )
        buffer[: len(content)] = content
        self._position += len(content)
        return len(content)

    def seek(self, offset, whence=os.SEEK_SET):
        origins = {os.SEEK_CUR: self._position, os.SEEK_END: self._size}
        self._position = origins.get(whence, 0) + offset
        return self._position

    def tell(self):
        return self._position


@contextlib.contextmanager
def _as_audio_error(path):
    try:
        yield
    except soundfile.LibsndfileError as error:
        raise AudioError(
            path, "undecodable", f"libsndfile: {error.error_string}"
        ) from None


def has_header(descriptor: int) -> bool:
    """Whether an open file has a header that says what is in it.

    Args:
        descriptor: int.

    Returns:
        bool. False for formats that two bytes decide, which are in many files
        by chance.
    """
    try:
        with _SoundFile(descriptor, closefd=False) as file:
            return file.format not in _WITHOUT_SIGNATURE
    except soundfile.LibsndfileError:
        return False


@contextlib.contextmanager
def open_source(path: pathlib.Path) -> Iterator[Source]:
    """Opens a file.

    Args:
        path: pathlib.Path.

    Yields:
        Source.

    Raises:
        AudioError: if it cannot be opened, `undecodable` or
            `bad_sample_rate`; `undecodable` also from what is read of it.
    """
    with contextlib.ExitStack() as stack:
        # By descriptor, so that the content alone tells the format: files with
        # another format's extension are common.
        descriptor = stack.enter_context(contents.opened(path))
        start = contents.sniff(descriptor).start
        with _as_audio_error(path):
            # What it does not skip itself: much of what stands before MP3.
            opened = _Tail(descriptor, start) if start else descriptor
            file = stack.enter_context(_SoundFile(opened, closefd=False))
        check_sample_rate(path, file.samplerate)
        # By blocks: a header may announce far more samples than the file has,
        # and memory for all of them would be allocated at once.
        block_frames = windows.READ_SAMPLES // file.channels

        def read(num_frames: float) -> np.ndarray | None:
            num_wanted = int(min(block_frames, num_frames))
            with _as_audio_error(path):
                block = file.read(num_wanted, dtype="float32", always_2d=True)
            return block.T if len(block) else None

        def seek(frame: int) -> int:
            with _as_audio_error(path):
                return file.seek(min(frame, file.frames))

        is_known = file.frames != _UNKNOWN_FRAMES
        is_exact = is_known and file.subtype.startswith(_EXACT_SUBTYPES)
        yield Source(
            file.samplerate,
            file.frames if is_known else None,
            read,
            seek if is_exact and soundfile.SoundFile.seekable(file) else None,
        )
