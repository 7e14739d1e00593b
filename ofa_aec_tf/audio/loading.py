"""Reads audio files with the decoder that suits them."""

import contextlib
import importlib.metadata
import itertools
import os
import pathlib
import types
from collections.abc import Callable
from collections.abc import Iterator

import numpy as np
import soundfile
import soxr

from ofa_aec_tf.audio import contents
from ofa_aec_tf.audio import errors
from ofa_aec_tf.audio import recording
from ofa_aec_tf.audio import soundfile_decoder
from ofa_aec_tf.audio import windows
from ofa_aec_tf.audio.errors import AudioError
from ofa_aec_tf.audio.recording import Recording

DECODERS = ("auto", "soundfile", "av", "tfio")

_AV_INSTALLATION = "pip install 'ofa_aec_tf[av]'"
# What another decoder may be able to read.
_DECODER_CODES = ("undecodable", "no_samples")

_Decode = Callable[[pathlib.Path, int, windows.Window], windows.Decoded]


def _find_av() -> types.ModuleType | None:
    # Where it is needed only: FFmpeg takes a while to load.
    try:
        import ofa_aec_tf.audio.av_decoder as av_decoder
    except ImportError:
        return None
    return av_decoder


def _named_decoder(name: str) -> _Decode:
    if name == "soundfile":
        return soundfile_decoder.decode
    if name == "tfio":
        # Brings TensorFlow, and one that is older than everyone else's.
        from ofa_aec_tf.audio import tfio_decoder

        return tfio_decoder.decode
    if name == "av":
        av_decoder = _find_av()
        if av_decoder is not None:
            return av_decoder.decode
        raise ValueError(
            "The decoder 'av' needs PyAV, which cannot be imported. "
            f"Install it: {_AV_INSTALLATION}"
        )
    raise ValueError(
        f"`decoder` must be one of {list(DECODERS)}. Received: {name!r}"
    )


def decoder_versions(decoder: str = "auto") -> dict[str, str | None]:
    """The libraries that read files, which may differ in the last bit.

    Args:
        decoder: str. One of `DECODERS`.

    Returns:
        dict from the names of libraries to their versions; None where one
        that would be used is not installed.

    Raises:
        ValueError: if the decoder is not installed or unknown.
    """
    if decoder != "auto":
        _named_decoder(decoder)
    names = {
        "soundfile": ("soundfile",),
        "av": ("av",),
        "tfio": ("tensorflow-io",),
    }.get(decoder, ("soundfile", "av"))
    versions: dict[str, str | None] = {}
    for name in (*names, "soxr"):
        try:
            versions[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            versions[name] = None
    return versions


def _decoders_of(path, descriptor) -> Iterator[types.ModuleType]:
    """The decoders to try, in this order; each has `decode` and `stream`."""
    content = contents.sniff(descriptor)
    if content is contents.Content.OTHER:
        yield soundfile_decoder
    av_decoder = _find_av()
    if av_decoder is not None:
        yield av_decoder
    elif content is contents.Content.MP4_OR_MATROSKA:
        raise AudioError(
            path,
            "undecodable",
            f"looks like {content.value}, which only PyAV reads: "
            f"{_AV_INSTALLATION}",
        )
    # After PyAV, which is three times as fast here.
    if content is contents.Content.OGG_OPUS:
        yield soundfile_decoder


def _first_success(path, descriptor, read):
    """What `read(decoder)` returns for the first decoder that can read.

    Returns:
        tuple of that and of the notes.
    """
    failures = []
    for decoder in _decoders_of(path, descriptor):
        try:
            result = read(decoder)
        except AudioError as error:
            if error.code not in _DECODER_CODES:
                raise
            failures.append(error)
            continue
        if failures and decoder is not soundfile_decoder:
            return result, (recording.FALLBACK_DECODER,)
        return result, ()
    reasons = "; ".join(dict.fromkeys(error.reason for error in failures))
    raise AudioError(path, failures[0].code, reasons)


def _decode(path, window, decoder) -> tuple[windows.Decoded, tuple[str, ...]]:
    named = None if decoder == "auto" else _named_decoder(decoder)
    descriptor = contents.open_regular_file(path)
    try:
        if named is None:
            return _first_success(
                path, descriptor, lambda d: d.decode(path, descriptor, window)
            )
        return named(path, descriptor, window), ()
    finally:
        os.close(descriptor)


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


def read_audio(
    path,
    sample_rate_hz: int,
    max_seconds: float | None = None,
    start_seconds: float = 0.0,
    decoder: str = "auto",
) -> Recording:
    """Reads an audio file, or a part of one, as a mono waveform.

    The format is told from the content, whatever the extension says. WAV,
    FLAC, Ogg, MP3 and the others of libsndfile are read by that; MP4 (m4a),
    Matroska (webm), Opus, and what libsndfile cannot read, by PyAV where it
    is installed. Channels are averaged. A part equals the same part of the
    whole file, resampled.

    Args:
        path: path of the file.
        sample_rate_hz: int. Rate to resample to.
        max_seconds: float or None. Read no more than this.
        start_seconds: float. Where to start in the file.
        decoder: str. `"auto"`, or one of `"soundfile"`, `"av"` and `"tfio"`
            to have that one and no other.

    Returns:
        Recording.

    Raises:
        AudioError: if the file is missing or broken, has less than 50 ms
            after the start, or has samples that are not finite or beyond 64
            times full scale.
        ValueError: if an argument is out of range, or the decoder that it
            names is not installed.
    """
    path = pathlib.Path(path)
    window = windows.Window(sample_rate_hz, start_seconds, max_seconds)
    decoded, notes = _decode(path, window, decoder)
    _check_length(
        path, decoded.end_frame / decoded.rate_hz - start_seconds, start_seconds
    )
    errors.check_samples(path, decoded.waveform)
    notes = recording.describe(decoded, window) + notes
    waveform = decoded.waveform
    if decoded.rate_hz != sample_rate_hz:
        waveform = soxr.resample(
            waveform, decoded.rate_hz, sample_rate_hz, "HQ"
        )
    wanted = window.wanted_slice(decoded.rate_hz, sample_rate_hz)
    file_seconds = (
        None
        if decoded.num_announced is None
        else decoded.num_announced / decoded.rate_hz
    )
    return Recording(
        np.ascontiguousarray(waveform[wanted], np.float32), notes, file_seconds
    )


def read_parts(path, sample_rate_hz, parts, decoder="auto"):
    """Stands in for what reads parts in one pass."""
    for start_seconds, max_seconds in parts:
        try:
            yield read_audio(
                path, sample_rate_hz, max_seconds, start_seconds, decoder
            )
        except AudioError as error:
            yield error


def _open_stream(path, descriptor, stack) -> tuple[int, Iterator[np.ndarray]]:
    """Rate and mono parts of a file, by the first decoder that can read it."""

    def read(decoder):
        with contextlib.ExitStack() as attempt:
            rate_hz, blocks = attempt.enter_context(
                decoder.stream(path, descriptor)
            )
            parts = windows.mono_parts(blocks)
            first = next(parts, None)
            if first is None:
                raise errors.no_samples(path)
            stack.push(attempt.pop_all())
            return rate_hz, itertools.chain([first], parts)

    opened, _ = _first_success(path, descriptor, read)
    return opened


def stream_audio(path, sample_rate_hz: int) -> Iterator[np.ndarray]:
    """Reads an audio file part by part, in memory that its length is not in.

    The parts follow each other; together they are what `load_audio` returns.
    Once a part could be read, no other decoder is tried.

    Args:
        path: path of the file.
        sample_rate_hz: int. Rate to resample to.

    Yields:
        float32 arrays of shape (any,) of some seconds each, full scale at 1.

    Raises:
        AudioError: as `read_audio`; for what is wrong further on in the file,
            after the parts before it.
    """
    path = pathlib.Path(path)
    with contextlib.ExitStack() as stack:
        descriptor = contents.open_regular_file(path)
        stack.callback(os.close, descriptor)
        rate_hz, parts = _open_stream(path, descriptor, stack)
        resampler = None
        if rate_hz != sample_rate_hz:
            # Gives the same bits as resampling all at once.
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


def duration_seconds(path, decoder: str = "auto") -> float:
    """Length of an audio file, as its header says.

    Args:
        path: path of the file.
        decoder: str. One of `DECODERS`.

    Raises:
        AudioError: if the file is missing or broken.
    """
    path = pathlib.Path(path)
    descriptor = contents.open_regular_file(path)
    try:
        return soundfile.info(os.fdopen(descriptor, "rb")).duration
    except soundfile.LibsndfileError as error:
        raise AudioError(
            path, "undecodable", f"libsndfile: {error.error_string}"
        ) from None


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
    """Crops a waveform, or pads it with zeros, at its end.

    Args:
        waveform: float array of shape (any,).
        num_samples: int. Length of the result.

    Returns:
        Array of shape (num_samples,) with the dtype of `waveform`.
    """
    missing = max(0, num_samples - len(waveform))
    return np.pad(waveform[:num_samples], (0, missing))
