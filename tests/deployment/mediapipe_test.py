"""Exported files in MediaPipe's AudioClassifier, which Android apps use."""

import dataclasses

import numpy as np
import pytest
import soxr

from ofa_aec_tf.deployment.export import waveform_export
from ofa_aec_tf.deployment.tflite import metadata
from tests import esc10
from tests.deployment import small_models

pytest.importorskip("mediapipe")
from mediapipe.tasks.python import BaseOptions  # noqa: E402
from mediapipe.tasks.python import audio  # noqa: E402
from mediapipe.tasks.python.components import containers  # noqa: E402

_RATE_HZ = 32_000
_WINDOW_SAMPLES = 32_000
_LABELS = small_models.METADATA.labels


def _events(num_samples, seed=0):
    """Noise with a burst of a tone in each quarter of a second."""
    rng = np.random.default_rng(seed)
    waveform = 0.01 * rng.standard_normal(num_samples)
    time_seconds = np.arange(num_samples) / _RATE_HZ
    for start in range(0, num_samples, _RATE_HZ // 4):
        stop = start + _RATE_HZ // 8
        tone_hz = rng.uniform(100, 5000)
        waveform[start:stop] += 0.3 * np.sin(
            2 * np.pi * tone_hz * time_seconds[start:stop]
        )
    return waveform.astype(np.float32)


def _options(path, **options):
    # A negative number gives all classes.
    return audio.AudioClassifierOptions(
        base_options=BaseOptions(model_asset_path=str(path)),
        max_results=-1,
        **options,
    )


def _scores(result):
    """Scores of one result, in the order of the classes."""
    (classifications,) = result.classifications
    by_name = {c.category_name: c.score for c in classifications.categories}
    assert len(by_name) == len(_LABELS)
    return np.array([by_name[label] for label in _LABELS])


def _classify(path, waveform, rate_hz=_RATE_HZ):
    """Times in milliseconds and scores of all windows."""
    with audio.AudioClassifier.create_from_options(_options(path)) as client:
        results = client.classify(
            containers.AudioData.create_from_array(waveform, rate_hz)
        )
    return [r.timestamp_ms for r in results], np.stack(
        [_scores(r) for r in results]
    )


def _padded_windows(waveform, window_samples=_WINDOW_SAMPLES):
    missing = -len(waveform) % window_samples
    return np.pad(waveform, (0, missing)).reshape(-1, window_samples)


@pytest.fixture(scope="module")
def paths(waveform_files, tmp_path_factory):
    directory = tmp_path_factory.mktemp("mediapipe")
    written = {}
    for mode, file in waveform_files.items():
        written[mode] = directory / f"{mode}.tflite"
        written[mode].write_bytes(file.content)
    return written


@pytest.mark.parametrize("mode", ["float32", "float16", "int8"])
@pytest.mark.parametrize(
    "num_samples",
    [_WINDOW_SAMPLES // 3, _WINDOW_SAMPLES, 2 * _WINDOW_SAMPLES + 9000],
    ids=["shorter", "equal", "longer"],
)
def test_clips_get_the_scores_of_litert(
    waveform_files, paths, mode, num_samples
):
    waveform = _events(num_samples)
    times_ms, scores = _classify(paths[mode], waveform)
    windows = _padded_windows(waveform)
    assert times_ms == [1000 * n for n in range(len(windows))]
    expected = waveform_files[mode].runner.predict(windows)
    np.testing.assert_allclose(scores, expected, rtol=0, atol=1e-3)


@pytest.mark.parametrize("rate_hz", [16_000, 44_100, 48_000])
def test_other_rates_are_resampled_by_the_client(
    waveform_files, paths, rate_hz
):
    waveform = _events(_WINDOW_SAMPLES)
    recorded = soxr.resample(waveform, _RATE_HZ, rate_hz, "VHQ")
    times_ms, scores = _classify(paths["float32"], recorded, rate_hz)
    assert times_ms[0] == 0
    # The resampler may begin a further window with what it had held back.
    assert len(times_ms) in (1, 2)
    back = soxr.resample(recorded, rate_hz, _RATE_HZ, "VHQ")
    expected = waveform_files["float32"].runner.predict(
        back[np.newaxis, :_WINDOW_SAMPLES]
    )[0]
    assert np.isfinite(scores).all()
    if rate_hz > _RATE_HZ:
        # Another resampler, all but the same.
        assert np.abs(scores[0] - expected).max() < 0.02
        assert scores[0].argmax() == expected.argmax()
    # From 16 kHz, what is above 8 kHz is up to the resampler, and this
    # untrained network hears it.


def test_a_stream_gets_a_result_for_each_full_window(waveform_files, paths):
    waveform = _events(3 * _WINDOW_SAMPLES + 5000)
    results = []
    options = _options(
        paths["int8"],
        running_mode=audio.RunningMode.AUDIO_STREAM,
        result_callback=lambda result, time_ms: results.append(
            (time_ms, _scores(result))
        ),
    )
    block_samples = 4000
    with audio.AudioClassifier.create_from_options(options) as client:
        for start in range(0, len(waveform), block_samples):
            client.classify_async(
                containers.AudioData.create_from_array(
                    waveform[start : start + block_samples], _RATE_HZ
                ),
                1000 * start // _RATE_HZ,
            )
    windows = _padded_windows(waveform)
    expected = waveform_files["int8"].runner.predict(windows)
    assert len(results) >= 3
    received = np.stack([scores for _, scores in results[:3]])
    np.testing.assert_allclose(received, expected[:3], rtol=0, atol=1e-3)


def test_scores_below_the_packed_thresholds_are_zero(waveform_files, tmp_path):
    waveform = _events(_WINDOW_SAMPLES)
    (expected,) = waveform_files["int8"].runner.predict(waveform[np.newaxis])
    thresholds = [float(score) * 0.99 for score in expected]
    thresholds[1] = float(expected[1]) * 1.01
    thresholds[2] = None
    content = metadata.attach(
        waveform_files["int8"].content,
        dataclasses.replace(
            small_models.METADATA, thresholds=tuple(thresholds)
        ),
    )
    path = tmp_path / "file.tflite"
    path.write_bytes(content)
    _, (scores,) = _classify(path, waveform)
    expected[[1, 2]] = 0
    np.testing.assert_allclose(scores, expected, rtol=1e-3, atol=1e-6)


def test_labels_are_those_of_the_file(paths):
    with audio.AudioClassifier.create_from_options(
        _options(paths["int8"])
    ) as client:
        (result,) = client.classify(
            containers.AudioData.create_from_array(
                _events(_WINDOW_SAMPLES), _RATE_HZ
            )
        )
    names = {c.category_name for c in result.classifications[0].categories}
    assert names == set(_LABELS)


def test_a_file_on_log_mel_spectrograms_is_not_for_it(exported, tmp_path):
    path = tmp_path / "log_mel.tflite"
    path.write_bytes(exported["int8"].content)
    with pytest.raises((ValueError, RuntimeError)):
        audio.AudioClassifier.create_from_options(_options(path))


@esc10.needs_recordings
@pytest.mark.parametrize("mode", ["float32", "int8"])
def test_recordings_of_fold_5_get_the_scores_of_litert(
    exported_for_recordings, tmp_path, mode
):
    waveforms = esc10.waveforms(pattern="5-*")
    frontend = waveform_export.export_frontend(
        small_models.FRONTEND, waveforms.shape[1], num_latency_runs=3
    )
    file = waveform_export.add_frontend(
        frontend,
        exported_for_recordings[mode],
        mode,
        small_models.METADATA,
        num_latency_runs=3,
    )
    path = tmp_path / "file.tflite"
    path.write_bytes(file.content)
    expected = file.runner.predict(waveforms)
    with audio.AudioClassifier.create_from_options(_options(path)) as client:
        for waveform, scores in zip(waveforms, expected):
            (result,) = client.classify(
                containers.AudioData.create_from_array(waveform, _RATE_HZ)
            )
            received = _scores(result)
            assert np.abs(received - scores).max() < 1e-3
            assert received.argmax() == scores.argmax()
