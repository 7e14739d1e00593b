"""Exported networks on recordings: silence, clipping and all."""

import os
import pathlib

import librosa
import numpy as np
import pytest

from ofa_aec_tf import audio
from ofa_aec_tf.deployment import sliding_windows
from ofa_aec_tf.deployment import waveform_exporter
from tests.deployment import small_models

CLIP_SECONDS = 5
NUM_CLIPS = 24


def _esc10_dir():
    default = pathlib.Path(__file__).parents[2] / "../shared/data/esc10"
    return pathlib.Path(os.environ.get("ESC10_DIR", default))


def recorded_waveforms(pattern="*.*", num_clips=None):
    """Recordings of ESC-10 as samples; at most so many, from all over it."""
    paths = sorted((_esc10_dir() / "audio").glob(pattern))
    if not paths:
        pytest.skip(f"no ESC-10 recordings in {_esc10_dir()}")
    if num_clips is not None:
        paths = paths[:: len(paths) // num_clips][:num_clips]
    rate_hz = small_models.FRONTEND.sample_rate_hz
    return np.stack(
        [
            audio.fit_length(
                audio.load_audio(path, rate_hz), CLIP_SECONDS * rate_hz
            )
            for path in paths
        ]
    )


@pytest.mark.real_audio
@pytest.mark.parametrize(
    ("mode", "min_snr_db"),
    [("float32", 80), ("float16", 50), ("dynamic_range", 25), ("int8", 20)],
)
def test_recordings_get_the_scores_of_the_keras_model(
    exported_for_recordings, mode, min_snr_db
):
    parity = exported_for_recordings[mode].parity
    assert parity.num_clips == NUM_CLIPS // 2
    assert parity.logit_snr_db > min_snr_db


@pytest.mark.real_audio
def test_the_front_end_in_a_file_equals_its_definition_on_recordings():
    waveforms = recorded_waveforms(num_clips=NUM_CLIPS)
    file = waveform_exporter.export_frontend(
        small_models.FRONTEND, waveforms.shape[1], num_latency_runs=3
    )
    received = file.exported.runner.predict(waveforms)
    # In float64, which the definition in float32 is as far from as the file.
    expected = np.stack([_librosa_log_mel(w) for w in waveforms])
    difference_db = np.abs(received - expected)
    assert difference_db[expected > -60].max() < 1e-3
    assert difference_db.max() < 0.02


@pytest.mark.real_audio
def test_only_pauses_in_recordings_are_silent():
    rate_hz = small_models.FRONTEND.sample_rate_hz
    num_silent = 0
    for waveform in recorded_waveforms(num_clips=100):
        seconds = waveform.reshape(CLIP_SECONDS, rate_hz)
        silent = np.array(
            [sliding_windows.is_silent(s, rate_hz, -70) for s in seconds]
        )
        # Each has an event in it, the quietest with a peak of -22 dBFS.
        assert not silent.all()
        levels = seconds.std(axis=1)
        assert all(levels[silent] < 2e-4)
        assert all(levels[~silent] > 1e-6)
        num_silent += silent.sum()
    # Zeros, with which recordings of less than 5 s were filled up, and more.
    assert 20 < num_silent < 100


def _librosa_log_mel(waveform):
    config = small_models.FRONTEND
    power = librosa.feature.melspectrogram(
        y=waveform.astype(np.float64),
        sr=config.sample_rate_hz,
        n_fft=config.window_samples,
        hop_length=config.hop_samples,
        n_mels=config.num_mel_bins,
        fmin=config.min_frequency_hz,
        fmax=config.max_frequency_hz,
        pad_mode="reflect",
    )
    return librosa.power_to_db(power, amin=config.power_floor, top_db=None).T
