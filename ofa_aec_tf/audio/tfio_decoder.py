"""Decoding with tensorflow-io: WAV, FLAC, Ogg Vorbis and MP3.

tensorflow-io 0.37 works with TensorFlow 2.16 only, so this decoder needs an
environment of its own. It is slower and more fragile than the others: it reads
WAV of 32-bit integers as floats, it refuses broken files, and some headers with
huge lengths crash the process.
"""

import contextlib
import functools
import io
import pathlib
from collections.abc import Iterator

import numpy as np
import soundfile

from ofa_aec_tf.audio import windows
from ofa_aec_tf.audio.errors import AudioError
from ofa_aec_tf.audio.errors import check_sample_rate
from ofa_aec_tf.audio.reader import Source

_PROBE_FRAMES = 8


@functools.cache
def _modules():
    """TensorFlow and tensorflow-io, once an operation of it has worked."""
    probe = io.BytesIO()
    soundfile.write(probe, np.zeros(_PROBE_FRAMES), 8000, format="WAV")
    try:
        import tensorflow_io as tfio

        # With another version of TensorFlow the import succeeds, but the
        # operations are missing.
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


@contextlib.contextmanager
def open_source(path: pathlib.Path) -> Iterator[Source]:
    """Opens a file, to be decoded from its start on.

    Args:
        path: pathlib.Path.

    Yields:
        Source.

    Raises:
        AudioError: `undecodable` or `bad_sample_rate`; while it is read,
            `undecodable`.
        ValueError: if tensorflow-io cannot be used here.
    """
    tf, tfio = _modules()

    @contextlib.contextmanager
    def as_audio_error():
        try:
            yield
        except tf.errors.OpError as error:
            raise AudioError(
                path, "undecodable", f"tensorflow-io: {error.message}"
            ) from None

    with as_audio_error():
        audio = tfio.audio.AudioIOTensor(str(path))
        rate_hz = int(audio.rate)
        num_announced = int(audio.shape[0])
    check_sample_rate(path, rate_hz)
    position = 0

    # The same blocks for every window: its samples depend on their starts.
    def read(unused_num_frames: float) -> np.ndarray | None:
        nonlocal position
        stop = min(position + windows.READ_SAMPLES, num_announced)
        if stop <= position:
            return None
        with as_audio_error():
            block = audio[position:stop].numpy()
        position += len(block)
        return _to_float32(block).T if len(block) else None

    yield Source(rate_hz, num_announced, read)
