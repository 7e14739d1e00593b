"""Exported files that take samples, against NumPy and the Keras model."""

import dataclasses

import numpy as np
import pytest

from ofa_aec_tf.audio.frontend import FrontendConfig
from ofa_aec_tf.audio.frontend import log_mel_spectrogram
from ofa_aec_tf.deployment.export import output_directory
from ofa_aec_tf.deployment.export import waveform_export
from ofa_aec_tf.deployment.tflite import converter
from ofa_aec_tf.deployment.tflite import probe_waveforms
from tests.deployment import small_models

_NUM_SAMPLES = 32_000


@pytest.fixture(scope="module")
def noises():
    """Noises of many levels."""
    rng = np.random.default_rng(5)
    levels = np.geomspace(1e-4, 0.5, 6)[:, np.newaxis]
    return (levels * rng.standard_normal((6, _NUM_SAMPLES))).astype(np.float32)


def test_front_end_equals_its_definition(frontend_file, noises):
    received = frontend_file.exported.runner.predict(noises)
    expected = [log_mel_spectrogram(n, frontend_file.config) for n in noises]
    assert received.shape == (6, small_models.NUM_FRAMES, 64)
    np.testing.assert_allclose(received, expected, rtol=0, atol=1e-3)
    assert 0 < frontend_file.max_difference_db < 1e-3


def test_float32_file_equals_definition_and_keras_model(
    network, waveform_files, noises
):
    log_mel = np.stack(
        [log_mel_spectrogram(n, FrontendConfig()) for n in noises]
    )
    expected = network.predict(log_mel, verbose=0)
    np.testing.assert_allclose(
        waveform_files["float32"].runner.predict(noises), expected, atol=1e-5
    )


@pytest.mark.parametrize("mode", converter.QUANTIZATION_MODES)
def test_scores_are_those_of_the_parts_to_the_last_bit(
    exported, frontend_file, waveform_files, noises, mode
):
    log_mel = frontend_file.exported.runner.predict(noises)
    np.testing.assert_array_equal(
        waveform_files[mode].runner.predict(noises),
        exported[mode].runner.predict(log_mel),
    )


@pytest.mark.parametrize("mode", converter.QUANTIZATION_MODES)
def test_files_suit_old_runtimes_and_the_front_end_stays_float(
    waveform_files, mode
):
    summary = waveform_files[mode].summary
    assert summary.min_runtime_version == "2.5.0"
    for operator in ("RFFT2D", "LOG", "MIRROR_PAD", "SQUARE"):
        assert summary.activation_dtypes[operator] == ("float32",)
    assert [t.name for t in summary.inputs] == ["waveform"]
    assert [t.name for t in summary.outputs] == ["scores"]


def test_keys_of_the_files_of_a_model(exported, frontend_file):
    networks = [(mode, exported[mode]) for mode in ("float32", "int8")]
    files = dict(
        waveform_export.export_files(
            networks,
            frontend_file,
            small_models.METADATA,
            waveform_modes=["float32", "int8"],
            log_mel_modes=["int8"],
        )
    )
    assert list(files) == ["float32", "log_mel_int8", "int8", "frontend"]
    names = [output_directory.file_name("subnet", key) for key in files]
    assert names == [
        "subnet_float32.tflite",
        "subnet_log_mel_int8.tflite",
        "subnet_int8.tflite",
        "frontend.tflite",
    ]
    assert files["log_mel_int8"] is exported["int8"]
    assert files["int8"].runner.input_shape == (1, _NUM_SAMPLES)
    report = files["frontend"].report("frontend.tflite")
    assert report["parity"] is None and "metrics" not in report


def test_a_window_that_tflite_cannot_transform_is_refused():
    config = FrontendConfig(22050, 1000, 441, 40, 0.0, 11025.0)
    assert not waveform_export.has_frontend(config)
    with pytest.raises(ValueError, match="power of two.*=1000"):
        waveform_export.export_frontend(config, 22050)


def test_other_settings_of_the_front_end():
    config = FrontendConfig(16000, 512, 160, 40, 20.0, 8000.0)
    file = waveform_export.export_frontend(config, 8000, num_latency_runs=3)
    noise = np.random.default_rng(0).uniform(-1, 1, 8000).astype(np.float32)
    np.testing.assert_allclose(
        file.exported.runner.predict(noise[np.newaxis])[0],
        log_mel_spectrogram(noise, config),
        atol=1e-3,
    )


def test_a_difference_on_one_band_is_seen(frontend_file, monkeypatch):
    monkeypatch.setattr(
        waveform_export,
        "log_mel_spectrogram",
        lambda waveform, config: log_mel_spectrogram(
            waveform, dataclasses.replace(config, max_frequency_hz=13990.0)
        ),
    )
    with pytest.raises(ValueError, match=r"within 0\.001 dB"):
        waveform_export.export_frontend(
            frontend_file.config, _NUM_SAMPLES, num_latency_runs=3
        )


def test_probes_are_what_their_names_say():
    probes = probe_waveforms.probes(16000, 16000)
    assert all(
        p.shape == (16000,) and p.dtype == np.float32 for p in probes.values()
    )
    assert not probes["digital silence"].any()
    assert set(np.abs(probes["a full-scale square wave"])) == {1.0}
    assert 1e-9 < np.abs(probes["noise of 1e-8"]).max() < 1e-7
    assert 0.09 < probes["noise"].std() < 0.11
