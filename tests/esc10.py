"""ESC-10, for tests on real recordings."""

import os
import pathlib

import numpy as np
import pytest

from ofa_aec_tf import audio

DIRECTORY = pathlib.Path(
    os.environ.get(
        "ESC10_DIR",
        pathlib.Path(__file__).resolve().parents[2] / "shared/data/esc10",
    )
)
CLIP_SECONDS = 5


def needs_recordings(test):
    """Marks a test that is skipped where ESC-10 is not."""
    skipped = pytest.mark.skipif(
        not DIRECTORY.is_dir(), reason="ESC-10 is not here; set ESC10_DIR"
    )
    return pytest.mark.real_audio(skipped(test))


def waveforms(sample_rate_hz=32000, pattern="*.*", step=1):
    """Every `step`th recording of those that `pattern` matches.

    Returns:
        float32 array of shape (num_clips, CLIP_SECONDS * sample_rate_hz).
    """
    paths = sorted((DIRECTORY / "audio").glob(pattern))
    if not paths:
        pytest.skip(f"no {pattern} of ESC-10 in {DIRECTORY}; set ESC10_DIR")
    num_samples = CLIP_SECONDS * sample_rate_hz
    return np.stack(
        [
            audio.fit_length(
                audio.load_audio(path, sample_rate_hz, CLIP_SECONDS),
                num_samples,
            )
            for path in paths[::step]
        ]
    )
