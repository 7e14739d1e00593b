"""Windows of stored clips, for models that take less than a clip."""

from collections.abc import Callable

import numpy as np


def window_starts(num_frames: int, window_frames: int) -> np.ndarray:
    """Starts of evenly spaced windows that together cover a clip.

    Args:
        num_frames: int. Length of the clip.
        window_frames: int. Length of a window.

    Returns:
        int array of shape (num_windows,).

    Raises:
        ValueError: if a window is longer than the clip.
    """
    if not 1 <= window_frames <= num_frames:
        raise ValueError(
            f"A window must have between 1 and {num_frames} frames, those of "
            f"a clip of the data. Received: {window_frames}. Choose a shorter "
            "--window_seconds, or preprocess longer clips."
        )
    num_windows = -(-num_frames // window_frames)
    starts = np.linspace(0, num_frames - window_frames, num_windows)
    return starts.round().astype(int)


def random_windows(
    clips: np.ndarray, window_frames: int, seed: int
) -> np.ndarray:
    """One random window of each clip.

    Args:
        clips: float array of shape (num_clips, num_frames, num_mel_bins).
        window_frames: int.
        seed: int.

    Returns:
        Array of shape (num_clips, window_frames, num_mel_bins); `clips` itself
        if they are as long as a window.

    Raises:
        ValueError: if a window is longer than the clips.
    """
    num_frames = clips.shape[1]
    window_starts(num_frames, window_frames)
    if window_frames == num_frames:
        return clips
    starts = np.random.default_rng(seed).integers(
        0, num_frames - window_frames + 1, len(clips)
    )
    return np.stack(
        [clip[s : s + window_frames] for clip, s in zip(clips, starts)]
    )


def score_clips(
    score_fn: Callable[[np.ndarray], np.ndarray],
    clips: np.ndarray,
    window_frames: int,
) -> np.ndarray:
    """Scores of clips: for each class, the highest over the windows.

    Args:
        score_fn: function from a float32 array of shape (any, window_frames,
            num_mel_bins) to scores of shape (any, num_classes).
        clips: float array of shape (num_clips, num_frames, num_mel_bins).
        window_frames: int.

    Returns:
        float array of shape (num_clips, num_classes).

    Raises:
        ValueError: if a window is longer than the clips.
    """
    return np.max(
        [
            score_fn(clips[:, start : start + window_frames])
            for start in window_starts(clips.shape[1], window_frames)
        ],
        axis=0,
    )
