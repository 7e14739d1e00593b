"""The log-mel front end: the only definition of the features.

A log-mel spectrogram here is a pure function of one clip: there is no
normalization by the maximum of a clip or of a batch. The reference is
torchlibrosa as PANNs uses it, which equals librosa with the same settings.
"""

import dataclasses
import functools
import hashlib
import json
from collections.abc import Mapping

import numpy as np
import scipy.fft

from ofa_aec_tf.checks import json_kinds
from ofa_aec_tf.checks import settings
from ofa_aec_tf.checks.settings import setting

# Larger numbers in a file are damage.
_MAX_FREQUENCY_HZ = 1e9


@dataclasses.dataclass(frozen=True)
class FrontendConfig(settings.Settings):
    """Settings of the log-mel front end, with their units.

    Reference: PANNs (arXiv 1912.10211), section "feature extraction".

    Args:
        power_floor: float. Smallest mel power before the logarithm.
    """

    sample_rate_hz: int = setting(
        32000, "Rate that audio is resampled to.", above=0
    )
    window_samples: int = setting(
        1024, "Length of the Hann window and of the FFT.", above=0
    )
    hop_samples: int = setting(320, "Distance between two frames.", above=0)
    num_mel_bins: int = setting(64, "Slaney mel bands.", above=0)
    min_frequency_hz: float = setting(50.0, "Lower edge of the lowest band.")
    max_frequency_hz: float = setting(
        14000.0, "Upper edge of the highest band."
    )
    power_floor: float = 1e-10

    def __post_init__(self):
        super().__post_init__()
        if self.window_samples % 2:
            raise ValueError(
                "`window_samples` must be even, so that frames are centred. "
                f"Received: window_samples={self.window_samples}"
            )
        nyquist_hz = self.sample_rate_hz / 2
        if not 0 <= self.min_frequency_hz < self.max_frequency_hz <= nyquist_hz:
            raise ValueError(
                "Mel band edges must satisfy 0 <= min_frequency_hz < "
                f"max_frequency_hz <= {nyquist_hz} (half of sample_rate_hz). "
                f"Received: min_frequency_hz={self.min_frequency_hz}, "
                f"max_frequency_hz={self.max_frequency_hz}"
            )
        if self.power_floor <= 0:
            raise ValueError(
                "`power_floor` must be positive, because its logarithm is "
                f"taken. Received: power_floor={self.power_floor}"
            )

    def num_frames(self, num_samples):
        """Number of frames of a centred transform of `num_samples` samples."""
        return num_samples // self.hop_samples + 1

    def num_samples(self, clip_seconds):
        """Number of samples of a clip of `clip_seconds` seconds."""
        return round(clip_seconds * self.sample_rate_hz)

    @classmethod
    def from_json(cls, values):
        """The configuration that `to_json` described.

        Raises:
            ValueError: for a key that is unknown or missing.
        """
        expected = {field.name for field in dataclasses.fields(cls)}
        if set(values) != expected:
            raise ValueError(
                f"Front-end settings must have the keys {sorted(expected)}. "
                f"Received: {sorted(values)}"
            )
        return cls(**values)

    def digest(self):
        """Short hash that changes whenever the features would."""
        text = json.dumps(self.to_json(), sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:16]


def _hz_to_mel(frequency_hz):
    """Slaney's mel scale: linear below 1 kHz, logarithmic above."""
    frequency_hz = np.asarray(frequency_hz, np.float64)
    linear = frequency_hz * 3 / 200
    logarithmic = 15 + 27 * np.log(np.maximum(frequency_hz, 1) / 1000) / np.log(
        6.4
    )
    return np.where(frequency_hz < 1000, linear, logarithmic)


def _mel_to_hz(mel):
    mel = np.asarray(mel, np.float64)
    logarithmic = 1000 * np.exp((mel - 15) * np.log(6.4) / 27)
    return np.where(mel < 15, mel * 200 / 3, logarithmic)


@functools.lru_cache(maxsize=8)
def mel_filterbank(config):
    """Triangular Slaney mel filters, each of unit area.

    Args:
        config: FrontendConfig.

    Returns:
        float32 array of shape (window_samples // 2 + 1, num_mel_bins), not
        writeable because it is cached. Equal to `librosa.filters.mel(...).T`.
    """
    bin_frequencies_hz = np.fft.rfftfreq(
        config.window_samples, 1 / config.sample_rate_hz
    )
    edges_hz = _mel_to_hz(
        np.linspace(
            _hz_to_mel(config.min_frequency_hz),
            _hz_to_mel(config.max_frequency_hz),
            config.num_mel_bins + 2,
        )
    )
    lower, centre, upper = edges_hz[:-2], edges_hz[1:-1], edges_hz[2:]
    frequencies = bin_frequencies_hz[:, None]
    rising = (frequencies - lower) / (centre - lower)
    falling = (upper - frequencies) / (upper - centre)
    filters = np.maximum(0, np.minimum(rising, falling)) * 2 / (upper - lower)
    filters = filters.astype(np.float32)
    filters.setflags(write=False)
    return filters


@functools.lru_cache(maxsize=8)
def periodic_hann(window_samples, dtype="float32"):
    """The window, an array of `dtype` and of shape (window_samples,)."""
    # As scipy.signal.get_window has it to the bit, without the second that
    # every process of preprocessing would take to import that.
    phases = np.linspace(-np.pi, np.pi, window_samples + 1)[:-1]
    return (0.5 + 0.5 * np.cos(phases)).astype(dtype)


def log_mel_spectrogram(waveform, config):
    """Log-mel spectrogram of one mono clip.

    Args:
        waveform: float array of shape (num_samples,), at
            `config.sample_rate_hz`, full scale at 1.
        config: FrontendConfig.

    Returns:
        float32 array of shape (config.num_frames(num_samples), num_mel_bins),
        in dB relative to a power of 1.

    Raises:
        ValueError: if `waveform` is not one-dimensional, or too short for the
            reflection at its ends.
    """
    waveform = np.asarray(waveform, np.float32)
    half_window = config.window_samples // 2
    if waveform.ndim != 1 or waveform.size <= half_window:
        raise ValueError(
            "`waveform` must be one-dimensional and longer than half a window "
            f"({half_window} samples); pad it first. "
            f"Received: shape {waveform.shape}"
        )
    padded = np.pad(waveform, half_window, mode="reflect")
    frames = np.lib.stride_tricks.sliding_window_view(
        padded, config.window_samples
    )[:: config.hop_samples]
    spectrum = scipy.fft.rfft(
        frames * periodic_hann(config.window_samples), axis=-1
    )
    power = spectrum.real**2 + spectrum.imag**2
    mel_power = power @ mel_filterbank(config)
    return 10 * np.log10(np.maximum(mel_power, np.float32(config.power_floor)))


def is_frontend(value) -> bool:
    """Whether a JSON value has the fields of a FrontendConfig."""
    return isinstance(value, Mapping) and all(
        json_kinds.is_count(value.get(field.name))
        if field.type is int
        else json_kinds.is_number(value.get(field.name))
        and abs(value[field.name]) <= _MAX_FREQUENCY_HZ
        for field in dataclasses.fields(FrontendConfig)
    )
