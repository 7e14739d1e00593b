"""Tests of the frames of a part, and of joining blocks."""

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


def _blocks(taken):
    for start in (100, 110, 120):
        taken.append(start)
        ramp = np.arange(start, start + 10, dtype=np.float32)
        # Of one, two and three channels, with the ramp for their mean.
        offsets = {100: [0], 110: [-3, 3], 120: [-6, 0, 6]}[start]
        yield ramp + np.array(offsets, np.float32)[:, np.newaxis]


@pytest.mark.parametrize(
    ("first", "stop", "num_taken", "end"),
    [
        (100, 130, 3, 130),
        (105, 115, 2, 115),
        (112, 114, 2, 114),
        (100, 110, 1, 110),
        (125, math.inf, 3, 130),
        (125, 140, 3, 130),
        (135, 140, 3, 130),
    ],
)
def test_blocks_are_joined_as_far_as_needed(first, stop, num_taken, end):
    taken = []
    waveform, reached = windows.gather(_blocks(taken), 100, first, stop)
    np.testing.assert_array_equal(waveform, np.arange(first, end))
    assert waveform.dtype == np.float32
    assert (len(taken), reached) == (num_taken, end)


def test_blocks_are_averaged_in_the_end_whatever_their_sizes():
    rng = np.random.default_rng(0)
    sizes = [1, windows.BLOCK_FRAMES - 2, 3, 2 * windows.BLOCK_FRAMES, 5]
    blocks = [rng.uniform(-1, 1, (2, n)).astype(np.float32) for n in sizes]
    waveform, end = windows.gather(blocks, 0, 0, math.inf)
    expected = np.concatenate(blocks, axis=1).mean(axis=0)
    np.testing.assert_allclose(waveform, expected, atol=1e-7)
    assert end == sum(sizes)
