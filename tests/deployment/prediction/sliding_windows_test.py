import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ofa_aec_tf.deployment.prediction import sliding_windows

RATE_HZ = 32000
DEFAULT_DBFS = -70.0


def _windows(num_samples, window_samples, hop_samples=None, cuts=()):
    """Starts and samples of the windows of 1, 2, 3, ... in some blocks."""
    waveform = np.arange(1, num_samples + 1, dtype=np.float32)
    windows = sliding_windows.sliding_windows(
        np.split(waveform, cuts), window_samples, hop_samples or window_samples
    )
    return [(w.start_sample, w.waveform.tolist()) for w in windows]


def test_windows_are_consecutive_and_the_last_may_be_shorter():
    assert _windows(10, 4) == [
        (0, [1, 2, 3, 4]),
        (4, [5, 6, 7, 8]),
        (8, [9, 10]),
    ]


def test_last_window_of_less_than_half_is_dropped():
    assert _windows(5, 4) == [(0, [1, 2, 3, 4])]


def test_only_window_is_kept_however_short():
    assert _windows(1, 4) == [(0, [1])]
    assert _windows(0, 4) == []


def test_a_smaller_hop_lets_windows_overlap():
    assert _windows(7, 4, 2) == [
        (0, [1, 2, 3, 4]),
        (2, [3, 4, 5, 6]),
        (4, [5, 6, 7]),
    ]


def test_no_window_repeats_only_what_the_one_before_had():
    # The second window ends with the sound.
    assert [start for start, _ in _windows(6, 4, 2)] == [0, 2]


@given(
    st.integers(1, 300),
    st.integers(1, 60),
    st.integers(1, 60),
    st.lists(st.integers(0, 300), max_size=8),
)
def test_blocks_do_not_matter_and_all_sound_is_heard(
    num_samples, window_samples, hop_samples, cuts
):
    hop_samples = min(hop_samples, window_samples)
    windows = _windows(num_samples, window_samples, hop_samples, sorted(cuts))
    assert windows == _windows(num_samples, window_samples, hop_samples)
    assert [start for start, _ in windows] == [
        number * hop_samples for number in range(len(windows))
    ]
    for start, samples in windows:
        stop = min(num_samples, start + window_samples)
        assert samples == list(range(start + 1, stop + 1))
    assert {len(samples) for _, samples in windows[:-1]} <= {window_samples}
    # Only less than half a window at the end may be left out.
    num_left_out = num_samples - windows[-1][0] - len(windows[-1][1])
    assert num_left_out == 0 or 2 * num_left_out < window_samples


def test_a_window_comes_as_soon_as_it_is_there():
    num_taken = 0

    def blocks():
        nonlocal num_taken
        for _ in range(10):
            num_taken += 1
            yield np.zeros(5, np.float32)

    windows = sliding_windows.sliding_windows(blocks(), 12, 12)
    next(windows)
    assert num_taken == 3


@pytest.mark.parametrize("hop_samples", [0, 5])
def test_a_hop_that_leaves_sound_out_is_refused(hop_samples):
    windows = sliding_windows.sliding_windows([], 4, hop_samples)
    with pytest.raises(ValueError, match=f"a hop of {hop_samples} samples"):
        next(windows)


def _noise(amplitude, seconds=1.0):
    rng = np.random.default_rng(0)
    return amplitude * rng.normal(0, 1, int(seconds * RATE_HZ))


def _with_16_bits(waveform):
    """Rounded with triangular dither, as studio software writes it."""
    rng = np.random.default_rng(1)
    dither = rng.uniform(-0.5, 0.5, (2, len(waveform))).sum(axis=0)
    return np.round(waveform * 2**15 + dither) / 2**15


@pytest.mark.parametrize(
    ("waveform", "is_silent"),
    [
        (np.zeros(RATE_HZ), True),
        (np.full(RATE_HZ, 0.3), True),
        (_noise(1e-5), True),
        (_with_16_bits(np.zeros(RATE_HZ)), True),
        (_with_16_bits(np.full(RATE_HZ, -0.1)), True),
        (_noise(1e-3), False),
        # -60 dBFS.
        (1e-3 * np.sin(np.arange(RATE_HZ) / 7), False),
        (np.eye(1, RATE_HZ, RATE_HZ // 2)[0], False),
        (np.zeros(1), True),
    ],
    ids=[
        "zeros",
        "offset",
        "faint noise",
        "dither",
        "dithered offset",
        "quiet noise",
        "quiet tone",
        "click",
        "one sample",
    ],
)
def test_silence_is_told_from_quiet_sound(waveform, is_silent):
    found = sliding_windows.is_silent(waveform, RATE_HZ, DEFAULT_DBFS)
    assert found is is_silent


def test_the_level_is_that_of_the_peak():
    tone = 0.01 * np.sin(np.arange(RATE_HZ) / 7)
    assert sliding_windows.is_silent(tone, RATE_HZ, -39.9)
    assert not sliding_windows.is_silent(tone, RATE_HZ, -40.1)
    assert not sliding_windows.is_silent(np.zeros(9), RATE_HZ, -np.inf)
