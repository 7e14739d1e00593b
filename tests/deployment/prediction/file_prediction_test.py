import tracemalloc

import numpy as np
import pytest
import soundfile

from ofa_aec_tf import audio
from ofa_aec_tf.audio.frontend import FrontendConfig
from ofa_aec_tf.audio.frontend import log_mel_spectrogram
from ofa_aec_tf.deployment.prediction import file_prediction
from ofa_aec_tf.deployment.prediction.events import Event
from ofa_aec_tf.deployment.prediction.events import EventSelector
from ofa_aec_tf.deployment.prediction.scorers import Scorer

FRONTEND = FrontendConfig()
RATE_HZ = FRONTEND.sample_rate_hz
NAMES = ("peak", "mean")
DEFAULT_DBFS = -70.0


def _levels(waveforms):
    """Scores that can be computed by hand."""
    return np.stack(
        [np.abs(waveforms).max(axis=1), np.abs(waveforms).mean(axis=1)], axis=1
    )


def _waveform_scorer(window_samples, rate_hz=RATE_HZ):
    return Scorer(_levels, window_samples, rate_hz)


def _score(waveform, scorer, hop_samples, silence_dbfs=DEFAULT_DBFS):
    return list(
        file_prediction.score_windows(
            np.array_split(waveform, 7), scorer, hop_samples, silence_dbfs
        )
    )


def test_every_window_is_scored_on_its_own_features():
    rng = np.random.default_rng(0)
    # More windows than are scored at once, of 0.1 s.
    waveform = rng.normal(0, 0.1, 40 * 3200).astype(np.float32)
    batch_sizes = []

    def score(log_mel):
        batch_sizes.append(len(log_mel))
        return log_mel.mean(axis=(1, 2))[:, np.newaxis]

    scored = _score(waveform, Scorer(score, 3200, RATE_HZ, FRONTEND), 3200)
    expected = [
        log_mel_spectrogram(waveform[i : i + 3200], FRONTEND).mean()
        for i in range(0, len(waveform), 3200)
    ]
    np.testing.assert_allclose([w.scores[0] for w in scored], expected, 1e-6)
    assert len(batch_sizes) > 1 and sum(batch_sizes) == 40


def test_windows_have_exact_times_and_the_last_is_padded_with_zeros():
    waveform = np.full(10, 0.5, np.float32) * (-1.0) ** np.arange(10)
    scored = _score(waveform, _waveform_scorer(4, rate_hz=8), 2)
    assert [(w.start_seconds, w.end_seconds) for w in scored] == [
        (0.0, 0.5),
        (0.25, 0.75),
        (0.5, 1.0),
        (0.75, 1.25),
    ]
    assert [w.scores.tolist() for w in scored] == [[0.5, 0.5]] * 4
    scored = _score(waveform, _waveform_scorer(6, rate_hz=8), 6)
    assert (scored[1].start_seconds, scored[1].end_seconds) == (0.75, 1.25)
    np.testing.assert_allclose(scored[1].scores, [0.5, 0.5 * 4 / 6])


def test_silent_windows_are_not_scored_and_keep_their_place():
    rng = np.random.default_rng(0)
    loud = rng.uniform(-0.5, 0.5, 3200)
    faint = 1e-5 * loud
    waveform = np.concatenate(
        [loud, np.zeros(3200), 0.1 + faint, 0.01 * loud, faint]
    ).astype(np.float32)
    scored = _score(waveform, _waveform_scorer(3200), 3200)
    assert [w.scores is None for w in scored] == [
        False,
        True,
        True,
        False,
        True,
    ]
    np.testing.assert_allclose(
        scored[3].scores, 0.01 * scored[0].scores, rtol=1e-4
    )
    everything = _score(waveform, _waveform_scorer(3200), 3200, -np.inf)
    assert all(w.scores is not None for w in everything)


def _write(path, waveform, rate_hz=RATE_HZ):
    soundfile.write(path, waveform, rate_hz, "FLOAT")
    return path


def _predict(path, scorer, hop_samples, selector=None, **options):
    return file_prediction.predict_file(
        path,
        scorer,
        selector or EventSelector(NAMES),
        hop_samples,
        DEFAULT_DBFS,
        **options,
    )


def test_score_of_a_class_is_its_highest_over_the_windows(tmp_path):
    waveform = np.full(5 * 3200, 0.1, np.float32) * (-1) ** np.arange(16000)
    # The highest peak in the second window, the highest mean in the fourth.
    waveform[4000] = 0.9
    waveform[3 * 3200 : 4 * 3200] *= 3
    path = _write(tmp_path / "a.wav", waveform)
    windows = []
    found = _predict(
        path, _waveform_scorer(3200), 3200, on_window=windows.append
    )
    assert (found.num_windows, found.num_silent_windows) == (5, 0)
    assert found.path == str(path)
    peak, mean = found.events
    assert (peak.name, peak.start_seconds, peak.end_seconds) == (
        "peak",
        0.1,
        0.2,
    )
    assert (mean.name, mean.start_seconds, mean.end_seconds) == (
        "mean",
        3 * 3200 / RATE_HZ,
        0.4,
    )
    assert peak.score == pytest.approx(0.9)
    assert mean.score == pytest.approx(0.3)
    assert [w.start_seconds for w in windows] == [
        number * 3200 / RATE_HZ for number in range(5)
    ]
    assert windows[1].events[0] == peak


def test_of_equal_windows_the_first_is_named(tmp_path):
    waveform = np.tile(np.float32([0.5, -0.5]), 8000)
    path = _write(tmp_path / "a.wav", waveform)
    found = _predict(path, _waveform_scorer(3200), 1600)
    assert found.num_windows == 9
    assert {event.start_seconds for event in found.events} == {0.0}


@pytest.mark.parametrize("rate_hz", [8000, 32000, 44100])
@pytest.mark.parametrize("offset", [0.0, 0.25], ids=["zeros", "offset"])
def test_a_silent_file_answers_nothing(tmp_path, rate_hz, offset):
    path = _write(tmp_path / "a.wav", np.full(2 * rate_hz, offset), rate_hz)
    found = _predict(path, _waveform_scorer(RATE_HZ), RATE_HZ, None)
    assert (found.num_windows, found.num_silent_windows) == (2, 2)
    assert list(found.events) == []


def test_events_below_their_thresholds_are_left_out_by_window_and_file(
    tmp_path,
):
    waveform = np.tile(np.float32([0.2, -0.2]), 3200)
    waveform[:3200] *= 2
    path = _write(tmp_path / "a.wav", waveform)
    selector = EventSelector(NAMES, [0.3, None])
    windows = []
    found = _predict(
        path, _waveform_scorer(3200), 3200, selector, on_window=windows.append
    )
    score = float(np.float32(0.4))
    assert list(found.events) == [Event("peak", score, 0.0, 0.1)]
    assert [len(window.events) for window in windows] == [1, 0]
    assert not windows[1].is_silent


def test_of_a_file_that_is_broken_at_its_end_the_windows_come(tmp_path):
    waveform = np.full(40 * RATE_HZ, 0.1, np.float32)
    waveform[-1] = np.nan
    path = _write(tmp_path / "a.wav", waveform)
    windows = []
    with pytest.raises(audio.AudioError, match="non_finite"):
        _predict(
            path, _waveform_scorer(RATE_HZ), RATE_HZ, on_window=windows.append
        )
    assert len(windows) >= 16


def _write_long(path, seconds, rate_hz):
    """A sound of many windows, written in parts."""
    rng = np.random.default_rng(0)
    with soundfile.SoundFile(path, "w", rate_hz, 1, "PCM_16") as file:
        for second in range(seconds):
            level = 0.1 + 0.8 * (second * 7 % 60) / 60
            file.write(level * rng.uniform(-1, 1, rate_hz))
    return path


def test_a_long_file_is_scored_as_if_it_were_read_at_once(tmp_path):
    path = _write_long(tmp_path / "a.wav", 90, 44100)
    window_samples, hop_samples = 80000, 24000
    whole = audio.load_audio(path, RATE_HZ)
    assert len(whole) == 90 * RATE_HZ
    windows = []
    found = _predict(
        path,
        _waveform_scorer(window_samples),
        hop_samples,
        on_window=windows.append,
    )
    starts = range(0, len(whole) - (window_samples - hop_samples), hop_samples)
    pieces = [whole[i : i + window_samples] for i in starts]
    assert found.num_windows == len(pieces) == 118
    for window, start, piece in zip(windows, starts, pieces):
        assert window.start_seconds == start / RATE_HZ
        assert window.end_seconds == (start + len(piece)) / RATE_HZ
        scores = {event.name: event.score for event in window.events}
        padded = np.pad(piece, (0, window_samples - len(piece)))
        assert scores["peak"] == np.abs(piece).max()
        assert scores["mean"] == pytest.approx(np.abs(padded).mean(), rel=1e-5)
    assert found.events[0].score == np.abs(whole).max()


def test_memory_does_not_grow_with_the_file(tmp_path):
    scorer = _waveform_scorer(RATE_HZ)
    peaks = []
    for seconds in (100, 400):
        path = _write_long(tmp_path / f"{seconds}.wav", seconds, RATE_HZ)
        tracemalloc.start()
        assert _predict(path, scorer, RATE_HZ).num_windows == seconds
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        peaks.append(peak)
    # The waveform alone is of 51 MB in the longer file.
    assert peaks[1] < 1.2 * peaks[0] < 40e6
