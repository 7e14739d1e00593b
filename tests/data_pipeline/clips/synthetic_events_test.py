"""Tests of the generated sound events."""

import numpy as np
import pytest

from data_pipeline.clips import synthetic_events


def _spectrum(waveform, sample_rate_hz):
    power = np.abs(np.fft.rfft(waveform.astype(np.float64))) ** 2
    return np.fft.rfftfreq(len(waveform), 1 / sample_rate_hz), power


@pytest.mark.parametrize("sample_rate_hz", [8000, 32000])
@pytest.mark.parametrize("name", synthetic_events.EVENT_CLASSES)
def test_events_are_sound_at_full_scale(name, sample_rate_hz):
    for seed in range(10):
        event = synthetic_events.make_event(name, seed, sample_rate_hz)
        assert event.dtype == np.float32
        assert 0.2 <= len(event) / sample_rate_hz <= 4
        assert np.abs(event).max() == pytest.approx(1)
        # Clicks aside, an event that is nearly all silence is not one.
        assert np.mean(np.square(event)) > 1e-4
        # Cut edges would click, which tells nothing about the class.
        assert abs(event[0]) < 0.05 and abs(event[-1]) < 0.05


@pytest.mark.parametrize("name", synthetic_events.EVENT_CLASSES)
def test_the_seed_decides_an_event(name):
    first = synthetic_events.make_event(name, 1, 16000)
    again = synthetic_events.make_event(name, 1, 16000)
    other = synthetic_events.make_event(name, 2, 16000)
    np.testing.assert_array_equal(first, again)
    assert first.shape != other.shape or not np.allclose(first, other)


def test_the_pitch_of_a_siren_does_not_depend_on_the_sample_rate():
    centroids_hz = []
    for sample_rate_hz in (16000, 32000):
        event = synthetic_events.make_event("siren", 3, sample_rate_hz)
        frequencies_hz, power = _spectrum(event, sample_rate_hz)
        below = frequencies_hz < 2000
        centroids_hz.append(
            np.average(frequencies_hz[below], weights=power[below])
        )
    assert centroids_hz[0] == pytest.approx(centroids_hz[1], rel=0.01)


@pytest.mark.parametrize("name", synthetic_events.BACKGROUNDS)
def test_backgrounds_have_unit_level(name):
    background = synthetic_events.make_background(name, 0, 32000, 64000)
    assert background.dtype == np.float32
    assert background.shape == (64000,)
    assert np.sqrt(np.mean(np.square(background))) == pytest.approx(1, abs=1e-4)


@pytest.mark.parametrize(("name", "slope_db"), [("pink", -10), ("brown", -20)])
def test_noise_falls_by_its_slope_for_each_decade(name, slope_db):
    background = synthetic_events.make_background(name, 0, 32000, 320000)
    frequencies_hz, power = _spectrum(background, 32000)

    def level_db(low_hz, high_hz):
        band = (frequencies_hz >= low_hz) & (frequencies_hz < high_hz)
        return 10 * np.log10(power[band].mean())

    difference_db = level_db(1000, 1100) - level_db(100, 110)
    assert difference_db == pytest.approx(slope_db, abs=1)


def test_hum_stands_out_at_the_harmonics_of_the_mains():
    background = synthetic_events.make_background("hum", 0, 32000, 320000)
    frequencies_hz, power = _spectrum(background, 32000)
    strongest_hz = frequencies_hz[power.argsort()[-5:]]
    is_harmonic = [(f % 50 == 0) or (f % 60 == 0) for f in strongest_hz]
    assert all(is_harmonic)
