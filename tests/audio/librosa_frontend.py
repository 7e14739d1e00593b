"""The log-mel front end by librosa, in float64."""

import librosa
import numpy as np


def log_mel_spectrogram(waveform, config):
    """Independent reference of `frontend.log_mel_spectrogram`."""
    power = librosa.feature.melspectrogram(
        y=waveform.astype(np.float64),
        sr=config.sample_rate_hz,
        n_fft=config.window_samples,
        hop_length=config.hop_samples,
        window="hann",
        center=True,
        pad_mode="reflect",
        power=2.0,
        n_mels=config.num_mel_bins,
        fmin=config.min_frequency_hz,
        fmax=config.max_frequency_hz,
        htk=False,
        norm="slaney",
        dtype=np.float64,
    )
    return 10 * np.log10(np.maximum(power.T, config.power_floor))
