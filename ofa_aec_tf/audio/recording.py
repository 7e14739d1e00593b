"""Recordings, with notes on what is odd about them."""

import dataclasses

import numpy as np

from ofa_aec_tf.audio import windows

SHORT_READ = "short_read"
SILENT = "silent"
OVER_FULL_SCALE = "over_full_scale"
LOW_SAMPLE_RATE = "low_sample_rate"
FALLBACK_DECODER = "fallback_decoder"

_MIN_READ_RATIO = 0.99
_SILENCE = 1e-5


@dataclasses.dataclass(frozen=True)
class Recording:
    """The wanted part of an audio file.

    Args:
        waveform: float32 array of shape (num_samples,), full scale at 1.
        notes: tuple of str. Stable codes, for counting, of what is odd about
            it: `short_read` if less than 99 % of the announced frames could
            be read; `silent` if it is constant within 1e-5 of full scale,
            zero or not; `over_full_scale` if a sample of the file is beyond
            1; `low_sample_rate` if the rate of the file is lower than the one
            wanted; `fallback_decoder` if PyAV read it after libsndfile had
            failed.
        file_seconds: float or None. Length of the whole file, if it is known:
            as it was read, if that was to its end, or else as its header
            announces.
    """

    waveform: np.ndarray
    notes: tuple[str, ...]
    file_seconds: float | None = None


def _is_short(decoded: windows.Decoded, window: windows.Window) -> bool:
    if decoded.num_announced is None:
        return False
    start = window.start_seconds * decoded.rate_hz
    stop = window.end_seconds * decoded.rate_hz
    num_wanted = min(stop, decoded.num_announced) - start
    num_read = min(stop, decoded.end_frame) - start
    return num_read < _MIN_READ_RATIO * num_wanted


def describe(
    decoded: windows.Decoded, window: windows.Window
) -> tuple[str, ...]:
    """Notes on decoded frames, before they are resampled.

    Args:
        decoded: windows.Decoded, with samples in the window.
        window: windows.Window.

    Returns:
        tuple of str, see `Recording`.
    """
    rate_hz = decoded.rate_hz
    wanted = decoded.waveform[window.wanted_slice(rate_hz, rate_hz)]
    lowest, highest = float(wanted.min()), float(wanted.max())
    # The range ignores a constant offset, which is as silent as zeros.
    found = {
        SHORT_READ: _is_short(decoded, window),
        SILENT: highest - lowest < 2 * _SILENCE,
        OVER_FULL_SCALE: max(-lowest, highest) > 1,
        LOW_SAMPLE_RATE: rate_hz < window.sample_rate_hz,
    }
    return tuple(note for note, is_so in found.items() if is_so)


def file_seconds(
    decoded: windows.Decoded, window: windows.Window
) -> float | None:
    """Length of a file that was decoded in part, as in `Recording`."""
    _, stop = window.frames(decoded.rate_hz)
    if decoded.end_frame < stop:
        return decoded.end_frame / decoded.rate_hz
    if decoded.num_announced is None:
        return None
    return max(decoded.num_announced, decoded.end_frame) / decoded.rate_hz
