"""Tests of the front end in a graph against the definition in NumPy."""

import os
import pathlib

import keras
import numpy as np
import pytest
import tensorflow as tf

from ofa_aec_tf import audio
from ofa_aec_tf import frontend
from ofa_aec_tf.frontend import FrontendConfig
from ofa_aec_tf.layers import LogMelSpectrogram

_ESC10_DIR = pathlib.Path(
    os.environ.get(
        "ESC10_DIR",
        pathlib.Path(__file__).resolve().parents[3] / "shared/data/esc10",
    )
)


def _assert_equals_definition(waveforms, config):
    """Alone, in a batch and in a graph."""
    layer = LogMelSpectrogram(config)
    together = layer(tf.constant(waveforms)).numpy()
    assert together.dtype == np.float32
    assert together.shape == layer.compute_output_shape(waveforms.shape)
    in_graph = tf.function(layer)(tf.constant(waveforms))
    np.testing.assert_allclose(in_graph, together, atol=1e-4)
    for waveform, log_mel in zip(waveforms, together):
        alone = layer(tf.constant(waveform[None]))[0]
        np.testing.assert_array_equal(alone, log_mel)
        expected = frontend.log_mel_spectrogram(waveform, config)
        difference_db = np.abs(log_mel - expected)
        assert difference_db.max() <= 0.06
        assert difference_db[expected > -60].max(initial=0) <= 5e-3


@pytest.mark.parametrize(
    "config",
    [FrontendConfig(), FrontendConfig(22050, 1000, 441, 40, 0.0, 11025.0)],
    ids=["default", "odd sizes"],
)
def test_it_equals_the_definition(config):
    rng = np.random.default_rng(0)
    noise = rng.uniform(-1, 1, (2, 16000))
    waveforms = np.stack(
        [*noise, 1e-5 * noise[0], np.zeros(16000), np.eye(1, 16000, 8000)[0]]
    )
    _assert_equals_definition(waveforms.astype(np.float32), config)


@pytest.mark.real_audio
@pytest.mark.skipif(
    not _ESC10_DIR.is_dir(), reason="ESC-10 is not here; set ESC10_DIR"
)
def test_recordings_in_a_batch_of_eight():
    paths = sorted((_ESC10_DIR / "audio").iterdir())[::50]
    waveforms = np.stack(
        [
            audio.fit_length(audio.load_audio(path, 32000, 5), 160_000)
            for path in paths
        ]
    )
    assert len(waveforms) == 8
    _assert_equals_definition(waveforms, FrontendConfig())


def test_it_is_float32_under_any_policy():
    layer = LogMelSpectrogram(FrontendConfig(), dtype="mixed_bfloat16")
    assert layer(tf.zeros((1, 32000))).dtype == tf.float32


def test_a_model_with_it_survives_a_file(tmp_path):
    inputs = keras.Input((16000,))
    config = FrontendConfig(16000, 512, 160, 40, 20.0, 8000.0)
    model = keras.Model(inputs, LogMelSpectrogram(config)(inputs))
    assert model.output_shape == (None, 101, 40)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    noise = np.random.default_rng(0).uniform(-1, 1, (2, 16000))
    np.testing.assert_array_equal(loaded(noise), model(noise))
    assert loaded.layers[-1].config == config
