"""Tests of reading audio files."""

import os
import pickle
import struct

import numpy as np
import pytest
import soundfile

from ofa_aec_tf import audio


def _write(path, samples, rate_hz=32000, **options):
    soundfile.write(path, samples, rate_hz, **options)
    return path


def _tone(frequency_hz, rate_hz, seconds):
    times = np.arange(round(seconds * rate_hz)) / rate_hz
    return 0.5 * np.sin(2 * np.pi * frequency_hz * times)


def _code(path, **options):
    with pytest.raises(audio.AudioError) as raised:
        audio.load_audio(path, 32000, **options)
    return raised.value.code


def test_a_file_at_the_wanted_rate_is_returned_as_it_is(tmp_path):
    samples = np.random.default_rng(0).uniform(-1, 1, 4000).astype(np.float32)
    path = _write(tmp_path / "a.wav", samples, subtype="FLOAT")
    waveform = audio.load_audio(path, 32000)
    assert waveform.dtype == np.float32
    np.testing.assert_array_equal(waveform, samples)


def test_channels_are_averaged(tmp_path):
    left = np.full(4000, 0.5)
    right = np.full(4000, -0.25)
    path = _write(
        tmp_path / "a.wav", np.stack([left, right], 1), subtype="FLOAT"
    )
    np.testing.assert_allclose(audio.load_audio(path, 32000), 0.125)


@pytest.mark.parametrize("rate_hz", [8000, 22050, 44100, 192000])
def test_resampling_keeps_a_tone(tmp_path, rate_hz):
    path = _write(
        tmp_path / "a.wav",
        _tone(1000, rate_hz, 1),
        rate_hz,
        subtype="FLOAT",
    )
    waveform = audio.load_audio(path, 32000)
    assert waveform.shape == (32000,)
    expected = _tone(1000, 32000, 1)
    # The filter has nothing before and after the clip to work with.
    inside = slice(1600, -1600)
    np.testing.assert_allclose(waveform[inside], expected[inside], atol=1e-3)


def test_resampling_removes_what_would_alias(tmp_path):
    path = _write(
        tmp_path / "a.wav", _tone(20000, 44100, 1), 44100, subtype="FLOAT"
    )
    waveform = audio.load_audio(path, 32000)
    assert np.abs(waveform[1600:-1600]).max() < 1e-4


@pytest.mark.parametrize("rate_hz", [32000, 44100])
def test_a_bounded_read_is_the_start_of_the_unbounded_one(tmp_path, rate_hz):
    noise = np.random.default_rng(1).uniform(-0.5, 0.5, 3 * rate_hz)
    path = _write(tmp_path / "a.wav", noise, rate_hz, subtype="FLOAT")
    bounded = audio.load_audio(path, 32000, max_seconds=1.5)
    assert bounded.shape == (48000,)
    np.testing.assert_allclose(
        bounded, audio.load_audio(path, 32000)[:48000], atol=1e-6
    )


def test_a_bounded_read_does_not_decode_the_rest(tmp_path, monkeypatch):
    path = _write(tmp_path / "a.wav", np.zeros(32000 * 60))
    frames_read = []
    original = soundfile.SoundFile.read

    def counting(self, *args, **options):
        block = original(self, *args, **options)
        frames_read.append(len(block))
        return block

    monkeypatch.setattr(soundfile.SoundFile, "read", counting)
    audio.load_audio(path, 32000, max_seconds=1)
    assert sum(frames_read) == 35200


@pytest.mark.parametrize("extension", ["wav", "raw", "txt"])
@pytest.mark.parametrize("kind", ["WAV", "FLAC", "OGG", "MP3"])
def test_the_content_tells_the_format(tmp_path, kind, extension):
    path = tmp_path / f"a.{extension}"
    _write(path, _tone(440, 32000, 1), format=kind)
    waveform = audio.load_audio(path, 32000)
    assert np.abs(waveform).max() == pytest.approx(0.5, abs=0.05)


def test_a_missing_file_is_reported(tmp_path):
    assert _code(tmp_path / "a.wav") == "missing"
    dangling = tmp_path / "b.wav"
    dangling.symlink_to(tmp_path / "nowhere")
    assert _code(dangling) == "missing"
    file = tmp_path / "file"
    file.write_bytes(b"x")
    assert _code(file / "c.wav") == "missing"


def test_a_directory_and_a_named_pipe_are_not_files(tmp_path):
    assert _code(tmp_path) == "not_a_file"
    os.mkfifo(tmp_path / "pipe.wav")
    assert _code(tmp_path / "pipe.wav") == "not_a_file"


def test_a_file_without_bytes_is_empty(tmp_path):
    (tmp_path / "a.mp3").touch()
    assert _code(tmp_path / "a.mp3") == "empty_file"


def test_a_file_that_may_not_be_read_is_unreadable(tmp_path, monkeypatch):
    path = _write(tmp_path / "a.wav", np.zeros(4000))

    def refuse(*unused_args):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "open", refuse)
    assert _code(path) == "unreadable"


def test_a_name_with_a_nul_is_unreadable(tmp_path):
    assert _code(f"{tmp_path}/a\0.wav") == "unreadable"


@pytest.mark.parametrize(
    "content", [b"<html>404</html>" * 50, bytes(range(256)) * 20, b"ID3\x04"]
)
def test_what_is_not_audio_is_undecodable(tmp_path, content):
    path = tmp_path / "a.mp3"
    path.write_bytes(content)
    assert _code(path) == "undecodable"


def test_a_flac_file_that_breaks_off_is_undecodable(tmp_path):
    noise = np.random.default_rng(0).uniform(-0.5, 0.5, 320000)
    path = _write(tmp_path / "a.flac", noise)
    path.write_bytes(path.read_bytes()[:200_000])
    assert _code(path) == "undecodable"


@pytest.mark.parametrize("rate_hz", [1, 3999, 384_001, 2_000_000])
def test_an_impossible_sample_rate_is_reported(tmp_path, rate_hz):
    path = _write(tmp_path / "a.wav", np.zeros(8000), 8000)
    content = bytearray(path.read_bytes())
    content[24:28] = struct.pack("<I", rate_hz)
    path.write_bytes(content)
    assert _code(path) == "bad_sample_rate"


def test_a_header_without_samples_is_reported(tmp_path):
    path = _write(tmp_path / "a.wav", np.zeros(0))
    assert _code(path) == "no_samples"


def test_less_than_50_ms_is_too_short(tmp_path):
    assert _code(_write(tmp_path / "a.wav", np.zeros(1599))) == "too_short"
    path = _write(tmp_path / "b.wav", np.zeros(1600))
    assert audio.load_audio(path, 32000).shape == (1600,)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_samples_that_are_not_finite_are_reported(tmp_path, value):
    samples = np.zeros(4000, np.float32)
    samples[2000] = value
    path = _write(tmp_path / "a.wav", samples, subtype="FLOAT")
    assert _code(path) == "non_finite"


def test_samples_far_out_of_range_are_reported(tmp_path):
    samples = np.zeros(4000, np.float32)
    samples[2000] = -65
    path = _write(tmp_path / "a.wav", samples, subtype="FLOAT")
    assert _code(path) == "out_of_range"
    samples[2000] = -64
    path = _write(tmp_path / "b.wav", samples, subtype="FLOAT")
    assert audio.load_audio(path, 32000).min() == -64


def test_a_header_that_announces_too_much_costs_no_memory(tmp_path):
    path = _write(tmp_path / "a.wav", np.zeros(8000))
    content = bytearray(path.read_bytes())
    position = content.index(b"data") + 4
    content[position : position + 4] = struct.pack("<I", 0xFFFFFFF0)
    path.write_bytes(content)
    assert audio.load_audio(path, 32000).shape == (8000,)


def test_the_message_names_file_fault_and_code(tmp_path):
    with pytest.raises(ValueError, match=r"a\.wav: there is no.*\(missing\)"):
        audio.load_audio(tmp_path / "a.wav", 32000)


def test_an_error_survives_the_way_between_processes():
    error = pickle.loads(pickle.dumps(audio.AudioError("a", "code", "why")))
    assert (error.path, error.code, error.reason) == ("a", "code", "why")


def test_fit_length_crops_at_the_end():
    values = np.arange(5, dtype=np.float32)
    np.testing.assert_array_equal(audio.fit_length(values, 3), [0, 1, 2])


def test_fit_length_pads_with_zeros_at_the_end():
    fitted = audio.fit_length(np.ones(2, np.float32), 4)
    assert fitted.dtype == np.float32
    np.testing.assert_array_equal(fitted, [1, 1, 0, 0])
