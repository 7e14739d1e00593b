"""Tests of files that are broken, odd or hostile: each has its outcome.

An outcome is the code of the error, or the notes on what could be read.
"""

import os

import numpy as np
import pytest

from data_pipeline.clips.clip import ClipRow
from ofa_aec_tf import audio
from ofa_aec_tf.audio import windows
from tests.audio import bad_files
from tests.audio import sound_files

_RATE_HZ = 32000
_CLIP_SAMPLES = 2 * _RATE_HZ


def _outcome(path, **options):
    """Code or notes of a clip of two seconds."""
    try:
        rendered = ClipRow("id", str(path), ("dog",), **options).render(
            _RATE_HZ, _CLIP_SAMPLES
        )
    except audio.AudioError as error:
        assert error.path == str(path)
        assert error.reason
        return error.code
    assert rendered.waveform.shape == (_CLIP_SAMPLES,)
    assert np.isfinite(rendered.waveform).all()
    return rendered.notes


@pytest.mark.parametrize("name", bad_files.FOR_ALL)
def test_the_outcome_does_not_need_av(tmp_path, name, without_av):
    make, expected = bad_files.FOR_ALL[name]
    # An extension of yet another format.
    make(tmp_path / "a.mp4")
    assert _outcome(tmp_path / "a.mp4") == expected


@pytest.mark.parametrize(
    "name", [*bad_files.FOR_ALL, *bad_files.DIFFERING, *bad_files.FOR_AV]
)
def test_the_outcome_with_av(tmp_path, name):
    pytest.importorskip("av")
    make, expected, *_ = (
        bad_files.FOR_ALL | bad_files.DIFFERING | bad_files.FOR_AV
    )[name]
    make(tmp_path / "a.mp4")
    assert _outcome(tmp_path / "a.mp4") == expected


@pytest.mark.parametrize("name", bad_files.DIFFERING)
def test_the_outcome_that_av_would_change(tmp_path, name, without_av):
    make, _, expected = bad_files.DIFFERING[name]
    make(tmp_path / "a.wav")
    assert _outcome(tmp_path / "a.wav") == expected


@pytest.mark.parametrize("name", bad_files.FOR_AV)
def test_what_only_av_reads_names_its_extra(tmp_path, name, request):
    pytest.importorskip("av")
    make, _, expected = bad_files.FOR_AV[name]
    make(tmp_path / "a.wav")
    request.getfixturevalue("without_av")
    assert _outcome(tmp_path / "a.wav") == expected
    with pytest.raises(
        audio.AudioError, match=r"MP4 or Matroska.*'ofa_aec_tf\[av\]'"
    ):
        audio.load_audio(tmp_path / "a.wav", _RATE_HZ)


def test_a_missing_file(tmp_path):
    assert _outcome(tmp_path / "a.wav") == "missing"
    dangling = tmp_path / "b.wav"
    dangling.symlink_to(tmp_path / "nowhere")
    assert _outcome(dangling) == "missing"
    file = tmp_path / "file"
    file.write_bytes(b"x")
    assert _outcome(file / "c.wav") == "missing"


def test_a_directory_and_a_named_pipe_are_not_files(tmp_path):
    assert _outcome(tmp_path) == "not_a_file"
    os.mkfifo(tmp_path / "pipe.wav")
    assert _outcome(tmp_path / "pipe.wav") == "not_a_file"


@pytest.mark.parametrize("extension", ["wav", "mp3", "m4a"])
def test_a_file_without_bytes_is_empty(tmp_path, extension):
    (tmp_path / f"a.{extension}").touch()
    assert _outcome(tmp_path / f"a.{extension}") == "empty_file"


def test_a_file_that_may_not_be_read(tmp_path):
    path = bad_files.write(tmp_path / "a.wav", bad_files.noise())
    path.chmod(0)
    user = os.geteuid()
    try:
        # The superuser may read everything.
        if user == 0:
            os.seteuid(65534)
        assert _outcome(path) == "unreadable"
    finally:
        os.seteuid(user)


def test_a_disk_that_fails(tmp_path, monkeypatch):
    path = bad_files.write(tmp_path / "a.wav", bad_files.noise())

    def fail(*unused_args):
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(os, "open", fail)
    assert _outcome(path) == "unreadable"


def test_a_name_with_a_nul(tmp_path):
    assert _outcome(f"{tmp_path}/a\0.wav") == "unreadable"


def test_a_name_that_begins_like_an_option_or_an_address(tmp_path, monkeypatch):
    pytest.importorskip("av")
    monkeypatch.chdir(tmp_path)
    for name in ("--PJHxphWEs.m4a", "http:a.m4a", "concat:a|b", "a%03d.png"):
        sound_files.write_m4a(tmp_path / "good", bad_files.noise())
        os.rename(tmp_path / "good", tmp_path / name)
        assert _outcome(name) == ()


@pytest.mark.parametrize("kind", ["WAV", "FLAC", "OGG", "MP3", "m4a"])
@pytest.mark.parametrize("start_seconds", [1.96, 2.2, 1e6])
def test_a_part_that_starts_at_the_end_of_the_file(
    tmp_path, kind, start_seconds
):
    path = tmp_path / "a"
    if kind == "m4a":
        pytest.importorskip("av")
        # It has up to two frames more than went in, 46 ms.
        sound_files.write_m4a(path, bad_files.noise(1.95))
    else:
        bad_files.write(path, bad_files.noise(), format=kind)
    assert _outcome(path, start_seconds=start_seconds) == "too_short"
    with pytest.raises(audio.AudioError, match="after the start at"):
        audio.load_audio(path, _RATE_HZ, start_seconds=start_seconds)
    assert _outcome(path, start_seconds=1.0) == ("padded",)


def test_flac_of_unknown_length(tmp_path, without_av):
    path = tmp_path / "a.flac"
    noise = bad_files.noise(3)
    content = bytearray(bad_files.write(path, noise).read_bytes())
    # The last 36 bits before the checksum; a stream is written like this.
    content[21] &= 0xF0
    content[22:26] = bytes(4)
    path.write_bytes(content)
    waveform = audio.load_audio(path, sound_files.RATE_HZ, 1.0, 1.5)
    np.testing.assert_allclose(waveform, noise[66150:110250], atol=1e-4)
    assert _outcome(path) == ()
    assert _outcome(path, start_seconds=2.0) == ("padded",)
    assert _outcome(path, start_seconds=2.96) == "too_short"


def test_a_part_that_was_cut_off(tmp_path):
    path = tmp_path / "a.mp3"
    bad_files.edited(bad_files.head(0.5), format="MP3")(path)
    assert _outcome(path, start_seconds=1.5) == "too_short"
    # The whole second that is wanted is there.
    assert audio.read_audio(path, _RATE_HZ, 0.8).notes == ()


@pytest.mark.parametrize("decoder", ["soundfile", "av"])
def test_minutes_of_silence_are_read_as_far_as_wanted(
    tmp_path, monkeypatch, decoder
):
    if decoder == "av":
        pytest.importorskip("av")
    path = bad_files.write(tmp_path / "a.flac", np.zeros(44100 * 240, np.int16))
    assert path.stat().st_size < 100_000
    frames_read = []
    original = windows.Mono.add

    def counting(mono, block):
        frames_read.append(block.shape[1])
        original(mono, block)

    monkeypatch.setattr(windows.Mono, "add", counting)
    recording = audio.read_audio(path, _RATE_HZ, 2.0, decoder=decoder)
    assert recording.notes == ("silent",)
    # Two seconds, the margin, and no more than a block of the file.
    assert 2.1 * 44100 <= sum(frames_read) <= 2.2 * 44100


def test_a_sample_rate_that_changes_inside_the_file(tmp_path):
    pytest.importorskip("av")
    path = tmp_path / "a.mp3"
    parts = [
        bad_files.write(
            tmp_path / str(rate_hz), bad_files.noise(1), rate_hz, format="MP3"
        )
        for rate_hz in (44100, 22050)
    ]
    path.write_bytes(b"".join(part.read_bytes() for part in parts))
    with pytest.raises(
        audio.AudioError, match="sample rate changes from.*undecodable"
    ):
        audio.read_audio(path, _RATE_HZ, decoder="av")


def test_a_change_between_mono_and_stereo_inside_the_file(tmp_path):
    pytest.importorskip("av")
    path = tmp_path / "a.mp3"
    mono = bad_files.noise(1)
    parts = [
        bad_files.write(tmp_path / str(samples.ndim), samples, format="MP3")
        for samples in (mono, np.stack([mono, -mono], 1))
    ]
    path.write_bytes(b"".join(part.read_bytes() for part in parts))
    recording = audio.read_audio(path, _RATE_HZ, decoder="av")
    # The encoder added a little to each.
    assert 64000 <= len(recording.waveform) < 68000
    assert np.abs(recording.waveform[2000:30000]).mean() > 0.05
    # The second part cancels.
    assert np.abs(recording.waveform[-28000:]).max() < 1e-3


def test_a_video_without_sound(tmp_path):
    av = pytest.importorskip("av")
    path = tmp_path / "a.mp4"
    with av.open(str(path), "w", format="mp4") as output:
        stream = output.add_stream("mpeg4", rate=5)
        stream.width = stream.height = 16
        for _ in range(3):
            frame = av.VideoFrame.from_ndarray(
                np.zeros((16, 16, 3), np.uint8), "rgb24"
            )
            output.mux(stream.encode(frame))
        output.mux(stream.encode(None))
    with pytest.raises(audio.AudioError, match="no audio stream.*undecodable"):
        audio.load_audio(path, _RATE_HZ)


@pytest.mark.parametrize(
    "text",
    [
        "#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:2,\nsecret.m4a\n"
        "#EXT-X-ENDLIST\n",
        "ffconcat version 1.0\nfile secret.m4a\n",
    ],
    ids=["m3u8", "ffconcat"],
)
def test_a_play_list_leads_to_no_other_file(tmp_path, monkeypatch, text):
    pytest.importorskip("av")
    monkeypatch.chdir(tmp_path)
    sound_files.write_m4a(tmp_path / "secret.m4a", bad_files.noise())
    path = tmp_path / "a.m3u8"
    path.write_text(text)
    assert _outcome(path) == "undecodable"


def test_a_container_that_is_not_on_the_list(tmp_path):
    av = pytest.importorskip("av")
    path = sound_files.write_with_av(
        tmp_path / "a", bad_files.noise(), "pcm_s16le", "nut"
    )
    # FFmpeg could read it, as it could read play lists.
    with av.open(str(path)) as container:
        assert container.format.name == "nut"
    assert _outcome(path) == "undecodable"


def test_the_message_names_file_fault_and_code(tmp_path):
    with pytest.raises(ValueError, match=r"a\.wav: there is no.*\(missing\)"):
        audio.load_audio(tmp_path / "a.wav", _RATE_HZ)


def test_the_message_has_what_both_decoders_say(tmp_path):
    pytest.importorskip("av")
    path = tmp_path / "a.wav"
    path.write_bytes(b"<html>404</html>" * 50)
    with pytest.raises(
        audio.AudioError, match="libsndfile: Format not rec.*; FFmpeg: Invalid"
    ):
        audio.load_audio(path, _RATE_HZ)
