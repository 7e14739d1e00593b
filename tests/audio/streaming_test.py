"""Tests of reading files part by part."""

import numpy as np
import pytest
import soundfile

from ofa_aec_tf import audio
from ofa_aec_tf.audio import windows
from tests.audio import sound_files

_KINDS = {
    "wav": ("WAV", "PCM_16"),
    "flac": ("FLAC", "PCM_16"),
    "vorbis": ("OGG", "VORBIS"),
    "mp3": ("MP3", None),
}
_RATE_HZ = 44100


@pytest.fixture(autouse=True)
def short_reads(monkeypatch):
    """So that short files have several parts."""
    monkeypatch.setattr(windows, "READ_SAMPLES", 2 * windows.BLOCK_FRAMES)


@pytest.fixture(scope="module")
def stereo():
    """Of so many samples that there are several parts."""
    left = sound_files.noise(6.3)
    return np.stack([left, left[::-1] ** 2], axis=1)


# The same rate, half of it, and one that is no simple part of it.
@pytest.mark.parametrize("rate_hz", [44100, 22050, 32000])
@pytest.mark.parametrize("kind", _KINDS)
def test_parts_together_are_the_whole_file_to_the_bit(
    tmp_path, stereo, kind, rate_hz
):
    container, subtype = _KINDS[kind]
    path = sound_files.write(
        tmp_path / "a", stereo, format=container, subtype=subtype
    )
    parts = list(audio.stream_audio(path, rate_hz))
    assert len(parts) > 2
    assert {part.dtype for part in parts} == {np.dtype(np.float32)}
    np.testing.assert_array_equal(
        np.concatenate(parts), audio.load_audio(path, rate_hz)
    )


def test_what_pyav_alone_can_read_is_streamed_too(tmp_path):
    pytest.importorskip("av")
    path = sound_files.write_m4a(tmp_path / "a", sound_files.noise(4))
    parts = list(audio.stream_audio(path, 32000))
    assert len(parts) > 2
    np.testing.assert_array_equal(
        np.concatenate(parts), audio.load_audio(path, 32000)
    )


def test_no_part_is_longer_than_some_seconds(tmp_path):
    path = sound_files.write(tmp_path / "a.wav", np.zeros(60 * 8000), 8000)
    lengths = [len(part) for part in audio.stream_audio(path, 32000)]
    assert sum(lengths) == 60 * 32000
    # What is read at once, at four times the rate, and what the resampler had
    # kept back.
    assert max(lengths) < 1.1 * 4 * windows.READ_SAMPLES
    assert len(lengths) > 3


def test_a_file_may_be_left_before_its_end(tmp_path):
    path = sound_files.write(tmp_path / "a.wav", sound_files.noise(6))
    parts = audio.stream_audio(path, _RATE_HZ)
    first = next(parts)
    parts.close()
    np.testing.assert_allclose(
        first, audio.load_audio(path, _RATE_HZ)[: len(first)]
    )


def _first_error(path):
    with pytest.raises(audio.AudioError) as caught:
        list(audio.stream_audio(path, 32000))
    return caught.value


def test_bad_files_have_the_codes_of_reading_them_whole(tmp_path):
    (tmp_path / "empty.wav").touch()
    (tmp_path / "text.wav").write_text("no sound at all")
    sound_files.write(tmp_path / "short.wav", np.zeros(1000))
    sound_files.write(tmp_path / "none.wav", np.zeros(0))
    sound_files.write(tmp_path / "slow.wav", np.zeros(8000), 2000)
    broken = np.zeros(8000)
    broken[5000] = np.nan
    sound_files.write(tmp_path / "nan.wav", broken, subtype="FLOAT")
    names = ("absent", "empty", "text", "short", "none", "slow", "nan")
    codes = []
    for name in names:
        path = tmp_path / f"{name}.wav"
        codes.append(_first_error(path).code)
        with pytest.raises(audio.AudioError) as caught:
            audio.load_audio(path, 32000)
        assert codes[-1] == caught.value.code
    assert codes == [
        "missing",
        "empty_file",
        "undecodable",
        "too_short",
        "no_samples",
        "bad_sample_rate",
        "non_finite",
    ]


def test_samples_that_are_not_finite_are_found_in_any_part(tmp_path):
    samples = sound_files.noise(6)
    samples[-5] = np.inf
    path = sound_files.write(tmp_path / "a.wav", samples, subtype="FLOAT")
    parts = audio.stream_audio(path, 32000)
    next(parts)
    with pytest.raises(audio.AudioError, match="non_finite"):
        list(parts)


def test_streams_fall_back_on_the_next_decoder(tmp_path, monkeypatch):
    pytest.importorskip("av")

    def refuse(*args, **kwargs):
        raise soundfile.LibsndfileError(1)

    path = sound_files.write(tmp_path / "a.wav", sound_files.noise(2))
    expected = audio.load_audio(path, _RATE_HZ)
    monkeypatch.setattr(soundfile.SoundFile, "__init__", refuse)
    parts = list(audio.stream_audio(path, _RATE_HZ))
    np.testing.assert_allclose(np.concatenate(parts), expected, atol=1e-6)
