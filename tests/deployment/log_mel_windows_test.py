import numpy as np
import pytest

from ofa_aec_tf.deployment import log_mel_windows


@pytest.mark.parametrize(
    ("num_frames", "window_frames", "starts"),
    [
        (10, 10, [0]),
        (10, 5, [0, 5]),
        (10, 4, [0, 3, 6]),
        (501, 201, [0, 150, 300]),
        (3, 1, [0, 1, 2]),
    ],
)
def test_windows_cover_a_clip(num_frames, window_frames, starts):
    found = log_mel_windows.window_starts(num_frames, window_frames)
    assert found.tolist() == starts


@pytest.mark.parametrize("window_frames", [0, 11])
def test_a_window_longer_than_the_clip_is_refused(window_frames):
    with pytest.raises(
        ValueError, match=f"1 and 10.*Received: {window_frames}"
    ):
        log_mel_windows.window_starts(10, window_frames)


def test_random_windows_are_parts_and_the_same_for_a_seed():
    clips = np.arange(200).reshape(10, 20, 1)
    windows = log_mel_windows.random_windows(clips, 7, seed=1)
    firsts = windows[:, 0, 0]
    np.testing.assert_array_equal(
        windows[:, :, 0], firsts[:, np.newaxis] + np.arange(7)
    )
    starts = firsts - clips[:, 0, 0]
    assert len(set(starts)) > 3 and 0 <= starts.min() <= starts.max() <= 13
    again = log_mel_windows.random_windows(clips, 7, seed=1)
    np.testing.assert_array_equal(windows, again)
    assert log_mel_windows.random_windows(clips, 20, seed=1) is clips


def test_the_score_of_a_clip_is_the_highest_of_its_windows():
    clips = np.zeros((2, 10, 2), np.float32)
    clips[0, 1, 0], clips[0, 9, 1], clips[1, 5, 1] = 3, 4, 5

    def score(windows):
        assert windows.shape[1:] == (5, 2)
        return windows.max(axis=1)

    scores = log_mel_windows.score_clips(score, clips, 5)
    assert scores.tolist() == [[3, 4], [0, 5]]
