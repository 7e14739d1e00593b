import numpy as np
import pytest

from ofa_aec_tf.audio.frontend import FrontendConfig
from ofa_aec_tf.audio.frontend import log_mel_spectrogram
from ofa_aec_tf.deployment.prediction import scorers
from tests.deployment import small_models

FRONTEND = FrontendConfig()
CLIP_SECONDS = 1.0
NUM_CLASSES = small_models.NUM_CLASSES


def _load(path, clip_seconds=CLIP_SECONDS, num_classes=NUM_CLASSES):
    return scorers.load_scorer(path, FRONTEND, clip_seconds, num_classes)


def _waveforms(count, num_samples):
    rng = np.random.default_rng(0)
    levels = np.geomspace(1e-3, 0.3, count)[:, np.newaxis]
    noise = rng.normal(0, 1, (count, num_samples))
    return (levels * noise).astype(np.float32)


@pytest.fixture(scope="module")
def float32_path(exported, tmp_path_factory):
    path = tmp_path_factory.mktemp("scorers") / "subnet_float32.tflite"
    path.write_bytes(exported["float32"].content)
    return path


def test_keras_and_tflite_files_give_the_scores_of_the_network(
    network, float32_path, tmp_path
):
    network.save(tmp_path / "subnet.keras")
    waveforms = _waveforms(3, 32000)
    log_mel = np.stack([log_mel_spectrogram(w, FRONTEND) for w in waveforms])
    expected = network.predict(log_mel, verbose=0)
    assert expected.shape == (3, NUM_CLASSES)
    for path in (tmp_path / "subnet.keras", float32_path):
        scorer = _load(path)
        assert scorer.num_frames == 101
        assert scorer.window_samples == 32000
        assert scorer.window_seconds == 1.0
        np.testing.assert_allclose(
            scorer.score(list(waveforms)), expected, atol=1e-5
        )
        np.testing.assert_allclose(
            scorer.score_log_mel(log_mel), expected, atol=1e-5
        )


def test_the_length_of_a_waveform_model_is_its_own(waveform_model, tmp_path):
    model, content = waveform_model
    (tmp_path / "waveform.tflite").write_bytes(content)
    # The record speaks of clips of 1 s, the model of 0.5 s.
    scorer = _load(tmp_path / "waveform.tflite")
    assert scorer.num_frames is None
    assert (scorer.window_samples, scorer.window_seconds) == (16000, 0.5)
    waveforms = _waveforms(4, 16000)
    expected = model.predict(waveforms, verbose=0)
    assert np.ptp(expected, axis=0).min() > 1e-3
    np.testing.assert_allclose(
        scorer.score(list(waveforms)), expected, atol=1e-4
    )
    with pytest.raises(ValueError, match="takes waveforms"):
        scorer.score_log_mel(np.zeros((1, 51, 64), np.float32))


def test_a_file_may_be_exported_for_shorter_windows_than_the_clips(
    float32_path,
):
    scorer = _load(float32_path, clip_seconds=2.0)
    # 101 frames, of which the first and the last are half outside.
    assert (scorer.window_samples, scorer.num_frames) == (32000, 101)


def test_exported_files_give_the_same_scores_with_and_without_front_end(
    waveform_files, float32_path, tmp_path
):
    path = tmp_path / "subnet_float32.tflite"
    path.write_bytes(waveform_files["float32"].content)
    scorer = _load(path)
    assert (scorer.window_samples, scorer.num_frames) == (32000, None)
    waveforms = list(_waveforms(3, 32000))
    np.testing.assert_allclose(
        scorer.score(waveforms), _load(float32_path).score(waveforms), atol=1e-5
    )


def test_other_kinds_of_files_are_refused(tmp_path):
    with pytest.raises(ValueError, match=".keras. or .*Received: .*net.onnx"):
        _load(tmp_path / "net.onnx")


def test_record_of_another_model_is_refused(network, float32_path, tmp_path):
    with pytest.raises(ValueError, match="10 outputs, but .* names 2 classes"):
        _load(float32_path, num_classes=2)
    network.save(tmp_path / "subnet.keras")
    with pytest.raises(ValueError, match="10 outputs, but .* names 3 classes"):
        _load(tmp_path / "subnet.keras", num_classes=3)
    frontend = FrontendConfig(num_mel_bins=32)
    with pytest.raises(ValueError, match=r"of 32 bands.* takes \(101, 64\)"):
        scorers.load_scorer(float32_path, frontend, 1.0, NUM_CLASSES)


def test_scores_that_are_not_finite_are_refused():
    scorer = scorers.Scorer(lambda w: w[:, :2] * np.nan, 4, 32000)
    with pytest.raises(ValueError, match="4 of 4 scores that are not finite"):
        scorer.score(np.ones((2, 4), np.float32))
