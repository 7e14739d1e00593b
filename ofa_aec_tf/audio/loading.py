"""Reads audio files with the decoder that suits them."""

import contextlib
import dataclasses
import functools
import itertools
import operator
import pathlib
from collections.abc import Iterable
from collections.abc import Iterator

import numpy as np
import soxr

from ofa_aec_tf.audio import decoders
from ofa_aec_tf.audio import errors
from ofa_aec_tf.audio import recording
from ofa_aec_tf.audio import windows
from ofa_aec_tf.audio.errors import AudioError
from ofa_aec_tf.audio.reader import WindowReader
from ofa_aec_tf.audio.recording import Recording


def _check_length(path, seconds, start_seconds=0.0) -> None:
    if seconds < errors.MIN_SECONDS:
        start = ""
        if start_seconds:
            start = f" after the start at {start_seconds:g} s"
        raise AudioError(
            path,
            "too_short",
            f"expected at least {errors.MIN_SECONDS} s{start}, received "
            f"{max(0.0, seconds):.4f} s",
        )


def _finish(path, decoded, window, notes) -> Recording:
    """Checks and resamples what a decoder read."""
    start_seconds = window.start_seconds
    rate_hz = decoded.rate_hz
    _check_length(
        path, decoded.end_frame / rate_hz - start_seconds, start_seconds
    )
    errors.check_samples(path, decoded.waveform)
    notes = recording.describe(decoded, window) + notes
    waveform = decoded.waveform
    if rate_hz != window.sample_rate_hz:
        waveform = soxr.resample(waveform, rate_hz, window.sample_rate_hz, "HQ")
    wanted = window.wanted_slice(rate_hz, window.sample_rate_hz)
    return Recording(
        np.ascontiguousarray(waveform[wanted], np.float32),
        notes,
        recording.file_seconds(decoded, window),
    )


def _read_windows(path, windows_, decoder) -> Iterator[Recording | AudioError]:
    with contextlib.ExitStack() as stack:

        def prepare(module):
            reader = WindowReader(
                path, functools.partial(module.open_source, path), windows_
            )
            stack.callback(reader.close)
            return reader

        try:
            attempts = decoders.Attempts(path, decoder, prepare)
        except AudioError as error:
            yield from [error] * len(windows_)
            return
        for index, window in enumerate(windows_):
            try:
                decoded, notes = attempts.first_success(
                    operator.methodcaller("decode", index)
                )
                part = _finish(path, decoded, window, notes)
                if len(windows_) > 1:
                    # Overlapping parts would share memory.
                    part = dataclasses.replace(
                        part, waveform=part.waveform.copy()
                    )
            except AudioError as error:
                part = error
            yield part


def read_parts(
    path,
    sample_rate_hz: int,
    parts: Iterable[tuple[float, float | None]],
    decoder: str = "auto",
) -> Iterator[Recording | AudioError]:
    """Reads parts of an audio file in one pass.

    Each equals what `read_audio` returns for it, bit for bit. Only the current
    part is held, and what later parts share with it.

    Args:
        path: path of the file.
        sample_rate_hz: int. Rate to resample to.
        parts: iterable of tuples of the start of a part in the file and its
            length, or None for the rest of the file; in seconds, in the order
            of the starts.
        decoder: str. As in `read_audio`.

    Returns:
        iterator with a Recording for each part, or the AudioError that
        `read_audio` would raise for it.

    Raises:
        ValueError: if an argument is out of range, if the parts are not in
            order, or if the named decoder is not installed.
    """
    windows_ = [
        windows.Window(sample_rate_hz, start_seconds, max_seconds)
        for start_seconds, max_seconds in parts
    ]
    starts = [window.start_seconds for window in windows_]
    if starts != sorted(starts):
        raise ValueError(
            "Expected parts in the order of their starts. Received starts at: "
            f"{starts} s"
        )
    if decoder != "auto":
        decoders.named_decoder(decoder)
    return _read_windows(pathlib.Path(path), windows_, decoder)


def read_audio(
    path,
    sample_rate_hz: int,
    max_seconds: float | None = None,
    start_seconds: float = 0.0,
    decoder: str = "auto",
) -> Recording:
    """Reads an audio file, or a part of one, as a mono waveform.

    The content decides the format, not the file extension. libsndfile reads
    WAV, FLAC, Ogg, MP3 and others. PyAV, if it is installed, reads MP4 (m4a),
    Matroska (webm), WMA, AAC, Opus and what libsndfile cannot read. Channels
    are averaged. A part equals the same part of the whole file, resampled.

    Args:
        path: path of the file.
        sample_rate_hz: int. Rate to resample to.
        max_seconds: float or None. Read no more than this.
        start_seconds: float. Where to start in the file.
        decoder: str. `"auto"`, or `"soundfile"`, `"av"` or `"tfio"` to use
            only that one.

    Returns:
        Recording.

    Raises:
        AudioError: if the file is missing or broken, has less than 50 ms
            after the start, or has samples that are not finite or beyond 64
            times full scale.
        ValueError: if an argument is out of range, or if the named decoder is
            not installed.
    """
    (part,) = read_parts(
        path, sample_rate_hz, [(start_seconds, max_seconds)], decoder
    )
    if isinstance(part, AudioError):
        raise part
    return part


def _open_stream(path, stack):
    """Opens a file with the first decoder that can read it.

    Returns:
        tuple of the Source and of an iterator of mono waveforms.
    """

    def read(module):
        with contextlib.ExitStack() as attempt:
            source = attempt.enter_context(module.open_source(path))
            parts = windows.mono_parts(source.blocks())
            first = next(parts, None)
            if first is None:
                raise errors.no_samples(path)
            stack.push(attempt.pop_all())
            return source, itertools.chain([first], parts)

    attempts = decoders.Attempts(path, "auto", lambda module: module)
    opened, _ = attempts.first_success(read)
    return opened


def stream_audio(path, sample_rate_hz: int) -> Iterator[np.ndarray]:
    """Reads an audio file part by part, in constant memory.

    Together the parts are what `load_audio` returns. After the first part, no
    other decoder is tried.

    Args:
        path: path of the file.
        sample_rate_hz: int. Rate to resample to.

    Yields:
        float32 arrays of shape (any,) of some seconds each, full scale at 1.

    Raises:
        AudioError: as `read_audio`; for a later fault, after the parts before
            it.
    """
    path = pathlib.Path(path)
    with contextlib.ExitStack() as stack:
        source, parts = _open_stream(path, stack)
        rate_hz = source.rate_hz
        resampler = None
        if rate_hz != sample_rate_hz:
            # It gives the same bits as resampling all at once.
            resampler = soxr.ResampleStream(
                rate_hz, sample_rate_hz, 1, dtype="float32", quality="HQ"
            )
        num_frames = 0
        for part in parts:
            num_frames += len(part)
            # All parts but the last are longer than the shortest file.
            _check_length(path, num_frames / rate_hz)
            errors.check_samples(path, part)
            yield resampler.resample_chunk(part) if resampler else part
        if resampler:
            yield resampler.resample_chunk(np.zeros(0, np.float32), last=True)


def _has_last_frame(source) -> bool:
    """Whether the header states the length, and the last frame is there."""
    if source.seek is None or not source.num_announced:
        return False
    try:
        source.seek(source.num_announced - 1)
        return source.read(1) is not None
    except AudioError:
        return False


def duration_seconds(path, decoder: str = "auto") -> float:
    """Length of an audio file.

    The length in the header is used if the last frame is there. Otherwise the
    file is decoded.

    Args:
        path: path of the file.
        decoder: str. As in `read_audio`.

    Returns:
        float.

    Raises:
        AudioError: as `read_audio`, but samples are not checked.
        ValueError: if the named decoder is not installed.
    """
    path = pathlib.Path(path)

    def read(module):
        with module.open_source(path) as source:
            if _has_last_frame(source):
                return source.num_announced / source.rate_hz
        with module.open_source(path) as source:
            num_frames = sum(block.shape[1] for block in source.blocks())
            if not num_frames:
                raise errors.no_samples(path)
            return num_frames / source.rate_hz

    attempts = decoders.Attempts(path, decoder, lambda module: module)
    seconds, _ = attempts.first_success(read)
    return seconds


def load_audio(
    path,
    sample_rate_hz: int,
    max_seconds: float | None = None,
    start_seconds: float = 0.0,
) -> np.ndarray:
    """Reads an audio file as `read_audio` does, without the notes.

    Args:
        path: path of the file.
        sample_rate_hz: int. Rate to resample to.
        max_seconds: float or None. Read no more than this.
        start_seconds: float. Where to start in the file.

    Returns:
        float32 array of shape (num_samples,), full scale at 1.

    Raises:
        AudioError: as `read_audio`.
        ValueError: if an argument is out of range.
    """
    return read_audio(path, sample_rate_hz, max_seconds, start_seconds).waveform


def fit_length(waveform: np.ndarray, num_samples: int) -> np.ndarray:
    """Crops a waveform at its end, or pads it with zeros.

    Args:
        waveform: float array of shape (any,).
        num_samples: int. Length of the result.

    Returns:
        Array of shape (num_samples,) with the dtype of `waveform`.
    """
    missing = max(0, num_samples - len(waveform))
    return np.pad(waveform[:num_samples], (0, missing))
