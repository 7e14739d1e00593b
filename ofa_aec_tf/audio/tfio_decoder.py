"""Decoding with tensorflow-io: WAV, FLAC, Ogg Vorbis and MP3.

tensorflow-io 0.37 works with TensorFlow 2.16 only, so that this needs an
environment of its own. It is slower than the other decoders and more fragile:
it takes WAV of 32-bit integers for floats, reads broken files not at all, and
some headers with lengths beyond all measure end the process.
"""

import functools
import io
from collections.abc import Iterator

import numpy as np
import soundfile

from ofa_aec_tf.audio import windows
from ofa_aec_tf.audio.errors import AudioError
from ofa_aec_tf.audio.errors import check_sample_rate
from ofa_aec_tf.audio.errors import no_samples

_PROBE_FRAMES = 8


@functools.cache
def _modules():
    """TensorFlow and tensorflow-io, once an operation of it has worked."""
    probe = io.BytesIO()
    soundfile.write(probe, np.zeros(_PROBE_FRAMES), 8000, format="WAV")
    try:
        import tensorflow_io as tfio

        # The import succeeds beside a TensorFlow that it does not fit; its
        # operations then are missing.
        tfio.audio.decode_wav(probe.getvalue(), dtype="int16")
        import tensorflow as tf
    except (ImportError, NotImplementedError) as error:
        raise ValueError(
            "The decoder 'tfio' needs tensorflow-io beside the TensorFlow that "
            "it was built for, 2.16. Use the environment of `make test-tfio`. "
            f"Received: {type(error).__name__}: {error}"
        ) from error
    return tf, tfio


def _to_float32(samples: np.ndarray) -> np.ndarray:
    if samples.dtype == np.float32:
        return samples
    limits = np.iinfo(samples.dtype)
    middle = 0 if limits.min else (limits.max + 1) // 2
    full_scale = (limits.max + 1 - limits.min) // 2
    return ((samples.astype(np.float64) - middle) / full_scale).astype(
        np.float32
    )


def _blocks(audio, remaining: float) -> Iterator[np.ndarray]:
    position = 0
    while remaining > 0:
        num_wanted = int(min(windows.READ_SAMPLES, remaining))
        block = audio[position : position + num_wanted].numpy()
        if not len(block):
            return
        yield _to_float32(block).T
        position += len(block)
        remaining -= len(block)


def decode(path, descriptor: int, window: windows.Window) -> windows.Decoded:
    """Reads a part of a file, decoding all that is before it.

    Args:
        path: path of the file.
        descriptor: int. Not used: tensorflow-io opens files by their paths.
        window: windows.Window.

    Returns:
        windows.Decoded.

    Raises:
        AudioError: `undecodable`, `bad_sample_rate` or `no_samples`.
        ValueError: if tensorflow-io cannot be used here.
    """
    tf, tfio = _modules()
    try:
        audio = tfio.audio.AudioIOTensor(str(path))
        rate_hz = int(audio.rate)
        check_sample_rate(path, rate_hz)
        num_announced = int(audio.shape[0])
        first, stop = window.frames(rate_hz)
        waveform, end_frame = windows.gather(
            _blocks(audio, min(stop, num_announced)), 0, first, stop
        )
    except tf.errors.OpError as error:
        raise AudioError(
            path, "undecodable", f"tensorflow-io: {error.message}"
        ) from None
    if not end_frame:
        raise no_samples(path)
    return windows.Decoded(waveform, rate_hz, end_frame, num_announced)
