"""Tests of the front end in a graph against librosa."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from ofa_aec_tf.audio.frontend import FrontendConfig
from ofa_aec_tf.layers import LogMelSpectrogram
from tests import esc10
from tests.audio import librosa_frontend


def _log_mel(waveforms, layer):
    """Equal alone, in a batch and in a graph."""
    together = layer(tf.constant(waveforms)).numpy()
    assert together.dtype == np.float32
    assert together.shape == layer.compute_output_shape(waveforms.shape)
    in_graph = tf.function(layer)(tf.constant(waveforms))
    np.testing.assert_allclose(in_graph, together, atol=1e-4)
    for waveform, log_mel in zip(waveforms, together):
        alone = layer(tf.constant(waveform[None]))[0]
        # Matrix products of other sizes add up in another order.
        np.testing.assert_allclose(alone, log_mel, rtol=0, atol=1e-4)
    return together


def _assert_equals_librosa(waveforms, config):
    expected = np.stack(
        [librosa_frontend.log_mel_spectrogram(w, config) for w in waveforms]
    )
    double = _log_mel(waveforms, LogMelSpectrogram(config))
    np.testing.assert_allclose(double, expected, rtol=0, atol=1e-3)
    single = _log_mel(
        waveforms, LogMelSpectrogram(config, transform_dtype="float32")
    )
    difference_db = np.abs(single - expected)
    assert difference_db.max() <= 0.06
    assert difference_db[expected > -60].max(initial=0) <= 5e-3


@pytest.mark.parametrize(
    "config",
    [FrontendConfig(), FrontendConfig(22050, 1000, 441, 40, 0.0, 11025.0)],
    ids=["default", "odd sizes"],
)
def test_it_equals_librosa(config):
    rng = np.random.default_rng(0)
    noise = rng.uniform(-1, 1, (2, 16000))
    waveforms = np.stack(
        [*noise, 1e-5 * noise[0], np.zeros(16000), np.eye(1, 16000, 8000)[0]]
    )
    _assert_equals_librosa(waveforms.astype(np.float32), config)


@esc10.needs_recordings
def test_recordings_in_a_batch_of_eight():
    waveforms = esc10.waveforms(step=50)
    assert len(waveforms) == 8
    _assert_equals_librosa(waveforms, FrontendConfig())


def test_it_is_float32_under_any_policy():
    layer = LogMelSpectrogram(FrontendConfig(), dtype="mixed_bfloat16")
    assert layer(tf.zeros((1, 32000))).dtype == tf.float32


def test_a_model_with_it_survives_a_file(tmp_path):
    inputs = keras.Input((16000,))
    config = FrontendConfig(16000, 512, 160, 40, 20.0, 8000.0)
    model = keras.Model(inputs, LogMelSpectrogram(config, "float32")(inputs))
    assert model.output_shape == (None, 101, 40)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    noise = np.random.default_rng(0).uniform(-1, 1, (2, 16000))
    np.testing.assert_array_equal(loaded(noise), model(noise))
    assert loaded.layers[-1].config == config
    assert loaded.layers[-1].transform_dtype == "float32"


def test_a_transform_in_another_type_is_refused():
    with pytest.raises(ValueError, match="`transform_dtype` must be .*float16"):
        LogMelSpectrogram(FrontendConfig(), transform_dtype="float16")
