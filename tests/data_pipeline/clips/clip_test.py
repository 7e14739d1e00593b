"""Tests of clips that are parts of audio files."""

import numpy as np
import pytest
import soundfile

from data_pipeline.clips.clip import ClipRow
from ofa_aec_tf.audio import AudioError


@pytest.fixture
def path(tmp_path):
    """A second of different samples."""
    soundfile.write(tmp_path / "a.wav", _samples(), 8000, "FLOAT")
    return str(tmp_path / "a.wav")


def _samples():
    return np.linspace(-0.9, 0.9, 8000, dtype=np.float32)


@pytest.mark.parametrize(
    ("start_seconds", "num_samples", "num_read", "notes"),
    [
        (0.0, 8000, 8000, ()),
        (0.0, 4000, 4000, ("cropped",)),
        (0.25, 6000, 6000, ()),
        (0.25, 6001, 6000, ("padded",)),
        (0.5, 12000, 4000, ("padded",)),
    ],
)
def test_a_row_is_rendered_from_its_start(
    path, start_seconds, num_samples, num_read, notes
):
    row = ClipRow("a", path, ("dog",), start_seconds=start_seconds)
    rendered = row.render(8000, num_samples)
    assert rendered.notes == notes
    assert rendered.waveform.dtype == np.float32
    expected = np.zeros(num_samples, np.float32)
    begin = round(start_seconds * 8000)
    expected[:num_read] = _samples()[begin : begin + num_read]
    np.testing.assert_array_equal(rendered.waveform, expected)


def test_notes_on_the_recording_come_before_those_on_the_clip(path):
    rendered = ClipRow("a", path, ("dog",)).render(16000, 20000)
    assert rendered.notes == ("low_sample_rate", "padded")


def test_a_row_that_starts_beyond_the_file_cannot_be_rendered(path):
    with pytest.raises(AudioError, match="start at 1 s.*too_short"):
        ClipRow("a", path, ("dog",), start_seconds=1.0).render(8000, 8000)


@pytest.mark.parametrize(
    ("start_seconds", "end_seconds", "seconds", "is_cropped"),
    [
        # The file of a second, of which the clip has a quarter.
        (0.0, None, 1.0, True),
        (0.0, 0.75, 0.75, True),
        (0.5, 0.78, 0.28, False),
        (0.5, 0.9, 0.4, True),
        # It ends before the row does.
        (0.5, 3.0, 0.5, True),
        # From there on, for as long as a clip is.
        (0.5, None, 0.25, False),
    ],
)
def test_audio_behind_the_end_of_a_clip_is_noted(
    path, start_seconds, end_seconds, seconds, is_cropped
):
    row = ClipRow(
        "a",
        path,
        ("dog",),
        start_seconds=start_seconds,
        end_seconds=end_seconds,
    )
    rendered = row.render(8000, 2000)
    assert rendered.seconds == pytest.approx(seconds)
    assert ("cropped" in rendered.notes) == is_cropped


def test_a_start_of_0_that_a_table_gives_says_not_for_how_long(path):
    row = ClipRow("a@0", path, ("dog",), recording="a")
    rendered = row.render(8000, 2000)
    assert rendered.seconds == pytest.approx(0.25)
    assert "cropped" not in rendered.notes
