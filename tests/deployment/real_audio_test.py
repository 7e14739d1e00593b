"""Exported networks on recordings: silence, clipping and all."""

import numpy as np
import pytest

from ofa_aec_tf.deployment.export import waveform_export
from ofa_aec_tf.deployment.prediction import sliding_windows
from tests import esc10
from tests.audio import librosa_frontend
from tests.deployment import small_models

NUM_CLIPS = 24


@esc10.needs_recordings
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


@esc10.needs_recordings
def test_the_front_end_in_a_file_equals_its_definition_on_recordings():
    waveforms = esc10.waveforms(step=17)
    file = waveform_export.export_frontend(
        small_models.FRONTEND, waveforms.shape[1], num_latency_runs=3
    )
    received = file.exported.runner.predict(waveforms)
    # In float64, which the definition in float32 is as far from as the file.
    expected = np.stack(
        [
            librosa_frontend.log_mel_spectrogram(w, small_models.FRONTEND)
            for w in waveforms
        ]
    )
    difference_db = np.abs(received - expected)
    assert difference_db[expected > -60].max() < 1e-3
    assert difference_db.max() < 0.02


@esc10.needs_recordings
def test_only_pauses_in_recordings_are_silent():
    rate_hz = small_models.FRONTEND.sample_rate_hz
    num_silent = 0
    for waveform in esc10.waveforms(step=4):
        seconds = waveform.reshape(esc10.CLIP_SECONDS, rate_hz)
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
