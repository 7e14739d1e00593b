import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ofa_aec_tf.deployment import prediction
from ofa_aec_tf.frontend import FrontendConfig
from ofa_aec_tf.frontend import log_mel_spectrogram
from tests.deployment import small_models

FRONTEND = FrontendConfig()


def _windows(num_samples, window_samples):
    waveform = np.arange(1, num_samples + 1, dtype=np.float32)
    return list(prediction.split_into_windows(waveform, window_samples))


def test_windows_are_consecutive_and_the_last_is_padded():
    windows = _windows(10, 4)
    np.testing.assert_array_equal(
        windows, [[1, 2, 3, 4], [5, 6, 7, 8], [9, 10, 0, 0]]
    )


def test_last_window_of_less_than_half_is_dropped():
    np.testing.assert_array_equal(_windows(5, 4), [[1, 2, 3, 4]])


def test_only_window_is_kept_however_short():
    np.testing.assert_array_equal(_windows(1, 4), [[1, 0, 0, 0]])


@given(st.integers(1, 500), st.integers(1, 60))
def test_less_than_half_a_window_of_sound_is_left_out(num_samples, length):
    windows = _windows(num_samples, length)
    assert {len(window) for window in windows} == {length}
    kept = np.concatenate(windows)
    num_kept = np.count_nonzero(kept)
    np.testing.assert_array_equal(kept[:num_kept], np.arange(num_kept) + 1)
    if num_samples >= length:
        assert 2 * (num_samples - num_kept) < length
    else:
        assert num_kept == num_samples


def test_every_window_is_scored_on_its_own_features():
    rng = np.random.default_rng(0)
    # More windows than are scored at once, of 0.1 s.
    waveform = rng.normal(0, 0.1, 40 * 3200).astype(np.float32)
    batch_sizes = []

    def score(log_mel):
        batch_sizes.append(len(log_mel))
        return log_mel.mean(axis=(1, 2))[:, np.newaxis]

    scores = prediction.score_windows(waveform, score, FRONTEND, 0.1)
    expected = [
        log_mel_spectrogram(waveform[i : i + 3200], FRONTEND).mean()
        for i in range(0, len(waveform), 3200)
    ]
    np.testing.assert_allclose(scores[:, 0], expected, rtol=1e-6)
    assert len(batch_sizes) > 1 and sum(batch_sizes) == 40


def test_score_of_a_class_is_its_highest_over_the_windows():
    events = prediction.top_events(
        np.array([[0.1, 0.9, 0.2], [0.6, 0.3, 0.2]]),
        ("bark", "rain", "siren"),
        clip_seconds=2.5,
        top_k=2,
    )
    assert events == [
        prediction.Event("rain", 0.9, 0.0),
        prediction.Event("bark", 0.6, 2.5),
    ]


def test_equal_scores_keep_the_order_of_the_classes():
    events = prediction.top_events(np.full((1, 3), 0.5), tuple("abc"), 1.0, 9)
    assert [event.name for event in events] == ["a", "b", "c"]


def test_record_of_another_model_is_refused():
    with pytest.raises(ValueError, match="3 outputs, but .* names 2 classes"):
        prediction.top_events(np.zeros((1, 3)), ("a", "b"), 1.0, 2)


def test_scores_that_are_not_finite_are_refused():
    with pytest.raises(ValueError, match="1 of 2 scores that are not finite"):
        prediction.top_events(np.array([[0.5, np.nan]]), ("a", "b"), 1.0, 2)


def test_keras_and_tflite_files_give_the_same_scores(
    network, clips, exported, tmp_path
):
    network.save(tmp_path / "subnet.keras")
    content = exported["float32"].content
    (tmp_path / "subnet_float32.tflite").write_bytes(content)
    keras_scores, tflite_scores = (
        prediction.load_scorer(tmp_path / name)(clips[:3])
        for name in ("subnet.keras", "subnet_float32.tflite")
    )
    assert keras_scores.shape == (3, small_models.NUM_CLASSES)
    np.testing.assert_allclose(keras_scores, tflite_scores, atol=1e-5)


def test_other_kinds_of_files_are_refused(tmp_path):
    with pytest.raises(ValueError, match=".keras. or .*Received: .*net.onnx"):
        prediction.load_scorer(tmp_path / "net.onnx")
