"""Tests of the log-mel front end against librosa."""

import dataclasses

import librosa
import numpy as np
import pytest

from ofa_aec_tf.audio import frontend
from ofa_aec_tf.audio.frontend import FrontendConfig
from tests import esc10
from tests.audio import librosa_frontend


def _assert_equals_librosa(waveform, config):
    expected = librosa_frontend.log_mel_spectrogram(waveform, config)
    log_mel = frontend.log_mel_spectrogram(waveform, config)
    assert log_mel.dtype == np.float32
    assert log_mel.shape == expected.shape
    difference_db = np.abs(log_mel - expected)
    assert difference_db.max() <= 0.06
    audible = expected > -60
    assert difference_db[audible].max(initial=0) <= 5e-3


def _tone(frequency_hz):
    return 0.5 * np.sin(2 * np.pi * frequency_hz * np.arange(64000) / 32000)


@pytest.mark.parametrize(
    "waveform",
    [
        np.random.default_rng(0).uniform(-1, 1, 64000),
        1e-5 * np.random.default_rng(1).standard_normal(64000),
        _tone(1000),
        _tone(13900),
        np.eye(1, 64000, 32000)[0],
        np.pad(np.random.default_rng(2).uniform(-1, 1, 16000), (0, 48000)),
    ],
    ids=["noise", "faint noise", "tone", "high tone", "click", "padded"],
)
def test_log_mel_equals_librosa(waveform):
    _assert_equals_librosa(waveform.astype(np.float32), FrontendConfig())


def test_float32_shows_only_far_below_a_loud_low_tone():
    # 150 dB below the tone, the rounding of float32 samples is what remains.
    waveform = (_tone(60) + _tone(13900)).astype(np.float32)
    expected = librosa_frontend.log_mel_spectrogram(waveform, FrontendConfig())
    log_mel = frontend.log_mel_spectrogram(waveform, FrontendConfig())
    difference_db = np.abs(log_mel - expected)
    assert difference_db[expected > -60].max() <= 5e-3
    assert difference_db[expected > -85].max() <= 0.06
    assert difference_db.max() <= 0.2


@pytest.mark.parametrize(
    "config",
    [
        FrontendConfig(16000, 512, 160, 64, 50.0, 8000.0),
        FrontendConfig(22050, 1000, 441, 40, 0.0, 11025.0),
    ],
    ids=["16 kHz", "odd sizes"],
)
def test_other_settings_equal_librosa_too(config):
    waveform = np.random.default_rng(3).uniform(-1, 1, 30000)
    _assert_equals_librosa(waveform.astype(np.float32), config)


@esc10.needs_recordings
def test_log_mel_of_recordings_equals_librosa():
    for waveform in esc10.waveforms(step=40):
        _assert_equals_librosa(waveform, FrontendConfig())


@pytest.mark.parametrize(
    "config",
    [
        FrontendConfig(),
        FrontendConfig(16000, 512, 160, 40, 0.0, 8000.0),
        FrontendConfig(44100, 2048, 441, 128, 20.0, 22050.0),
    ],
)
def test_the_filterbank_equals_librosa(config):
    expected = librosa.filters.mel(
        sr=config.sample_rate_hz,
        n_fft=config.window_samples,
        n_mels=config.num_mel_bins,
        fmin=config.min_frequency_hz,
        fmax=config.max_frequency_hz,
        htk=False,
        norm="slaney",
        dtype=np.float64,
    )
    np.testing.assert_allclose(
        frontend.mel_filterbank(config), expected.T, atol=1e-8
    )


def test_ten_seconds_are_1001_frames_of_64_bands():
    log_mel = frontend.log_mel_spectrogram(np.zeros(320000), FrontendConfig())
    assert log_mel.shape == (1001, 64)


@pytest.mark.parametrize("num_samples", [319999, 320000, 320319, 320320])
def test_the_announced_number_of_frames_is_right(num_samples):
    config = FrontendConfig()
    log_mel = frontend.log_mel_spectrogram(np.zeros(num_samples), config)
    assert len(log_mel) == config.num_frames(num_samples)


def test_silence_is_at_the_floor():
    log_mel = frontend.log_mel_spectrogram(np.zeros(32000), FrontendConfig())
    np.testing.assert_allclose(log_mel, -100)


def test_a_ten_times_louder_clip_is_20_db_louder():
    # A normalization by the clip's own maximum would hide the level.
    waveform = np.random.default_rng(4).uniform(-0.1, 0.1, 32000)
    quiet = frontend.log_mel_spectrogram(waveform, FrontendConfig())
    loud = frontend.log_mel_spectrogram(10 * waveform, FrontendConfig())
    np.testing.assert_allclose(loud - quiet, 20, atol=1e-2)


def test_a_loud_clip_before_it_does_not_change_a_quiet_one():
    rng = np.random.default_rng(5)
    quiet = 1e-4 * rng.standard_normal(32000)
    alone = frontend.log_mel_spectrogram(quiet, FrontendConfig())
    frontend.log_mel_spectrogram(rng.standard_normal(32000), FrontendConfig())
    again = frontend.log_mel_spectrogram(quiet, FrontendConfig())
    np.testing.assert_array_equal(again, alone)


def test_a_loud_start_does_not_change_a_quiet_end():
    # A floor relative to the maximum of the clip would lift the quiet frames.
    rng = np.random.default_rng(6)
    quiet = 1e-4 * rng.standard_normal(64000)
    mixed = quiet.copy()
    mixed[:16000] = rng.standard_normal(16000)
    config = FrontendConfig()
    np.testing.assert_allclose(
        frontend.log_mel_spectrogram(mixed, config)[60:],
        frontend.log_mel_spectrogram(quiet, config)[60:],
        atol=1e-4,
    )


@pytest.mark.parametrize("shape", [(512,), (0,), (32000, 1)])
def test_what_is_not_a_clip_is_refused(shape):
    with pytest.raises(ValueError, match="one-dimensional and longer than"):
        frontend.log_mel_spectrogram(np.zeros(shape), FrontendConfig())


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"sample_rate_hz": 0}, "`sample_rate_hz` must be more than 0"),
        ({"hop_samples": -1}, "`hop_samples` must be more than 0"),
        ({"max_frequency_hz": 16001.0}, r"<= 16000\.0"),
        ({"min_frequency_hz": 14000.0}, "min_frequency_hz=14000"),
        ({"power_floor": 0.0}, "`power_floor` must be positive"),
    ],
)
def test_impossible_settings_are_refused(change, message):
    with pytest.raises(ValueError, match=message):
        FrontendConfig(**change)


def test_settings_survive_json():
    config = FrontendConfig(16000, 512, 160, 40, 0.0, 8000.0)
    assert FrontendConfig.from_json(config.to_json()) == config


def test_settings_with_a_missing_key_are_refused():
    values = FrontendConfig().to_json()
    del values["hop_samples"]
    with pytest.raises(ValueError, match="must have the keys"):
        FrontendConfig.from_json(values)


def test_the_digest_changes_with_every_setting():
    changes = {
        "sample_rate_hz": 44100,
        "window_samples": 512,
        "hop_samples": 500,
        "num_mel_bins": 128,
        "min_frequency_hz": 0.0,
        "max_frequency_hz": 16000.0,
        "power_floor": 1e-8,
    }
    config = FrontendConfig()
    digests = {
        dataclasses.replace(config, **{name: value}).digest()
        for name, value in changes.items()
    }
    assert len(digests | {config.digest()}) == 1 + len(changes)
