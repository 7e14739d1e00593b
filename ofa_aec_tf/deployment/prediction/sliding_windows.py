"""Sliding windows over sound of any length, and whether they are silent."""

import dataclasses
from collections.abc import Iterable
from collections.abc import Iterator

import numpy as np

# A resampler rings this long at the ends of a file with a constant offset: 6 ms
# are audible for 8 kHz and an offset of half of full scale.
_EDGE_SECONDS = 0.01


@dataclasses.dataclass(frozen=True)
class Window:
    """A piece of sound.

    Args:
        start_sample: int. Where it starts.
        waveform: float32 array of shape (num_samples,). The last window may
            be shorter than the others.
    """

    start_sample: int
    waveform: np.ndarray


def check_hop(hop_samples: int, window_samples: int) -> None:
    """Refuses a hop that is not positive or is longer than a window.

    Args:
        hop_samples: int.
        window_samples: int.

    Raises:
        ValueError: naming both.
    """
    if not 1 <= hop_samples <= window_samples:
        raise ValueError(
            "Windows must begin at least one sample and at most one window of "
            f"{window_samples} samples after each other, so that all sound is "
            f"heard. Received: a hop of {hop_samples} samples"
        )


def sliding_windows(
    blocks: Iterable[np.ndarray], window_samples: int, hop_samples: int
) -> Iterator[Window]:
    """Cuts blocks of sound into windows.

    A window starts every `hop_samples`, until one reaches the end. This last
    one may be shorter; if it is less than half as long as the others, it is
    left out, unless it is the only one.

    Args:
        blocks: iterable of consecutive float32 arrays of shape (any,). No
            more than a window and a block are held.
        window_samples: int.
        hop_samples: int from 1 to `window_samples`.

    Yields:
        Window, as soon as it is complete.

    Raises:
        ValueError: for another hop.
    """
    check_hop(hop_samples, window_samples)
    held = np.zeros(0, np.float32)
    start = 0
    for block in blocks:
        held = np.concatenate([held, block])
        position = 0
        while position + window_samples <= len(held):
            yield Window(start, held[position : position + window_samples])
            position += hop_samples
            start += hop_samples
        held = held[position:]
    is_only = start == 0
    num_heard = 0 if is_only else window_samples - hop_samples
    is_long_enough = is_only or 2 * len(held) >= window_samples
    if len(held) > num_heard and is_long_enough:
        yield Window(start, held)


def is_silent(
    waveform: np.ndarray, sample_rate_hz: int, silence_dbfs: float
) -> bool:
    """Whether the peak of a sound is below a level.

    The peak is half the range of the samples, so that a constant offset is as
    silent as zeros. The outermost 10 ms do not count.

    Args:
        waveform: float array of shape (num_samples,), full scale at 1.
        sample_rate_hz: int.
        silence_dbfs: float. The level, in dB relative to full scale.
    """
    # At least half of a sound counts.
    edge = min(round(_EDGE_SECONDS * sample_rate_hz), len(waveform) // 4)
    peak = np.ptp(waveform[edge : len(waveform) - edge]) / 2
    return bool(peak < 10 ** (silence_dbfs / 20))
