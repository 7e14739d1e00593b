"""Tests of telling audio from all other files."""

import gzip
import io
import os
import sqlite3
import struct
import tarfile
import zipfile

import numpy as np
import pytest

from ofa_aec_tf import audio
from tests.audio import bad_files
from tests.audio import sound_files

_BY_SOUNDFILE = {
    "wav": {"format": "WAV"},
    "wavex": {"format": "WAVEX"},
    "big endian wav": {"format": "WAV", "endian": "BIG"},
    "rf64": {"format": "RF64"},
    "w64": {"format": "W64"},
    "aiff": {"format": "AIFF"},
    "aifc": {"format": "AIFF", "subtype": "ALAW"},
    "au": {"format": "AU"},
    "little endian au": {"format": "AU", "endian": "LITTLE"},
    "caf": {"format": "CAF"},
    "flac": {"format": "FLAC"},
    "vorbis": {"format": "OGG"},
    "mp3": {"format": "MP3"},
    "nist": {"format": "NIST"},
    "voc": {"format": "VOC"},
    "ircam": {"format": "IRCAM"},
    "svx": {"format": "SVX", "subtype": "PCM_16"},
    "paf": {"format": "PAF"},
    "pvf": {"format": "PVF"},
    "htk": {"format": "HTK"},
    "mat5": {"format": "MAT5"},
}
_BY_AV = {
    "m4a": ("aac", "mp4"),
    "webm": ("libopus", "webm"),
    "aac": ("aac", "adts"),
    "3gp": ("aac", "3gp"),
    "wma": ("wmav2", "asf"),
    "mp2": ("mp2", "mp2"),
    "ac3": ("ac3", "ac3"),
    "eac3": ("eac3", "eac3"),
    "mpegts": ("aac", "mpegts"),
    "mpeg": ("mp2", "mpeg"),
    "flv": ("aac", "flv"),
    "avi": ("aac", "avi"),
    "tta": ("tta", "tta"),
    "wavpack": ("wavpack", "wv"),
    "alac": ("alac", "mp4"),
}


def _write_by_av(path, name):
    pytest.importorskip("av")
    codec, container = _BY_AV[name]
    options = {"bit_rate": 128_000} if name == "wma" else {}
    return sound_files.write_with_av(
        path, bad_files.noise(1, 48000), codec, container, 48000, **options
    )


@pytest.mark.parametrize("name", _BY_SOUNDFILE)
@pytest.mark.parametrize("suffix", ["", ".wav", ".txt"])
def test_what_libsndfile_reads_is_audio(tmp_path, name, suffix):
    path = bad_files.write(
        tmp_path / f"a{suffix}", bad_files.noise(1), **_BY_SOUNDFILE[name]
    )
    assert audio.load_audio(path, 32000).size
    assert audio.is_audio(path)


@pytest.mark.parametrize("name", _BY_AV)
@pytest.mark.parametrize("suffix", ["", ".txt"])
def test_what_pyav_reads_is_audio(tmp_path, name, suffix):
    path = _write_by_av(tmp_path / f"a{suffix}", name)
    recording = audio.read_audio(path, 48000)
    assert len(recording.waveform) == pytest.approx(48000, abs=4096)
    assert recording.notes in ((), ("fallback_decoder",))
    assert audio.is_audio(path)


@pytest.mark.parametrize("name", [n for n in _BY_AV if n != "mp2"])
def test_what_pyav_alone_reads_names_its_extra(tmp_path, name, request):
    path = _write_by_av(tmp_path / "a.wav", name)
    request.getfixturevalue("without_av")
    with pytest.raises(audio.AudioError, match=r"looks like .*_aec_tf\[av\]'"):
        audio.load_audio(path, 48000)
    assert audio.is_audio(path)


@pytest.mark.parametrize(
    "name", ["wav", "flac", "vorbis", "aiff", "caf", "w64"]
)
@pytest.mark.parametrize("num_bytes", [12, 20, 200])
def test_what_was_audio_before_it_broke(tmp_path, name, num_bytes):
    path = tmp_path / "a"
    bad_files.write(path, bad_files.noise(1), **_BY_SOUNDFILE[name])
    path.write_bytes(path.read_bytes()[:num_bytes])
    with pytest.raises(audio.AudioError):
        audio.load_audio(path, 32000)
    assert audio.is_audio(path)


@pytest.mark.parametrize(
    "content",
    [b"RIFF", b"RIFF\x24\0\0\0", b"OggS", b"fLaC", b"ID3\x04" + bytes(100)],
)
def test_a_signature_is_enough(tmp_path, content):
    (tmp_path / "a").write_bytes(content)
    assert audio.is_audio(tmp_path / "a")


def _archive(kind):
    """An archive of an MP3, with the bytes of that as they are."""
    mp3 = io.BytesIO()
    bad_files.write(mp3, bad_files.noise(1), format="MP3")
    archive = io.BytesIO()
    if kind == "zip":
        with zipfile.ZipFile(archive, "w") as file:
            file.writestr("a.mp3", mp3.getvalue())
    else:
        with tarfile.open(fileobj=archive, mode="w") as file:
            member = tarfile.TarInfo("a.mp3")
            member.size = len(mp3.getvalue())
            file.addfile(member, io.BytesIO(mp3.getvalue()))
    return archive.getvalue()


def _database(tmp_path):
    with sqlite3.connect(tmp_path / "database") as connection:
        connection.execute("create table clips (name text)")
        connection.commit()
    connection.close()
    return (tmp_path / "database").read_bytes()


def _array(array):
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


_OTHERS = {
    "table": b"filename,labels\na.wav,dog\n" * 100,
    "UTF-16": ("filename,labels\n" + "a.wav,dog\n" * 100).encode("utf-16"),
    "short UTF-16": "id,label\n".encode("utf-16"),
    "note about ID3": b"ID3,label\n1,dog\n",
    "MAC addresses": b"MAC address,name\n" * 10,
    "free": b"The free sounds of the wide world" * 10,
    "html": b"<html>404</html>" * 50,
    "json": b'{"RIFF": 1}',
    "pdf": b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n1 0 obj" + bytes(500),
    "png": b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + bytes(500),
    "jpeg": b"\xff\xd8\xff\xe0\0\x10JFIF\0\x01" + bytes(500),
    "gif": b"GIF89a" + bytes(500),
    "webp": b"RIFF\x24\0\0\0WEBPVP8 " + bytes(500),
    "heic": b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(500),
    "avif": b"\0\0\0\x18ftypavif\0\0\0\0avifmif1" + bytes(500),
    "midi": b"MThd\0\0\0\6\0\1\0\1\1\xe0MTrk" + bytes(500),
    "sound font": b"RIFF\x24\0\0\0sfbkLIST" + bytes(500),
    "DS_Store": b"\0\0\0\1Bud1\0\0\x10\0\0\0\x08\0" + bytes(6000),
    "gzip": gzip.compress(b"a" * 1000),
    "7z": b"7z\xbc\xaf\x27\x1c\0\4" + bytes(500),
    "elf": b"\x7fELF\2\1\1" + bytes(500),
    "parquet": b"PAR1" + bytes(500) + b"PAR1",
    "hdf5": b"\x89HDF\r\n\x1a\n" + bytes(500),
    "array": _array(np.arange(1000.0)),
    "array of bytes": _array(np.full(5000, 255, np.uint8)),
    "raw samples": (1e4 * bad_files.noise(1)).astype("<i2").tobytes(),
    "raw floats": bad_files.noise(1).tobytes(),
    "zeros": bytes(5000),
    "ones": b"\xff" * 5000,
    # What begins with the sync word of MP3 by chance.
    "one sync word": b"\xff\xfb\x90\x64" + np.random.default_rng(0).bytes(5000),
    "tar": _archive("tar"),
    "zip": _archive("zip"),
    "Akai MPC": struct.pack("<2s17s", b"\1\4", b"name") + bytes(500),
}


@pytest.mark.parametrize("name", _OTHERS)
def test_what_is_no_audio(tmp_path, name):
    path = tmp_path / "a"
    path.write_bytes(_OTHERS[name])
    assert not audio.is_audio(path)


def test_a_database_is_no_audio(tmp_path):
    (tmp_path / "a").write_bytes(_database(tmp_path))
    assert not audio.is_audio(tmp_path / "a")


@pytest.mark.parametrize("name", ["table", "UTF-16", "png", "zeros", "pdf"])
def test_a_name_makes_no_audio(tmp_path, name):
    path = tmp_path / "a.wav"
    path.write_bytes(_OTHERS[name])
    assert not audio.is_audio(path)


def test_random_bytes_are_no_audio(tmp_path):
    path = tmp_path / "a"
    for seed in range(200):
        path.write_bytes(np.random.default_rng(seed).bytes(20_000))
        assert not audio.is_audio(path), seed


def test_files_without_content_go_by_their_names(tmp_path):
    for name, expected in (("a.wav", True), ("a.WMA", True), ("a.txt", False)):
        (tmp_path / name).touch()
        assert audio.is_audio(tmp_path / name) is expected
        (tmp_path / "link").unlink(missing_ok=True)
        dangling = tmp_path / f"link-{name}"
        dangling.symlink_to(tmp_path / "nowhere")
        assert audio.is_audio(dangling) is expected
    (tmp_path / "directory.wav").mkdir()
    assert not audio.is_audio(tmp_path / "directory.wav")
    os.mkfifo(tmp_path / "pipe.wav")
    assert audio.is_audio(tmp_path / "pipe.wav")


def _mp3(path, seconds=2.0, **options):
    return bad_files.write(
        path, bad_files.noise(seconds), format="MP3", **options
    ).read_bytes()


def _id3(num_bytes, version=3, flags=0):
    """A tag that says that it has so many bytes, as it does."""
    size = bytes(num_bytes >> shift & 127 for shift in (21, 14, 7, 0))
    footer = b"3DI" + bytes([version, 0, flags]) + size
    # A picture, in which sync words may be.
    picture = np.random.default_rng(0).bytes(num_bytes)
    return (
        b"ID3" + bytes([version, 0, flags]) + size + picture
    ) + footer * bool(flags & 0x10)


_APE_TAG = (
    b"APETAGEX" + struct.pack("<IIII", 2000, 32, 0, 0x80000000) + bytes(8)
)
_BEFORE = {
    "ID3 and zeros": b"ID3\3\0\0" + bytes([0, 0, 16, 0]) + bytes(5048),
    "ID3 with a picture": _id3(300_000),
    "ID3 with a footer": _id3(3000, 4, 0x10),
    "two ID3 tags": _id3(500) + _id3(700),
    "zeros": bytes(3000),
    "garbage": bytes(range(1, 100)) * 20,
    "end of a frame": b"\x55" * 333,
    "HTTP header": b"HTTP/1.0 200 OK\r\nContent-Type: audio/mpeg\r\n\r\n",
    "APE tag": _APE_TAG,
}


@pytest.mark.parametrize("name", _BEFORE)
def test_what_stands_before_mp3_is_skipped(tmp_path, name, without_av):
    path = tmp_path / "a.mp3"
    mp3 = _mp3(path)
    expected = audio.read_audio(path, 44100)
    assert len(expected.waveform) == 88200
    path.write_bytes(_BEFORE[name] + mp3)
    recording = audio.read_audio(path, 44100)
    np.testing.assert_array_equal(recording.waveform, expected.waveform)
    assert recording.notes == ()
    assert audio.duration_seconds(path) == 2.0
    assert audio.is_audio(path)


@pytest.mark.parametrize(
    "after",
    [b"TAG" + bytes(125), _APE_TAG + bytes(2000) + _APE_TAG, bytes(4000)],
    ids=["ID3v1", "APE", "zeros"],
)
def test_what_stands_behind_mp3_is_no_sound(tmp_path, after, without_av):
    path = tmp_path / "a.mp3"
    mp3 = _mp3(path)
    expected = audio.load_audio(path, 44100)
    path.write_bytes(mp3 + after)
    np.testing.assert_array_equal(audio.load_audio(path, 44100), expected)


@pytest.mark.parametrize("name", ["wav", "flac", "aiff", "vorbis"])
def test_a_tag_before_any_format_is_skipped(tmp_path, name, without_av):
    path = tmp_path / "a"
    bad_files.write(path, bad_files.noise(), **_BY_SOUNDFILE[name])
    expected = audio.load_audio(path, 44100)
    path.write_bytes(_id3(3000) + path.read_bytes())
    np.testing.assert_array_equal(audio.load_audio(path, 44100), expected)
    assert audio.is_audio(path)


def test_a_tag_before_aac_is_skipped(tmp_path):
    path = _write_by_av(tmp_path / "a", "aac")
    expected = audio.load_audio(path, 48000)
    path.write_bytes(_id3(3000) + path.read_bytes())
    np.testing.assert_array_equal(audio.load_audio(path, 48000), expected)
    assert audio.is_audio(path)


def test_a_name_does_not_mislead(tmp_path):
    path = tmp_path / "a.mp3"
    bad_files.write(path, bad_files.noise(), format="WAV")
    np.testing.assert_allclose(
        audio.load_audio(path, 44100), bad_files.noise(), atol=1e-4
    )
