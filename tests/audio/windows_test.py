"""Tests of the frames of a part, and of joining blocks as mono."""

import math

import numpy as np
import pytest

from ofa_aec_tf.audio import windows


@pytest.mark.parametrize(
    ("rate_hz", "start_seconds", "max_seconds", "expected"),
    [
        # 0.1 s more on both sides, as far as the file goes.
        (32000, 0.0, 1.0, (0, 35200)),
        (32000, 0.05, 1.0, (0, 36800)),
        (32000, 2.0, 1.0, (60800, 99200)),
        (32000, 2.0, None, (60800, math.inf)),
        # 441 frames are 320 samples: 79821 and 83790 are multiples of 441.
        (44100, 2.0, 1.0, (83790, 136710)),
        (44100, 1.915, 1.0, (79821, 132962)),
        # A whole second coincides with a sample here, and nothing before.
        (44101, 2.0, 1.0, (44101, 136713)),
    ],
)
def test_the_frames_of_a_part(rate_hz, start_seconds, max_seconds, expected):
    window = windows.Window(32000, start_seconds, max_seconds)
    assert window.frames(rate_hz) == expected


def test_the_wanted_part_is_cut_from_what_was_read():
    window = windows.Window(32000, 1.915, 1.0)
    # Frame 79821 is read first; the part begins at 84451.5, sample 61280.
    assert window.wanted_slice(44100, 44100) == slice(4631, 48731)
    assert window.wanted_slice(44100, 32000) == slice(3360, 35360)


def _mono_of(blocks):
    mono = windows.Mono()
    for block in blocks:
        mono.add(block)
    return mono


def test_blocks_of_any_number_of_channels_are_joined_as_mono():
    ramp = np.arange(30, dtype=np.float32)
    # Of one, two and three channels, with the ramp for their mean.
    offsets = [[0], [-3, 3], [-6, 0, 6]]
    mono = _mono_of(
        ramp[start : start + 10] + np.array(offset, np.float32)[:, np.newaxis]
        for start, offset in zip((0, 10, 20), offsets)
    )
    assert len(mono) == 30
    assert mono.waveform().dtype == np.float32
    np.testing.assert_array_equal(mono.waveform(), ramp)
    np.testing.assert_array_equal(mono.waveform(12), ramp[:12])
    mono.drop(13)
    assert len(mono) == 17
    np.testing.assert_array_equal(mono.waveform(9), ramp[13:22])
    mono.drop(-5)
    np.testing.assert_array_equal(mono.waveform(), ramp[13:])
    mono.drop(100)
    assert len(mono) == 0
    assert mono.waveform().shape == (0,)


# From eight channels on NumPy adds them in another order.
@pytest.mark.parametrize("num_channels", [2, 3, 8, 17])
def test_frames_have_the_same_mean_whatever_the_blocks_are(num_channels):
    rng = np.random.default_rng(0)
    samples = rng.uniform(-1, 1, (num_channels, 3 * windows.BLOCK_FRAMES))
    samples = samples.astype(np.float32)
    sizes = [1, windows.BLOCK_FRAMES - 2, 3, 2 * windows.BLOCK_FRAMES - 2]
    split = np.split(samples, np.cumsum(sizes)[:-1], axis=1)
    whole = _mono_of([samples]).waveform()
    np.testing.assert_array_equal(_mono_of(split).waveform(), whole)
    np.testing.assert_allclose(whole, samples.mean(axis=0), atol=1e-6)
