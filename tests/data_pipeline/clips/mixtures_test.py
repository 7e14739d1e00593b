"""Tests of mixing events over a background."""

import dataclasses
import itertools

import numpy as np
import pytest
import soundfile

from data_pipeline.clips import mixtures
from data_pipeline.clips import synthetic_events
from data_pipeline.clips.clip import ClipRow
from ofa_aec_tf.audio import AudioError

_RATE_HZ = 8000


def _mixture(events=(), background_dbfs=-30.0):
    return mixtures.Mixture(
        "m", "train", tuple(events), "pink", 5, background_dbfs
    )


def _event(path, **changes):
    event = mixtures.PlacedEvent(("dog",), str(path), 0, 3.0, 0.0, 0.0)
    return dataclasses.replace(event, **changes)


def _rms(waveform):
    return np.sqrt(np.mean(np.square(waveform, dtype=np.float64)))


def _tone_file(tmp_path, seconds=1.0, before_seconds=0.0):
    times = np.arange(round(seconds * _RATE_HZ)) / _RATE_HZ
    tone = 0.5 * np.cos(2 * np.pi * 440 * times)
    silence = np.zeros(round(before_seconds * _RATE_HZ))
    path = tmp_path / "tone.wav"
    soundfile.write(
        path, np.concatenate([silence, tone, silence]), _RATE_HZ, "FLOAT"
    )
    return path


def _background(num_samples=16000, **options):
    return _mixture(**options).render(_RATE_HZ, num_samples).waveform


def _heard(event, num_samples=16000):
    """What an event adds to the background."""
    with_event = _mixture([event]).render(_RATE_HZ, num_samples)
    return with_event.waveform - _background(num_samples)


def test_labels_are_those_of_all_events_once():
    events = [_event("a", labels=("rain", "dog")), _event("b")]
    assert _mixture(events).labels == ("dog", "rain")


def test_the_background_has_its_level():
    waveform = _background(background_dbfs=-30.0)
    assert 20 * np.log10(_rms(waveform)) == pytest.approx(-30, abs=0.01)


@pytest.mark.parametrize("snr_db", [-5.0, 0.0, 12.0])
def test_an_event_has_its_power_relative_to_the_background(tmp_path, snr_db):
    heard = _heard(_event(_tone_file(tmp_path), snr_db=snr_db))
    level_db = 20 * np.log10(_rms(heard[:8000]))
    assert level_db == pytest.approx(-30 + snr_db, abs=0.01)


@pytest.mark.parametrize(
    ("onset", "start"), [(0.0, 0), (0.5, 4000), (1.0, 8000)]
)
def test_the_onset_places_the_whole_event_inside(tmp_path, onset, start):
    heard = np.abs(_heard(_event(_tone_file(tmp_path), onset=onset))) > 1e-5
    places = np.flatnonzero(heard)
    assert places[0] == start
    assert 7900 <= places[-1] - start < 8000


def test_silence_around_a_recording_is_not_part_of_the_event(tmp_path):
    path = _tone_file(tmp_path, before_seconds=0.5)
    places = np.flatnonzero(np.abs(_heard(_event(path))) > 1e-5)
    assert places[0] == 0
    assert 7900 <= places[-1] < 8000


def test_a_long_event_is_cut(tmp_path):
    event = _event(_tone_file(tmp_path, seconds=2), max_seconds=0.5)
    places = np.flatnonzero(np.abs(_heard(event)) > 1e-5)
    assert 3900 <= places[-1] < 4000


def test_an_event_longer_than_the_clip_is_cut_to_it(tmp_path):
    event = _event(_tone_file(tmp_path, seconds=2), onset=0.7)
    assert _heard(event, num_samples=4000).shape == (4000,)


def test_loud_mixtures_stay_within_full_scale(tmp_path):
    event = _event(_tone_file(tmp_path), snr_db=40.0)
    waveform = _mixture([event]).render(_RATE_HZ, 16000).waveform
    assert np.abs(waveform).max() == pytest.approx(0.98, abs=1e-3)


def test_a_silent_recording_is_reported(tmp_path):
    path = tmp_path / "silent.wav"
    soundfile.write(path, np.zeros(8000), _RATE_HZ)
    with pytest.raises(AudioError, match=r"silent\.wav.*\(silent\)"):
        _mixture([_event(path)]).render(_RATE_HZ, 16000)


def test_an_event_starts_inside_its_recording(tmp_path):
    path = tmp_path / "steps.wav"
    steps = np.repeat([0.1, 0.2, 0.4], _RATE_HZ)
    soundfile.write(path, steps * np.tile([1, -1], 12000), _RATE_HZ, "FLOAT")
    # From the third second on all is as loud as its first sample.
    heard = _heard(_event(path, start_seconds=2.0, max_seconds=0.5))
    magnitude = np.abs(heard[:3900])
    np.testing.assert_allclose(magnitude, magnitude[0], rtol=1e-3)


def test_the_notes_are_those_on_the_recordings(tmp_path):
    low = tmp_path / "low.wav"
    loud = tmp_path / "loud.wav"
    soundfile.write(low, np.tile([0.5, -0.5], 2000), 4000, "FLOAT")
    soundfile.write(loud, np.tile([1.5, -1.5], 4000), _RATE_HZ, "FLOAT")
    events = [_event(low), _event(loud), _event(low)]
    rendered = _mixture(events).render(_RATE_HZ, 16000)
    assert rendered.notes == ("low_sample_rate", "over_full_scale")
    assert _mixture().render(_RATE_HZ, 16000).notes == ()


def test_rows_that_start_inside_a_file_are_events_from_there():
    row = ClipRow("dog", "dog.wav", ("dog",), "train", start_seconds=3.5)
    for mixture in mixtures.plan_from_rows([row], {"train": 3}, seed=0):
        assert [e.start_seconds for e in mixture.events] == [3.5]


def _power_hz(waveform, frequency_hz):
    """Power of a waveform within 20 Hz of a frequency, of all its power."""
    power = np.abs(np.fft.rfft(waveform)) ** 2
    frequencies = np.fft.rfftfreq(len(waveform), 1 / _RATE_HZ)
    return power[np.abs(frequencies - frequency_hz) < 20].sum() / power.sum()


# Which rows say what, beside where they start.
@pytest.mark.parametrize(
    ("hum", "alarm"),
    [
        ({}, {"start_seconds": 20.0}),
        ({"end_seconds": 2.0}, None),
        ({"recording": "long.wav"}, None),
    ],
    ids=["two rows of a file", "end", "recording"],
)
def test_an_event_is_sought_in_its_own_part_of_a_recording(
    tmp_path, hum, alarm
):
    times = np.arange(2 * _RATE_HZ) / _RATE_HZ
    samples = np.zeros(40 * _RATE_HZ)
    # 70 dB below the other: silence beside that.
    samples[: len(times)] = 3e-4 * np.sin(2 * np.pi * 200 * times)
    samples[20 * _RATE_HZ :][: len(times)] = 0.9 * np.sin(
        2 * np.pi * 3000 * times
    )
    path = tmp_path / "long.wav"
    soundfile.write(path, samples, _RATE_HZ, "FLOAT")
    rows = [ClipRow("hum", str(path), ("hum",), "train", **hum)]
    if alarm is not None:
        rows.append(ClipRow("alarm", str(path), ("alarm",), "train", **alarm))
    frequencies = {"hum": 200, "alarm": 3000}
    heard = set()
    for mixture in mixtures.plan_from_rows(rows, {"train": 20}, seed=0):
        for event in mixture.events:
            event = dataclasses.replace(event, snr_db=40.0, onset=0.0)
            (name,) = event.labels
            waveform = _heard(event, 5 * _RATE_HZ)[: _RATE_HZ // 2]
            assert _power_hz(waveform, frequencies[name]) > 0.9
            heard.add(name)
    assert heard == {row.clip_id for row in rows}


def test_a_part_ends_where_its_row_says(tmp_path):
    path = _tone_file(tmp_path, seconds=3.0)
    row = ClipRow(
        "a", str(path), ("dog",), "train", start_seconds=1.0, end_seconds=1.25
    )
    (mixture,) = mixtures.plan_from_rows([row], {"train": 1}, seed=0)
    event = dataclasses.replace(mixture.events[0], onset=0.0)
    places = np.flatnonzero(np.abs(_heard(event)) > 1e-5)
    assert 1950 <= places[-1] < 2000


def test_a_recording_of_one_row_is_searched_as_a_whole(tmp_path):
    path = _tone_file(tmp_path, before_seconds=10.0)
    row = ClipRow("a", str(path), ("dog",), "train")
    (mixture,) = mixtures.plan_from_rows([row], {"train": 1}, seed=0)
    assert np.abs(_heard(mixture.events[0])).max() > 1e-5


def test_a_synthetic_event_is_the_one_that_its_label_names():
    event = mixtures.PlacedEvent(("glass",), None, 7, 0.5, 0.0, 10.0)
    made = synthetic_events.make_event("glass", 7, _RATE_HZ)[:4000]
    heard = _heard(event)[:4000]
    assert np.corrcoef(heard, made)[0, 1] > 0.9999


def test_a_plan_is_a_function_of_seed_split_and_index():
    number = {"train": 5, "validation": 3}
    plan = mixtures.plan_synthetic(number, seed=1)
    assert plan == mixtures.plan_synthetic(number, seed=1)
    # More clips do not change those that were there.
    longer = mixtures.plan_synthetic({"train": 9, "validation": 3}, seed=1)
    assert set(plan) <= set(longer)
    contents = {
        (mixture.events, mixture.background_seed)
        for mixture in plan + mixtures.plan_synthetic(number, seed=2)
    }
    assert len(contents) == 16


def test_rendering_a_plan_twice_gives_the_same_samples():
    for mixture in mixtures.plan_synthetic({"test": 3}, seed=4):
        np.testing.assert_array_equal(
            mixture.render(_RATE_HZ, 8000).waveform,
            mixture.render(_RATE_HZ, 8000).waveform,
        )


def test_every_number_of_events_class_and_background_occurs():
    plan = mixtures.plan_synthetic({"train": 200}, seed=0)
    assert {len(mixture.events) for mixture in plan} == {1, 2, 3}
    # No class twice in a clip, so that labels count the events.
    assert all(len(m.labels) == len(m.events) for m in plan)
    labels = set(itertools.chain.from_iterable(m.labels for m in plan))
    assert labels == set(synthetic_events.EVENT_CLASSES)
    backgrounds = {mixture.background for mixture in plan}
    assert backgrounds == set(synthetic_events.BACKGROUNDS)


def test_levels_cover_the_range_and_no_more():
    plan = mixtures.plan_synthetic({"train": 200}, seed=0)
    snrs_db = [event.snr_db for m in plan for event in m.events]
    assert -5 <= min(snrs_db) < -4
    assert 14 < max(snrs_db) <= 15


def _rows():
    return [
        ClipRow(f"{name}{i}", f"{split}/{name}{i}.wav", (name,), split)
        for split in ("train", "validation", "test")
        for name in ("dog", "cat", "rain")
        for i in range(4)
    ]


def test_recordings_are_heard_in_their_own_split_only():
    plan = mixtures.plan_from_rows(
        _rows(), {"train": 40, "validation": 40, "test": 40}, seed=0
    )
    for mixture in plan:
        assert mixture.audio_paths
        for path in mixture.audio_paths:
            assert path.startswith(f"{mixture.split}/")


def test_mixtures_have_the_labels_of_their_recordings():
    labels_of_path = {row.path: row.labels for row in _rows()}
    for mixture in mixtures.plan_from_rows(_rows(), {"train": 40}, seed=0):
        expected = {n for p in mixture.audio_paths for n in labels_of_path[p]}
        assert set(mixture.labels) == expected


def test_the_order_of_the_rows_does_not_matter():
    plan = mixtures.plan_from_rows(_rows(), {"train": 40}, seed=0)
    backwards = mixtures.plan_from_rows(_rows()[::-1], {"train": 40}, seed=0)
    assert backwards == plan


def test_a_split_without_recordings_is_refused():
    rows = [row for row in _rows() if row.split != "test"]
    with pytest.raises(ValueError, match="'test'.*use --num_test=0"):
        mixtures.plan_from_rows(rows, {"train": 4, "test": 4}, seed=0)
    assert mixtures.plan_from_rows(rows, {"train": 4, "test": 0}, seed=0)
