"""Synthetic sound events: a corpus without recordings.

Every event has random parameters. The ranges of some classes overlap (a slow
siren and a whistle, a dense crackle and a hiss), so that small models do not
classify all of them correctly.
"""

from collections.abc import Callable

import numpy as np

# Filters and sweeps stay below this share of the sample rate.
_HIGHEST_FREQUENCY = 0.45
_FADE_SECONDS = 0.005


def _times(seconds: float, sample_rate_hz: int) -> np.ndarray:
    return np.arange(max(1, round(seconds * sample_rate_hz))) / sample_rate_hz


def _tone(frequency_hz: np.ndarray, sample_rate_hz: int) -> np.ndarray:
    """Sine of a frequency that changes over time."""
    limited = np.minimum(frequency_hz, _HIGHEST_FREQUENCY * sample_rate_hz)
    return np.sin(2 * np.pi * np.cumsum(limited) / sample_rate_hz)


def _steady_tone(frequency_hz, times, sample_rate_hz):
    return _tone(np.full(len(times), frequency_hz), sample_rate_hz)


def _band_noise(rng, num_samples, low_hz, high_hz, sample_rate_hz):
    # Importing it takes a second, which other sources need not wait for.
    import scipy.signal

    high_hz = min(high_hz, _HIGHEST_FREQUENCY * sample_rate_hz)
    sections = scipy.signal.butter(
        2,
        (min(low_hz, 0.8 * high_hz), high_hz),
        "bandpass",
        fs=sample_rate_hz,
        output="sos",
    )
    return scipy.signal.sosfilt(sections, rng.standard_normal(num_samples))


def _scatter(rng, num_samples, grains) -> np.ndarray:
    """Short sounds at random places."""
    waveform = np.zeros(num_samples)
    for grain in grains:
        start = rng.integers(num_samples)
        piece = grain[: num_samples - start]
        waveform[start : start + len(piece)] += piece
    return waveform


def _alarm(rng, sample_rate_hz):
    """Two tones in turn."""
    times = _times(rng.uniform(0.8, 2.5), sample_rate_hz)
    low_hz = rng.uniform(400, 1400)
    high_hz = low_hz * rng.uniform(1.15, 1.6)
    period_seconds = rng.uniform(0.2, 0.9)
    is_high = (times % period_seconds) < period_seconds / 2
    tone = _tone(np.where(is_high, high_hz, low_hz), sample_rate_hz)
    return np.tanh(rng.uniform(0.8, 4) * tone)


def _beeps(rng, sample_rate_hz):
    """One tone, on and off."""
    times = _times(rng.uniform(0.6, 2.5), sample_rate_hz)
    period_seconds = rng.uniform(0.12, 0.7)
    is_on = (times % period_seconds) < period_seconds * rng.uniform(0.3, 0.7)
    tone = _steady_tone(rng.uniform(600, 3500), times, sample_rate_hz)
    return np.tanh(rng.uniform(0.8, 3) * tone) * is_on


def _bird(rng, sample_rate_hz):
    """Chirps whose frequency warbles."""
    pieces = []
    centre_hz = rng.uniform(1800, 6000)
    for _ in range(rng.integers(2, 8)):
        times = _times(rng.uniform(0.05, 0.25), sample_rate_hz)
        share = times / times[-1]
        sweep_hz = centre_hz * (1 + rng.uniform(-0.35, 0.35) * share)
        warble = np.sin(2 * np.pi * rng.uniform(10, 60) * times)
        sweep_hz += centre_hz * rng.uniform(0.02, 0.15) * warble
        pieces.append(_tone(sweep_hz, sample_rate_hz) * np.sin(np.pi * share))
        pieces.append(np.zeros(round(rng.uniform(0.03, 0.2) * sample_rate_hz)))
    return np.concatenate(pieces)


def _bubbles(rng, sample_rate_hz):
    """Rising, decaying drops, as of running water."""
    seconds = rng.uniform(0.8, 2.5)
    grains = []
    for _ in range(round(seconds * rng.uniform(8, 45))):
        times = _times(rng.uniform(0.02, 0.09), sample_rate_hz)
        rise_hz = rng.uniform(300, 2200) * (1 + rng.uniform(2, 9) * times)
        decay = np.exp(-times * rng.uniform(40, 120))
        amplitude = rng.uniform(0.2, 1)
        grains.append(amplitude * _tone(rise_hz, sample_rate_hz) * decay)
    return _scatter(rng, round(seconds * sample_rate_hz), grains)


def _crackle(rng, sample_rate_hz):
    """Many clicks, as of a fire."""
    seconds = rng.uniform(0.8, 2.5)
    grains = []
    for _ in range(round(seconds * rng.uniform(10, 150))):
        times = _times(rng.uniform(0.002, 0.015), sample_rate_hz)
        decay = np.exp(-times * rng.uniform(300, 1500))
        noise = rng.standard_normal(len(times))
        grains.append(rng.pareto(1.5) * noise * decay)
    clicks = _scatter(rng, round(seconds * sample_rate_hz), grains)
    return np.tanh(clicks)


def _engine(rng, sample_rate_hz):
    """Harmonics of a low, wobbling frequency."""
    times = _times(rng.uniform(1, 3), sample_rate_hz)
    wobble = np.sin(2 * np.pi * rng.uniform(0.3, 6) * times)
    trend = 1 + rng.uniform(-0.3, 0.3) * times / times[-1]
    base_hz = rng.uniform(35, 140) * trend * (1 + 0.05 * wobble)
    waveform = np.zeros(len(times))
    for harmonic in range(1, rng.integers(8, 25)):
        amplitude = rng.uniform(0.3, 1) / harmonic ** rng.uniform(0.5, 1.1)
        waveform += amplitude * _tone(harmonic * base_hz, sample_rate_hz)
    rumble = _band_noise(rng, len(times), 60, 900, sample_rate_hz)
    return waveform + rng.uniform(0.1, 1) * rumble


def _glass(rng, sample_rate_hz):
    """Inharmonic partials that ring out."""
    times = _times(rng.uniform(0.4, 1.5), sample_rate_hz)
    base_hz = rng.uniform(900, 3200)
    waveform = np.zeros(len(times))
    for _ in range(rng.integers(4, 9)):
        frequency_hz = base_hz * rng.uniform(1, 4.5)
        decay = np.exp(-times * rng.uniform(4, 30))
        partial = _steady_tone(frequency_hz, times, sample_rate_hz)
        waveform += rng.uniform(0.2, 1) * partial * decay
    return waveform


def _hiss(rng, sample_rate_hz):
    """A burst of noise in a high band."""
    num_samples = len(_times(rng.uniform(0.3, 2.5), sample_rate_hz))
    low_hz = rng.uniform(1200, 5000)
    high_hz = low_hz * rng.uniform(1.4, 3)
    noise = _band_noise(rng, num_samples, low_hz, high_hz, sample_rate_hz)
    share = np.linspace(0, 1, num_samples)
    return noise * share ** rng.uniform(0, 1.5) * (1 - share) ** 0.3


def _knock(rng, sample_rate_hz):
    """A few dull strokes."""
    strokes = []
    period_seconds = rng.uniform(0.12, 0.45)
    frequency_hz = rng.uniform(90, 500)
    for _ in range(rng.integers(2, 7)):
        times = _times(period_seconds * rng.uniform(0.8, 1.2), sample_rate_hz)
        body = _steady_tone(frequency_hz, times, sample_rate_hz)
        click = rng.standard_normal(len(times)) * np.exp(-times * 400)
        stroke = body * np.exp(-times * rng.uniform(25, 60)) + click
        strokes.append(rng.uniform(0.5, 1) * stroke)
    return np.concatenate(strokes)


def _siren(rng, sample_rate_hz):
    """A tone that wails up and down."""
    times = _times(rng.uniform(1.2, 3), sample_rate_hz)
    low_hz = rng.uniform(400, 900)
    ratio = rng.uniform(1.4, 2.6)
    phase = rng.uniform() + times * rng.uniform(0.25, 2.5)
    wail = np.abs(2 * (phase % 1) - 1)
    tone = _tone(low_hz * ratio**wail, sample_rate_hz)
    return np.tanh(rng.uniform(0.8, 4) * tone)


def _whistle(rng, sample_rate_hz):
    """A breathy tone that glides."""
    times = _times(rng.uniform(0.4, 1.8), sample_rate_hz)
    glide = rng.uniform(0.7, 1.6) ** (times / times[-1])
    vibrato = 1 + 0.02 * np.sin(2 * np.pi * rng.uniform(3, 8) * times)
    frequency_hz = rng.uniform(700, 3000) * glide * vibrato
    breath = _band_noise(rng, len(times), 1000, 5000, sample_rate_hz)
    tone = _tone(frequency_hz, sample_rate_hz)
    return tone + rng.uniform(0.02, 0.4) * breath


_MAKERS: dict[str, Callable] = {
    "alarm": _alarm,
    "beeps": _beeps,
    "bird": _bird,
    "bubbles": _bubbles,
    "crackle": _crackle,
    "engine": _engine,
    "glass": _glass,
    "hiss": _hiss,
    "knock": _knock,
    "siren": _siren,
    "whistle": _whistle,
}

EVENT_CLASSES = tuple(_MAKERS)
BACKGROUNDS = ("pink", "brown", "hum")


def make_event(name: str, seed: int, sample_rate_hz: int) -> np.ndarray:
    """Makes one sound event.

    Args:
        name: str, one of `EVENT_CLASSES`.
        seed: int. Decides all random parameters.
        sample_rate_hz: int.

    Returns:
        float32 array of shape (num_samples,), between about 0.2 and 4
        seconds, with a peak of 1.
    """
    waveform = _MAKERS[name](np.random.default_rng(seed), sample_rate_hz)
    num_faded = min(round(_FADE_SECONDS * sample_rate_hz), len(waveform) // 2)
    fade = np.linspace(0, 1, num_faded, endpoint=False)
    waveform[:num_faded] *= fade
    waveform[len(waveform) - num_faded :] *= fade[::-1]
    return (waveform / np.abs(waveform).max()).astype(np.float32)


def _coloured_noise(rng, num_samples, exponent, sample_rate_hz):
    """Noise whose power falls with the frequency to the power `exponent`."""
    frequencies_hz = np.fft.rfftfreq(num_samples, 1 / sample_rate_hz)
    # Flat below 20 Hz, where it would take all the power unheard.
    slope = np.maximum(frequencies_hz, 20) ** (-exponent / 2)
    spectrum = np.fft.rfft(rng.standard_normal(num_samples)) * slope
    return np.fft.irfft(spectrum, num_samples)


def make_background(
    name: str, seed: int, sample_rate_hz: int, num_samples: int
) -> np.ndarray:
    """Makes a background.

    Args:
        name: str, one of `BACKGROUNDS`: pink noise, brown noise, or mains hum
            in pink noise.
        seed: int. Decides all random parameters.
        sample_rate_hz: int.
        num_samples: int.

    Returns:
        float32 array of shape (num_samples,), with a root mean square of 1.
    """
    rng = np.random.default_rng(seed)
    exponent = 2 if name == "brown" else 1
    waveform = _coloured_noise(rng, num_samples, exponent, sample_rate_hz)
    waveform /= np.sqrt(np.mean(np.square(waveform)))
    if name == "hum":
        times = np.arange(num_samples) / sample_rate_hz
        mains_hz = rng.choice((50.0, 60.0))
        for harmonic in range(1, 6):
            tone = _steady_tone(harmonic * mains_hz, times, sample_rate_hz)
            waveform += rng.uniform(0.2, 1) * tone
        waveform /= np.sqrt(np.mean(np.square(waveform)))
    return waveform.astype(np.float32)
