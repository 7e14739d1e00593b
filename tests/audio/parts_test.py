"""Tests of reading several parts of a file in one pass."""

import os

import numpy as np
import pytest
import soundfile

from ofa_aec_tf import audio
from ofa_aec_tf.audio import windows
from tests.audio import bad_files
from tests.audio import sound_files

# They overlap, leave gaps, lie in each other and behind the end of 6 s.
_PARTS = (
    (0.0, 0.5),
    (0.3, 3.0),
    (0.4, 0.2),
    (1.0, 1.0),
    (1.0, None),
    (4.5, 0.75),
    (5.9, 1.0),
    (5.99, None),
    (7.0, 1.0),
)

_KINDS = {
    "wav": ("WAV", "PCM_16"),
    "adpcm": ("WAV", "IMA_ADPCM"),
    "flac": ("FLAC", "PCM_16"),
    "vorbis": ("OGG", "VORBIS"),
    "mp3": ("MP3", None),
}


def _alone(path, rate_hz, part, decoder="auto"):
    start_seconds, max_seconds = part
    try:
        return audio.read_audio(
            path, rate_hz, max_seconds, start_seconds, decoder
        )
    except audio.AudioError as error:
        return error


def _check_equal(path, rate_hz=32000, parts=_PARTS, decoder="auto"):
    """Each of the parts has to be what it is alone; their codes or notes."""
    outcomes = []
    for part, received in zip(
        parts, audio.read_parts(path, rate_hz, parts, decoder), strict=True
    ):
        expected = _alone(path, rate_hz, part, decoder)
        assert type(received) is type(expected)
        if isinstance(expected, audio.AudioError):
            assert received.args == expected.args
            outcomes.append(received.code)
            continue
        assert received.notes == expected.notes
        assert received.file_seconds == expected.file_seconds
        np.testing.assert_array_equal(received.waveform, expected.waveform)
        outcomes.append(received.notes)
    return outcomes


@pytest.fixture(scope="module")
def stereo():
    left = sound_files.noise(6)
    return 0.5 * np.stack([left, left[::-1] ** 2], axis=1)


@pytest.mark.parametrize("kind", _KINDS)
@pytest.mark.parametrize("decoder", ["soundfile", "av"])
def test_parts_are_what_they_are_alone(tmp_path, stereo, kind, decoder):
    if decoder == "av":
        pytest.importorskip("av")
    container, subtype = _KINDS[kind]
    path = sound_files.write(
        tmp_path / "a", stereo, format=container, subtype=subtype
    )
    outcomes = _check_equal(path, decoder=decoder)
    assert outcomes == [()] * 7 + ["too_short"] * 2
    _check_equal(path, sound_files.RATE_HZ, decoder=decoder)


def test_parts_of_what_pyav_alone_reads(tmp_path):
    pytest.importorskip("av")
    path = sound_files.write_m4a(tmp_path / "a", 0.5 * sound_files.noise(6))
    assert _check_equal(path)[:7] == [()] * 7


# At 16 kHz, mono, the blocks of an hour begin inside of frames.
@pytest.mark.parametrize("rate_hz", [16000, 44100])
def test_blocks_leave_no_trace_in_mp3(tmp_path, monkeypatch, rate_hz):
    samples = sound_files.noise(6, rate_hz)
    path = sound_files.write(tmp_path / "a", samples, rate_hz, format="MP3")
    whole = audio.load_audio(path, rate_hz)
    monkeypatch.setattr(windows, "READ_SAMPLES", 7001)
    np.testing.assert_array_equal(audio.load_audio(path, rate_hz), whole)


@pytest.mark.parametrize(
    "parts", [((0.0, 0.6), (0.5, 1.0), (1.2, 1.0), (1.4, 0.2), (1.9, 1.0))]
)
@pytest.mark.parametrize(
    "name", [*bad_files.FOR_ALL, *bad_files.DIFFERING, *bad_files.FOR_AV]
)
def test_parts_of_bad_files_are_what_they_are_alone(tmp_path, name, parts):
    pytest.importorskip("av")
    make, *_ = (bad_files.FOR_ALL | bad_files.DIFFERING | bad_files.FOR_AV)[
        name
    ]
    path = tmp_path / "a.mp4"
    make(path)
    _check_equal(path, parts=parts)


@pytest.mark.parametrize("kind", ["FLAC", "OGG", "MP3", "m4a"])
def test_a_fault_is_met_by_the_parts_that_meet_it_alone(tmp_path, kind):
    pytest.importorskip("av")
    path = tmp_path / "a"
    noise = bad_files.noise(6)
    if kind == "m4a":
        sound_files.write_m4a(path, noise)
    else:
        sound_files.write(path, noise, format=kind)
    content = bytearray(path.read_bytes())
    middle = len(content) // 2
    content[middle : middle + 4000] = bytes(4000)
    path.write_bytes(content)
    starts = (0.0, 0.9, 2.0, 2.7, 3.0, 3.6, 4.5, 5.5)
    _check_equal(path, parts=[(start, 0.5) for start in starts])
    _check_equal(path, parts=[(0.0, None), (0.1, 0.3), (4.5, 0.2)])


def test_samples_that_are_not_finite_spoil_their_parts_alone(tmp_path):
    samples = bad_files.noise(6)
    samples[3 * sound_files.RATE_HZ] = np.nan
    path = sound_files.write(
        tmp_path / "a", samples, format="WAV", subtype="FLOAT"
    )
    parts = [(0.0, 1.0), (2.5, 1.0), (4.0, 1.0)]
    assert _check_equal(path, parts=parts) == [(), "non_finite", ()]


@pytest.mark.parametrize("name", ["absent", "empty"])
def test_each_part_has_the_error_of_its_file(tmp_path, name):
    (tmp_path / "empty").touch()
    code = {"absent": "missing", "empty": "empty_file"}[name]
    assert _check_equal(tmp_path / name) == [code] * len(_PARTS)


@pytest.mark.parametrize("kind", ["mp3", "vorbis", "adpcm"])
def test_a_file_is_opened_and_decoded_once(tmp_path, monkeypatch, kind):
    container, subtype = _KINDS[kind]
    path = sound_files.write(
        tmp_path / "a", np.zeros(60 * 8000), 8000, format=container,
        subtype=subtype,
    )  # fmt: skip
    frames_read = []
    opened = []
    read, open_ = soundfile.SoundFile.read, soundfile.SoundFile.__init__

    def counting_read(self, *args, **options):
        block = read(self, *args, **options)
        frames_read.append(len(block))
        return block

    def counting_open(self, *args, **options):
        opened.append(args)
        open_(self, *args, **options)

    monkeypatch.setattr(soundfile.SoundFile, "read", counting_read)
    monkeypatch.setattr(soundfile.SoundFile, "__init__", counting_open)
    parts = [(float(start), 2.0) for start in range(55)]
    assert len(list(audio.read_parts(path, 8000, parts))) == 55
    assert len(opened) == 1
    # To the end of the last one and its margin.
    assert sum(frames_read) == round(56.1 * 8000)


def test_no_more_is_held_than_the_part_that_is_read(tmp_path, monkeypatch):
    path = sound_files.write(
        tmp_path / "a", sound_files.noise(60, 8000), 8000, format="MP3"
    )
    held = []
    add = windows.Mono.add

    def counting(mono, block):
        add(mono, block)
        held.append(len(mono))

    monkeypatch.setattr(windows.Mono, "add", counting)
    parts = [(float(start), 2.0) for start in range(0, 55, 5)]
    list(audio.read_parts(path, 8000, parts))
    assert max(held) == round(2.2 * 8000)


def test_parts_share_no_memory(tmp_path):
    path = sound_files.write(
        tmp_path / "a.wav", sound_files.noise(3, 32000), 32000
    )
    first, second = audio.read_parts(path, 32000, [(0.0, 2.0), (1.0, 2.0)])
    assert not np.shares_memory(first.waveform, second.waveform)


def test_the_file_is_closed_when_the_parts_are_left(tmp_path):
    path = sound_files.write(tmp_path / "a.wav", sound_files.noise(3))
    parts = audio.read_parts(path, 32000, [(0.0, 1.0), (1.0, 1.0)])
    before = len(os.listdir("/dev/fd"))
    next(parts)
    assert len(os.listdir("/dev/fd")) == before + 1
    parts.close()
    assert len(os.listdir("/dev/fd")) == before


def test_parts_out_of_order_are_refused_at_once(tmp_path):
    with pytest.raises(ValueError, match=r"order of their starts.*\[1.0, 0.5"):
        audio.read_parts(tmp_path / "a", 32000, [(1.0, 1.0), (0.5, 1.0)])
    with pytest.raises(ValueError, match="max_seconds=0"):
        audio.read_parts(tmp_path / "a", 32000, [(1.0, 0.0)])
    with pytest.raises(ValueError, match="must be one of.*'ffmpeg'"):
        audio.read_parts(tmp_path / "a", 32000, [(1.0, 1.0)], "ffmpeg")


@pytest.mark.parametrize("kind", _KINDS)
def test_the_length_of_a_file_is_known_from_a_part_of_it(tmp_path, kind):
    container, subtype = _KINDS[kind]
    path = sound_files.write(
        tmp_path / "a", bad_files.noise(3), format=container, subtype=subtype
    )
    for options in ({}, {"max_seconds": 1.0}, {"start_seconds": 2.5}):
        recording = audio.read_audio(path, 32000, **options)
        # ADPCM has whole blocks only.
        assert recording.file_seconds == pytest.approx(3.0, abs=0.07)
        if kind != "adpcm":
            assert recording.file_seconds == 3.0


def test_the_length_of_a_file_is_not_guessed(tmp_path):
    path = tmp_path / "a.flac"
    content = bytearray(
        sound_files.write(path, bad_files.noise(3)).read_bytes()
    )
    content[21] &= 0xF0
    content[22:26] = bytes(4)
    path.write_bytes(content)
    assert audio.read_audio(path, 32000, 1.0).file_seconds is None
    assert audio.read_audio(path, 32000).file_seconds == 3.0
    assert audio.duration_seconds(path) == 3.0


@pytest.mark.parametrize("kind", _KINDS)
@pytest.mark.parametrize("decoder", ["auto", "soundfile", "av"])
def test_the_duration_of_a_file(tmp_path, kind, decoder):
    if decoder == "av":
        pytest.importorskip("av")
    container, subtype = _KINDS[kind]
    path = sound_files.write(
        tmp_path / "a", bad_files.noise(3), format=container, subtype=subtype
    )
    expected = len(audio.read_audio(path, 44100, decoder=decoder).waveform)
    seconds = audio.duration_seconds(path, decoder)
    assert seconds == expected / 44100
    assert seconds == pytest.approx(3.0, abs=0.07)


def test_the_duration_of_a_broken_file_is_what_can_be_read(tmp_path):
    path = tmp_path / "a.mp3"
    bad_files.edited(bad_files.head(0.5), format="MP3")(path)
    recording = audio.read_audio(path, 32000)
    seconds = len(recording.waveform) / 32000
    assert 0.9 < seconds < 1.1
    assert audio.duration_seconds(path) == pytest.approx(seconds, abs=1e-4)
    assert recording.file_seconds == audio.duration_seconds(path)
    path.write_bytes(b"<html>404</html>" * 50)
    with pytest.raises(audio.AudioError, match="undecodable"):
        audio.duration_seconds(path)
    with pytest.raises(audio.AudioError, match="missing"):
        audio.duration_seconds(tmp_path / "b.mp3")
