"""Recordings as odd devices and programs write them: all of each is read.

Where no decoder can, there is a reason; never part of the sound without a
word, or at another rate.
"""

import io
import struct

import numpy as np
import pytest

from ofa_aec_tf import audio
from tests.audio import sound_files

_RATE_HZ = 44100
_SECONDS = 2.0


def _tone(seconds=_SECONDS, rate_hz=_RATE_HZ, frequency_hz=1000):
    return sound_files.tone(seconds, rate_hz, frequency_hz)


def _encoded(samples=None, rate_hz=_RATE_HZ, **options):
    file = io.BytesIO()
    if samples is None:
        samples = _tone(rate_hz=rate_hz)
    sound_files.write(file, samples, rate_hz, **options)
    return file.getvalue()


def _pcm(seconds=_SECONDS):
    return (32767 * _tone(seconds)).astype("<i2").tobytes()


def _chunk(name, content, size=None):
    size = len(content) if size is None else size
    return name + struct.pack("<I", size) + content + bytes(len(content) % 2)


def _wav(
    data=None,
    kind=1,
    num_channels=1,
    bits=16,
    extension=b"",
    align=None,
    data_size=None,
    riff_size=None,
    before_data=b"",
    after_data=b"",
):
    if align is None:
        align = num_channels * bits // 8
    header = struct.pack(
        "<HHIIHH",
        kind,
        num_channels,
        _RATE_HZ,
        _RATE_HZ * align,
        align,
        bits,
    )
    body = (
        b"WAVE"
        + _chunk(b"fmt ", header + extension)
        + before_data
        + _chunk(b"data", _pcm() if data is None else data, data_size)
        + after_data
    )
    return b"RIFF" + struct.pack("<I", riff_size or len(body)) + body


_PCM_GUID = bytes.fromhex("0100000000001000800000aa00389b71")


def _extensible(valid_bits, channel_mask):
    return struct.pack("<HHI", 22, valid_bits, channel_mask) + _PCM_GUID


def _six_channels():
    samples = np.repeat((32767 * _tone()).astype("<i2")[:, np.newaxis], 6, 1)
    return _wav(samples.tobytes(), 0xFFFE, 6, 16, _extensible(16, 0x3F))


def _24_bits_in_32():
    samples = (8_388_607 * _tone()).astype("<i4") << 8
    return _wav(samples.tobytes(), 0xFFFE, 1, 32, _extensible(24, 4))


def _flac(first_byte_mask, total):
    """With another number of frames in its header."""
    content = bytearray(_encoded(format="FLAC"))
    content[21] &= first_byte_mask
    content[22:26] = struct.pack(">I", total)
    return bytes(content)


def _au():
    header = struct.pack(">IIIII", 24, 0xFFFFFFFF, 3, _RATE_HZ, 1)
    return b".snd" + header + (32767 * _tone()).astype(">i2").tobytes()


_WHOLE = {
    "six channels": _six_channels,
    "24 bits in 32": _24_bits_in_32,
    "8 bits": lambda: _encoded(format="WAV", subtype="PCM_U8"),
    "float64": lambda: _encoded(format="WAV", subtype="DOUBLE"),
    "12 bits": lambda: _wav(bits=12, align=2),
    "A-law": lambda: _encoded(format="WAV", subtype="ALAW"),
    "RF64": lambda: _encoded(format="RF64"),
    "W64": lambda: _encoded(format="W64"),
    "big endian WAV": lambda: _encoded(format="WAV", endian="BIG"),
    "AIFF-C sowt": lambda: _encoded(format="AIFF", endian="LITTLE"),
    "AU of unknown length": _au,
    "chunks before the samples": lambda: _wav(
        before_data=_chunk(b"JUNK", bytes(28))
        + _chunk(b"bext", bytes(602))
        + _chunk(b"LIST", b"INFOa")
    ),
    "a chunk behind the samples": lambda: _wav(
        after_data=_chunk(b"LIST", b"INFO" + b"\x55" * 1996)
    ),
    "a stream": lambda: _wav(data_size=0xFFFFFFFF, riff_size=0xFFFFFFFF),
    "a stream of 31 bits": lambda: _wav(
        data_size=0x7FFFFFFF, riff_size=0x7FFFFFFF
    ),
    "a stream of no length": lambda: _wav(data_size=0, riff_size=36),
    "a length of the first second": lambda: _wav(data_size=2 * _RATE_HZ),
    "a block of no bytes": lambda: _wav(align=0),
    "MP3 in WAV": lambda: _wav(
        _encoded(format="MP3"),
        0x55,
        bits=0,
        align=1,
        extension=struct.pack("<HHIHHH", 12, 1, 2, 417, 1, 1393),
    ),
    "11,025 Hz": lambda: _encoded(rate_hz=11025, format="WAV"),
    "7,999 Hz": lambda: _encoded(rate_hz=7999, format="WAV"),
    "192,000 Hz": lambda: _encoded(rate_hz=192_000, format="WAV"),
    "MP3 at 11,025 Hz": lambda: _encoded(rate_hz=11025, format="MP3"),
    "MP3 with a variable rate": lambda: _encoded(
        format="MP3", bitrate_mode="VARIABLE"
    ),
    "FLAC of unknown length": lambda: _flac(0xF0, 0),
    "FLAC that ends early": lambda: _flac(0xF0, 8 * _RATE_HZ),
    "FLAC with a tag behind it": lambda: (
        _encoded(format="FLAC") + b"TAG" + bytes(125)
    ),
}


def _check(path, seconds=_SECONDS, frequency_hz=1000.0):
    recording = audio.read_audio(path, 48000)
    num_samples = len(recording.waveform)
    assert num_samples / 48000 == pytest.approx(seconds, abs=1e-4)
    spectrum = np.abs(np.fft.rfft(recording.waveform))
    assert spectrum.argmax() * 48000 / num_samples == pytest.approx(
        frequency_hz, abs=1
    )
    # It is loud to its end.
    assert np.abs(recording.waveform[-4800:]).max() > 0.4
    assert np.abs(recording.waveform).max() < 0.6
    assert recording.file_seconds == pytest.approx(seconds, abs=1e-4)
    assert audio.duration_seconds(path) == pytest.approx(seconds, abs=1e-4)
    assert audio.is_audio(path)
    part = audio.load_audio(path, 48000, 0.5, 0.4)
    np.testing.assert_allclose(part, recording.waveform[19200:43200], atol=1e-5)
    return recording


@pytest.mark.parametrize("name", _WHOLE)
def test_all_of_it_is_read(tmp_path, name, without_av):
    path = tmp_path / "a"
    path.write_bytes(_WHOLE[name]())
    _check(path)


def test_a_recording_of_nothing_has_no_samples(tmp_path):
    path = tmp_path / "a"
    path.write_bytes(_wav(b"", after_data=_chunk(b"LIST", b"INFO" * 3000)))
    with pytest.raises(audio.AudioError, match="no_samples"):
        audio.load_audio(path, 48000)


@pytest.mark.parametrize("end", [b"", b"\0"])
def test_an_odd_number_of_bytes(tmp_path, end):
    samples = np.full(_RATE_HZ + 1, 128, np.uint8)
    samples[::2] = 192
    path = tmp_path / "a"
    content = _wav(samples.tobytes(), bits=8)
    # Some programs leave out the byte that makes them even.
    path.write_bytes(content.removesuffix(b"\0") + end)
    assert audio.duration_seconds(path) == (_RATE_HZ + 1) / _RATE_HZ


def test_what_is_mono_by_mistake_is_half_as_long(tmp_path):
    path = tmp_path / "a"
    path.write_bytes(_wav(num_channels=2))
    # Nothing tells; every other sample is in the other channel.
    assert audio.duration_seconds(path) == 1.0


def _without_first_frame(mp3):
    """Without the frame that tells the length."""
    start = mp3.index(b"\xff\xfb", 4)
    return mp3[start:]


def _quiet_then_loud():
    """One second in small frames, which are no measure of the others."""
    noise = 0.4 * sound_files.noise(1.0)
    return np.concatenate([np.zeros(_RATE_HZ), noise, _tone(3.0)])


# The encoder adds 1,105 frames before and some behind, which nobody counts.
def _check_length(path, seconds):
    recording = audio.read_audio(path, _RATE_HZ)
    num_seconds = len(recording.waveform) / _RATE_HZ
    assert 0 <= num_seconds - seconds < 0.15
    assert np.abs(recording.waveform[-6000:-3000]).max() > 0.4
    assert recording.notes == ()
    assert recording.file_seconds == num_seconds
    assert audio.duration_seconds(path) == num_seconds
    # What the first frame says of it is not to be believed.
    assert audio.read_audio(path, _RATE_HZ, 0.5).file_seconds is None
    return recording


@pytest.mark.parametrize("mode", ["CONSTANT", "VARIABLE"])
@pytest.mark.parametrize("tag", [b"", b"TAG" + bytes(125)])
def test_mp3_without_a_word_about_its_length(tmp_path, mode, tag, without_av):
    path = tmp_path / "a"
    mp3 = _encoded(_quiet_then_loud(), format="MP3", bitrate_mode=mode)
    path.write_bytes(_without_first_frame(mp3) + tag)
    _check_length(path, 5.0)


@pytest.mark.parametrize("num_bytes", [1, 100, 300])
def test_mp3_that_ends_inside_of_a_frame(tmp_path, num_bytes, without_av):
    path = tmp_path / "a"
    mp3 = _without_first_frame(_encoded(_quiet_then_loud(), format="MP3"))
    path.write_bytes(mp3[:-num_bytes])
    # All but the frames that are cut off.
    assert audio.duration_seconds(path) > 4.9
    assert len(audio.load_audio(path, 8000)) > 39_000


@pytest.mark.parametrize("number", [2, 3])
@pytest.mark.parametrize("between", [b"", b"ID3\3\0\0\0\0\x08\0" + bytes(1024)])
def test_mp3_files_that_were_joined(
    tmp_path, number, between, without_av, capfd
):
    path = tmp_path / "a"
    mp3 = _encoded(format="MP3")
    path.write_bytes(between.join([mp3] * number))
    _check_length(path, 2.0 * number)
    assert capfd.readouterr() == ("", "")


def test_joined_mp3_files_of_two_rates_are_refused(tmp_path, without_av):
    path = tmp_path / "a"
    path.write_bytes(
        _encoded(format="MP3") + _encoded(rate_hz=22050, format="MP3")
    )
    with pytest.raises(audio.AudioError, match="bytes before the end.*undecod"):
        audio.load_audio(path, 48000)
    # Up to there it is sound.
    assert len(audio.load_audio(path, 48000, 1.5)) == 72000


def _crc(page):
    remainder = 0
    for byte in page:
        remainder ^= byte << 24
        for _ in range(8):
            remainder <<= 1
            if remainder > 0xFFFFFFFF:
                remainder ^= 0x104C11DB7
    return remainder


def _pages(ogg, serial):
    """Pages of an Ogg stream, under another serial number."""
    pages = []
    while ogg:
        num_segments = ogg[26]
        size = 27 + num_segments + sum(ogg[27 : 27 + num_segments])
        page = bytearray(ogg[:size])
        page[14:18] = struct.pack("<I", serial)
        page[22:26] = bytes(4)
        page[22:26] = struct.pack("<I", _crc(page))
        pages.append(bytes(page))
        ogg = ogg[size:]
    return pages


def _chained(*streams):
    return b"".join(
        page
        for serial, stream in enumerate(streams)
        for page in _pages(stream, serial)
    )


def test_vorbis_streams_that_follow_each_other(tmp_path, without_av):
    path = tmp_path / "a"
    tone = _encoded(_tone(1.0), format="OGG")
    # Of two channels, and in two streams side by side.
    stereo = _encoded(np.stack([_tone(0.5)] * 2, 1), format="OGG")
    path.write_bytes(_chained(tone, stereo, tone))
    _check(path, 2.5)
    # Where the next begins is not known before.
    assert audio.read_audio(path, 48000, 0.5).file_seconds is None


def test_opus_streams_that_follow_each_other(tmp_path):
    path = tmp_path / "a"
    tone = _encoded(_tone(1.0, 48000), 48000, format="OGG", subtype="OPUS")
    path.write_bytes(tone)
    alone = audio.read_audio(path, 48000, decoder="soundfile").waveform
    path.write_bytes(_chained(tone, tone))
    recording = audio.read_audio(path, 48000)
    assert recording.notes == ()
    # FFmpeg would go on where the first one ended.
    np.testing.assert_array_equal(recording.waveform, np.tile(alone, 2))


def test_streams_side_by_side_are_one(tmp_path, without_av):
    path = tmp_path / "a"
    first = _pages(_encoded(format="OGG"), 1)
    second = _pages(_encoded(_tone(frequency_hz=300), format="OGG"), 2)
    pages = [page for pair in zip(first, second) for page in pair]
    longer = max(first, second, key=len)
    path.write_bytes(b"".join(pages + longer[len(pages) // 2 :]))
    _check(path)


def test_streams_of_two_rates_are_refused(tmp_path, without_av):
    path = tmp_path / "a"
    path.write_bytes(
        _chained(_encoded(format="OGG"), _encoded(rate_hz=22050, format="OGG"))
    )
    with pytest.raises(
        audio.AudioError, match="rate changes from 44100 to 22050.*undecodable"
    ):
        audio.load_audio(path, 48000)
    assert len(audio.load_audio(path, 48000, 1.5)) == 72000
