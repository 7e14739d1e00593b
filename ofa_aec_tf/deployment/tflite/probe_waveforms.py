"""Waveforms that every exported file must handle."""

import numpy as np

_TONE_HZ = 440.0
_LOWEST_HZ = 20.0
_FAINT = 1e-8


def probes(
    num_samples: int, sample_rate_hz: int, seed: int = 0
) -> dict[str, np.ndarray]:
    """Extreme and ordinary sounds.

    Args:
        num_samples: int.
        sample_rate_hz: int.
        seed: int. Seed of the noise.

    Returns:
        dict from name to a float32 array of shape (num_samples,), full scale
        at 1: digital silence, noise below the resolution of any recording, a
        full-scale square wave, noise, and a sweep over all frequencies that
        fades in.
    """
    time_seconds = np.arange(num_samples) / sample_rate_hz
    noise = np.random.default_rng(seed).standard_normal(num_samples)
    seconds = max(time_seconds[-1], 1 / sample_rate_hz)
    log_ratio = np.log(sample_rate_hz / 2 / _LOWEST_HZ)
    # The integral of a frequency that rises exponentially.
    phases = _LOWEST_HZ * seconds / log_ratio
    phases *= np.exp(log_ratio * time_seconds / seconds) - 1
    sweep = np.cos(2 * np.pi * phases)
    waveforms = {
        "digital silence": np.zeros(num_samples),
        "noise of 1e-8": _FAINT * noise,
        "a full-scale square wave": np.where(
            _TONE_HZ * time_seconds % 1 < 0.5, 1.0, -1.0
        ),
        "noise": 0.1 * noise,
        "a sweep": np.linspace(0, 1, num_samples) * sweep,
    }
    return {name: w.astype(np.float32) for name, w in waveforms.items()}
