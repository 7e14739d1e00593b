"""Decoding with PyAV, which includes FFmpeg: MP4, Matroska and most others.

Importing this module fails where PyAV (the extra `av`) is not installed.
"""

import contextlib
import itertools
import pathlib
from collections.abc import Iterator

import av
import numpy as np

from ofa_aec_tf.audio import contents
from ofa_aec_tf.audio.errors import AudioError
from ofa_aec_tf.audio.errors import check_sample_rate
from ofa_aec_tf.audio.errors import no_samples
from ofa_aec_tf.audio.errors import rate_changes
from ofa_aec_tf.audio.reader import Source

# Without a list, FFmpeg would also follow playlists that are named as audio to
# other files and to the network, and would take text for subtitles.
_FORMATS = (
    "3gp,aac,ac3,aiff,amr,ape,asf,au,avi,caf,eac3,flac,flv,m4a,matroska,mov,"
    "mp3,mp4,mpeg,mpegts,ogg,rm,tta,w64,wav,webm,wv"
)
# Formats whose headers state the length. For others it is an estimate.
_FORMATS_WITH_LENGTH = {"aiff", "caf", "flac", "matroska", "mov", "ogg", "wav"}
# Encoders pad the samples at both ends by part of a frame. The stated length
# includes the padding, which decoding removes.
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
            raise rate_changes(path, "FFmpeg", rate_hz, frame.sample_rate)
        rate_hz = frame.sample_rate
        if frame.format.name == "fltp":
            yield frame.to_ndarray()
            continue
        # A resampler refuses streams that change between mono and stereo.
        key = frame.format.name, frame.layout.name
        if key not in resamplers:
            # For the sample format only. Its mix to mono would keep the power
            # of the channels, which is 3 dB above their mean.
            resamplers[key] = av.AudioResampler(format="fltp")
        for planar in resamplers[key].resample(frame):
            yield planar.to_ndarray()


@contextlib.contextmanager
def _as_audio_error(path):
    try:
        yield
    except av.FFmpegError as error:
        raise AudioError(
            path, "undecodable", f"FFmpeg: {error.strerror}"
        ) from None


@contextlib.contextmanager
def _opened(path, descriptor: int):
    # By descriptor: file extensions are often wrong.
    options = {
        "fd": str(descriptor),
        "format_whitelist": _FORMATS,
    }
    with _as_audio_error(path):
        container = av.open(
            "fd:", container_options=options, metadata_errors="replace"
        )
    with container:
        if not container.streams.audio:
            raise AudioError(path, "undecodable", "FFmpeg: no audio stream")
        if container.streams.audio[0].codec_context is None:
            raise AudioError(path, "undecodable", "FFmpeg: unknown audio codec")
        yield container


@contextlib.contextmanager
def open_source(path: pathlib.Path) -> Iterator[Source]:
    """Opens a file, to be decoded from its start on.

    Args:
        path: pathlib.Path.

    Yields:
        Source, of the first audio stream.

    Raises:
        AudioError: if it cannot be opened, `undecodable`, `bad_sample_rate`
            or `no_samples`; while it is read, `undecodable`.
    """
    with (
        contents.opened(path) as descriptor,
        _opened(path, descriptor) as container,
    ):
        stream = container.streams.audio[0]
        frames = container.decode(stream)
        # The header may state another rate: AAC can double it while decoding.
        with _as_audio_error(path):
            first_frame = next(frames, None)
        if first_frame is None:
            raise no_samples(path)
        rate_hz = first_frame.sample_rate
        check_sample_rate(path, rate_hz)
        blocks = _blocks(path, itertools.chain([first_frame], frames))

        def read(unused_num_frames: float) -> np.ndarray | None:
            with _as_audio_error(path):
                return next(blocks, None)

        num_announced = None
        seconds = _announced_seconds(container, stream)
        if seconds is not None:
            num_announced = round((seconds - _CODING_SECONDS) * rate_hz)
        yield Source(rate_hz, num_announced, read)
