"""Decoding with libsndfile: WAV, FLAC, Ogg Vorbis, Ogg Opus, MP3 and more."""

import contextlib
import math
import os
from collections.abc import Iterator

import numpy as np
import soundfile

from ofa_aec_tf.audio import windows
from ofa_aec_tf.audio.errors import AudioError
from ofa_aec_tf.audio.errors import check_sample_rate
from ofa_aec_tf.audio.errors import no_samples

# libsndfile's answer where a header does not tell.
_UNKNOWN_FRAMES = 2**63 - 1
# Samples that do not depend on those before them: here, seeking gives what
# decoding from the start would. FLAC has the subtypes of PCM.
_EXACT_SUBTYPES = ("PCM_", "FLOAT", "DOUBLE", "ULAW", "ALAW")


def _seek(file: soundfile.SoundFile, first: int) -> int:
    """Goes towards a frame where that is exact; the position afterwards."""
    is_exact = file.subtype.startswith(_EXACT_SUBTYPES)
    if not is_exact or not file.seekable() or file.frames == _UNKNOWN_FRAMES:
        return 0
    return file.seek(min(first, file.frames))


def _blocks(
    file: soundfile.SoundFile, remaining: float
) -> Iterator[np.ndarray]:
    # By blocks: a header may announce far more samples than the file has, and
    # memory for all of them would be allocated at once.
    # Of many frames each: soundfile seeks before and after every block.
    block_frames = windows.READ_SAMPLES // file.channels
    while remaining > 0:
        num_wanted = int(min(block_frames, remaining))
        block = file.read(num_wanted, dtype="float32", always_2d=True)
        if not len(block):
            return
        yield block.T
        remaining -= len(block)


@contextlib.contextmanager
def _opened(path, descriptor: int) -> Iterator[soundfile.SoundFile]:
    os.lseek(descriptor, 0, os.SEEK_SET)
    try:
        with soundfile.SoundFile(descriptor, closefd=False) as file:
            check_sample_rate(path, file.samplerate)
            yield file
    except soundfile.LibsndfileError as error:
        raise AudioError(
            path, "undecodable", f"libsndfile: {error.error_string}"
        ) from None


def decode(path, descriptor: int, window: windows.Window) -> windows.Decoded:
    """Reads a part of a file.

    Args:
        path: path of the file, for messages.
        descriptor: int. The open file. By descriptor, so that the content
            alone tells the format: files with another format's extension are
            common.
        window: windows.Window.

    Returns:
        windows.Decoded.

    Raises:
        AudioError: `undecodable`, `bad_sample_rate` or `no_samples`.
    """
    with _opened(path, descriptor) as file:
        first, stop = window.frames(file.samplerate)
        position = _seek(file, first)
        waveform, end_frame = windows.gather(
            _blocks(file, stop - position), position, first, stop
        )
        if not end_frame:
            raise no_samples(path)
        num_announced = file.frames
        if num_announced == _UNKNOWN_FRAMES:
            num_announced = None
        return windows.Decoded(
            waveform, file.samplerate, end_frame, num_announced
        )


@contextlib.contextmanager
def stream(path, descriptor: int) -> Iterator[tuple[int, Iterator[np.ndarray]]]:
    """Reads a file from its beginning to its end.

    Args:
        path: path of the file, for messages.
        descriptor: int. The open file.

    Yields:
        tuple of the sample rate (int) and an iterator of float32 arrays of
        shape (num_channels, any), to be used inside the context.

    Raises:
        AudioError: `undecodable` or `bad_sample_rate`.
    """
    with _opened(path, descriptor) as file:
        yield file.samplerate, _blocks(file, math.inf)
