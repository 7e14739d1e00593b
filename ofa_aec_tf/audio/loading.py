"""Reads audio files with the decoder that suits them."""

import importlib.metadata
import os
import pathlib
from collections.abc import Callable
from collections.abc import Iterator

import numpy as np
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

_Decoder = Callable[[pathlib.Path, int, windows.Window], windows.Decoded]


def _find_av() -> _Decoder | None:
    # Where it is needed only: FFmpeg takes a while to load.
    try:
        from ofa_aec_tf.audio.av_decoder import decode
    except ImportError:
        return None
    return decode


def _named_decoder(name: str) -> _Decoder:
    if name == "soundfile":
        return soundfile_decoder.decode
    if name == "tfio":
        # Brings TensorFlow, and one that is older than everyone else's.
        from ofa_aec_tf.audio import tfio_decoder

        return tfio_decoder.decode
    if name == "av":
        decode = _find_av()
        if decode is not None:
            return decode
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


def _decoders_of(path, descriptor) -> Iterator[_Decoder]:
    """The decoders to try, in this order."""
    content = contents.sniff(descriptor)
    if content is contents.Content.OTHER:
        yield soundfile_decoder.decode
    av_decode = _find_av()
    if av_decode is not None:
        yield av_decode
    elif content is contents.Content.MP4_OR_MATROSKA:
        raise AudioError(
            path,
            "undecodable",
            f"looks like {content.value}, which only PyAV reads: "
            f"{_AV_INSTALLATION}",
        )
    # After PyAV, which is three times as fast here.
    if content is contents.Content.OGG_OPUS:
        yield soundfile_decoder.decode


def _decode_any(
    path, descriptor, window
) -> tuple[windows.Decoded, tuple[str, ...]]:
    """What the first decoder that can read the file reads; and notes."""
    failures = []
    for decode in _decoders_of(path, descriptor):
        try:
            decoded = decode(path, descriptor, window)
        except AudioError as error:
            if error.code not in _DECODER_CODES:
                raise
            failures.append(error)
            continue
        if failures and decode is not soundfile_decoder.decode:
            return decoded, (recording.FALLBACK_DECODER,)
        return decoded, ()
    reasons = "; ".join(dict.fromkeys(error.reason for error in failures))
    raise AudioError(path, failures[0].code, reasons)


def _decode(path, window, decoder) -> tuple[windows.Decoded, tuple[str, ...]]:
    named = None if decoder == "auto" else _named_decoder(decoder)
    descriptor = contents.open_regular_file(path)
    try:
        if named is None:
            return _decode_any(path, descriptor, window)
        return named(path, descriptor, window), ()
    finally:
        os.close(descriptor)


def _check_length(path, decoded, window) -> None:
    seconds = decoded.end_frame / decoded.rate_hz - window.start_seconds
    if seconds < errors.MIN_SECONDS:
        start = ""
        if window.start_seconds:
            start = f" after the start at {window.start_seconds:g} s"
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
    _check_length(path, decoded, window)
    errors.check_samples(path, decoded.waveform)
    notes = recording.describe(decoded, window) + notes
    waveform = decoded.waveform
    if decoded.rate_hz != sample_rate_hz:
        waveform = soxr.resample(
            waveform, decoded.rate_hz, sample_rate_hz, "HQ"
        )
    wanted = window.wanted_slice(decoded.rate_hz, sample_rate_hz)
    return Recording(np.ascontiguousarray(waveform[wanted], np.float32), notes)


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
