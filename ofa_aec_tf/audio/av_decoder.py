"""Decoding with PyAV, which brings FFmpeg: MP4, Matroska and nearly all else.

Importing this module fails where PyAV (the extra `av`) is not installed.
"""

import contextlib
import itertools
import os
from collections.abc import Iterator

import av
import numpy as np

from ofa_aec_tf.audio import windows
from ofa_aec_tf.audio.errors import AudioError
from ofa_aec_tf.audio.errors import check_sample_rate
from ofa_aec_tf.audio.errors import no_samples

# Without a list FFmpeg would also follow play lists, in what calls itself
# audio, to other files and to the network; and would take text for subtitles.
_FORMATS = (
    "3gp,aac,ac3,aiff,amr,ape,asf,au,avi,caf,eac3,flac,flv,m4a,matroska,mov,"
    "mp3,mp4,mpeg,mpegts,ogg,rm,tta,w64,wav,webm,wv"
)
# Formats whose headers give the length; that of the others is an estimate.
_FORMATS_WITH_LENGTH = {"aiff", "caf", "flac", "matroska", "mov", "ogg", "wav"}
# Encoders add part of a frame before and after the samples. The length counts
# it, and decoding removes it.
_CODING_SECONDS = 0.05


def _announced_seconds(container, stream) -> float | None:
    if _FORMATS_WITH_LENGTH.isdisjoint(container.format.name.split(",")):
        return None
    if stream.duration is not None:
        return float(stream.duration * stream.time_base)
    # The length of a container is that of its longest stream.
    if container.duration is not None and len(container.streams) == 1:
        return container.duration / av.time_base
    return None


def _blocks(path, frames) -> Iterator[np.ndarray]:
    rate_hz = None
    resamplers = {}
    for frame in frames:
        if rate_hz not in (None, frame.sample_rate):
            raise AudioError(
                path,
                "undecodable",
                f"FFmpeg: the sample rate changes from {rate_hz} to "
                f"{frame.sample_rate} Hz inside the file",
            )
        rate_hz = frame.sample_rate
        if frame.format.name == "fltp":
            yield frame.to_ndarray()
            continue
        # Streams may change between mono and stereo, which a resampler
        # refuses.
        key = frame.format.name, frame.layout.name
        if key not in resamplers:
            # For the sample format only. Mixing to mono is not left to it: it
            # keeps the power of the channels, which is 3 dB above their mean.
            resamplers[key] = av.AudioResampler(format="fltp")
        for planar in resamplers[key].resample(frame):
            yield planar.to_ndarray()


@contextlib.contextmanager
def _opened(path, descriptor: int):
    os.lseek(descriptor, 0, os.SEEK_SET)
    # By descriptor, as the extension is not to be believed.
    options = {
        "fd": str(descriptor),
        "format_whitelist": _FORMATS,
    }
    try:
        with av.open(
            "fd:", container_options=options, metadata_errors="replace"
        ) as container:
            if not container.streams.audio:
                raise AudioError(path, "undecodable", "FFmpeg: no audio stream")
            if container.streams.audio[0].codec_context is None:
                raise AudioError(
                    path, "undecodable", "FFmpeg: unknown audio codec"
                )
            yield container
    except av.FFmpegError as error:
        raise AudioError(
            path, "undecodable", f"FFmpeg: {error.strerror}"
        ) from None


def _decode(path, container) -> tuple[int, Iterator[np.ndarray]]:
    """The sample rate of the first audio stream, and its blocks."""
    frames = container.decode(container.streams.audio[0])
    # The rate in the header is not always that of the samples: AAC may double
    # it while decoding.
    first_frame = next(frames, None)
    if first_frame is None:
        raise no_samples(path)
    rate_hz = first_frame.sample_rate
    check_sample_rate(path, rate_hz)
    return rate_hz, _blocks(path, itertools.chain([first_frame], frames))


def decode(path, descriptor: int, window: windows.Window) -> windows.Decoded:
    """Reads a part of a file, decoding all that is before it.

    Args:
        path: path of the file, for messages.
        descriptor: int. The open file.
        window: windows.Window.

    Returns:
        windows.Decoded.

    Raises:
        AudioError: `undecodable`, `bad_sample_rate` or `no_samples`.
    """
    with _opened(path, descriptor) as container:
        rate_hz, blocks = _decode(path, container)
        waveform, end_frame = windows.gather(blocks, 0, *window.frames(rate_hz))
        seconds = _announced_seconds(container, container.streams.audio[0])
        num_announced = None
        if seconds is not None:
            num_announced = round((seconds - _CODING_SECONDS) * rate_hz)
        return windows.Decoded(waveform, rate_hz, end_frame, num_announced)


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
        AudioError: `undecodable`, `bad_sample_rate` or `no_samples`.
    """
    with _opened(path, descriptor) as container:
        yield _decode(path, container)
