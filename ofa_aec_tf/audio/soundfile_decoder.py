"""Decoding with libsndfile: WAV, FLAC, Ogg Vorbis, Ogg Opus, MP3 and more."""

import contextlib
import pathlib
from collections.abc import Iterator

import numpy as np
import soundfile

from ofa_aec_tf.audio import contents
from ofa_aec_tf.audio import windows
from ofa_aec_tf.audio.errors import AudioError
from ofa_aec_tf.audio.errors import check_sample_rate
from ofa_aec_tf.audio.errors import rate_changes
from ofa_aec_tf.audio.reader import Source
from ofa_aec_tf.audio.regions import find_regions

# libsndfile's number of frames for headers that do not state it.
_UNKNOWN_FRAMES = 2**63 - 1
# In these subtypes no sample depends on earlier ones, so that seeking gives
# what decoding from the start would. FLAC has the subtypes of PCM.
_EXACT_SUBTYPES = ("PCM_", "FLOAT", "DOUBLE", "ULAW", "ALAW")

# libsndfile may leave up to two MP3 frames undecoded.
_MAX_BYTES_LEFT = 3000
_WITHOUT_SIGNATURE = ("MP3", "MPC2K", "RAW")


class _SoundFile(soundfile.SoundFile):
    """A file that does not seek after each block.

    soundfile seeks to the current position after each block, which changes
    the samples that follow in MP3.
    """

    def seekable(self):
        return False


@contextlib.contextmanager
def _as_audio_error(path):
    try:
        yield
    except soundfile.LibsndfileError as error:
        raise AudioError(
            path, "undecodable", f"libsndfile: {error.error_string}"
        ) from None


@contextlib.contextmanager
def _opened(path, region) -> Iterator[_SoundFile]:
    with _as_audio_error(path):
        file = _SoundFile(region, closefd=False)
    with file:
        yield file


def has_header(descriptor: int) -> bool:
    """Whether an open file has a header that states its format.

    Args:
        descriptor: int.

    Returns:
        bool. False for formats with a signature of only two bytes, which many
        files have by chance.
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
            `bad_sample_rate`; while it is read, `undecodable`.
    """
    with contextlib.ExitStack() as stack:
        # By descriptor, so that only the content tells the format: many files
        # have the extension of another one.
        descriptor = stack.enter_context(contents.opened(path))
        content = contents.sniff(descriptor)
        following, is_length_sure = find_regions(descriptor, content)
        region = following.pop(0)
        file = stack.enter_context(
            _opened(path, descriptor if region.is_whole_file else region)
        )
        rate_hz = file.samplerate
        check_sample_rate(path, rate_hz)
        num_announced = None
        if is_length_sure and file.frames != _UNKNOWN_FRAMES:
            num_announced = file.frames
        is_exact = (
            num_announced is not None
            and file.subtype.startswith(_EXACT_SUBTYPES)
            and soundfile.SoundFile.seekable(file)
        )

        def read(num_frames: float) -> np.ndarray | None:
            nonlocal file, region
            # In blocks: memory for all announced samples would be allocated at
            # once, and a header may announce far more than there are.
            num_wanted = min(num_frames, windows.READ_SAMPLES // file.channels)
            if is_exact:
                # Not beyond the samples, where tags may be.
                num_wanted = min(num_wanted, num_announced - file.tell())
            with _as_audio_error(path):
                block = file.read(
                    int(num_wanted), dtype="float32", always_2d=True
                )
            if len(block):
                return block.T
            num_left = region.num_bytes_left
            is_end_open = not (is_length_sure or content.links)
            if is_end_open and num_left > _MAX_BYTES_LEFT:
                raise AudioError(
                    path,
                    "undecodable",
                    f"libsndfile: stops {num_left} bytes before the end",
                )
            if not following:
                return None
            region = following.pop(0)
            file = stack.enter_context(_opened(path, region))
            if file.samplerate != rate_hz:
                raise rate_changes(path, "libsndfile", rate_hz, file.samplerate)
            return read(num_frames)

        def seek(frame: int) -> int:
            with _as_audio_error(path):
                return file.seek(min(frame, num_announced))

        yield Source(rate_hz, num_announced, read, seek if is_exact else None)
