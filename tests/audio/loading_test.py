"""Tests of reading audio files that are as they should be."""

import itertools
import pickle
import subprocess
import sys

import numpy as np
import pytest
import soundfile

from ofa_aec_tf import audio
from tests.audio import sound_files


def _tone(frequency_hz, rate_hz, seconds):
    return sound_files.tone(seconds, rate_hz, frequency_hz)


def test_a_file_at_the_wanted_rate_is_returned_as_it_is(tmp_path):
    samples = sound_files.noise(1, 4000)
    path = sound_files.write(
        tmp_path / "a.wav", samples, 32000, subtype="FLOAT"
    )
    recording = audio.read_audio(path, 32000)
    assert recording.waveform.dtype == np.float32
    np.testing.assert_array_equal(recording.waveform, samples)
    assert recording.notes == ()
    np.testing.assert_array_equal(audio.load_audio(path, 32000), samples)


def test_channels_are_averaged(tmp_path):
    left = np.full(4000, 0.5)
    right = np.full(4000, -0.25)
    path = sound_files.write(
        tmp_path / "a.wav", np.stack([left, right], 1), subtype="FLOAT"
    )
    waveform = audio.load_audio(path, sound_files.RATE_HZ)
    np.testing.assert_allclose(waveform, 0.125)


@pytest.mark.parametrize("rate_hz", [8000, 22050, 44100, 192000])
def test_resampling_keeps_a_tone(tmp_path, rate_hz):
    path = sound_files.write(
        tmp_path / "a.wav", _tone(1000, rate_hz, 1), rate_hz, subtype="FLOAT"
    )
    waveform = audio.load_audio(path, 32000)
    assert waveform.shape == (32000,)
    expected = _tone(1000, 32000, 1)
    # The filter has nothing before and after the clip to work with.
    inside = slice(1600, -1600)
    np.testing.assert_allclose(waveform[inside], expected[inside], atol=1e-3)


def test_resampling_removes_what_would_alias(tmp_path):
    path = sound_files.write(
        tmp_path / "a.wav", _tone(20000, 44100, 1), 44100, subtype="FLOAT"
    )
    waveform = audio.load_audio(path, 32000)
    assert np.abs(waveform[1600:-1600]).max() < 1e-4


# With rates of which one is no simple part of the other, too.
@pytest.mark.parametrize("rate_hz", [8000, 32000, 44100, 44101, 192000])
@pytest.mark.parametrize("start_seconds", [0.0, 0.05, 0.777, 2.5])
def test_a_part_is_what_the_whole_file_has_there(
    tmp_path, rate_hz, start_seconds
):
    path = sound_files.write(
        tmp_path / "a.wav",
        sound_files.noise(3, rate_hz),
        rate_hz,
        subtype="FLOAT",
    )
    whole = audio.load_audio(path, 32000)
    begin = round(start_seconds * 32000)
    for max_seconds, num_samples in ((0.4, 12800), (None, None)):
        part = audio.load_audio(path, 32000, max_seconds, start_seconds)
        expected = whole[begin:][:num_samples]
        assert part.shape == expected.shape
        np.testing.assert_allclose(part, expected, atol=1e-5)


_KINDS = {
    "wav": ("WAV", "PCM_16"),
    "alaw": ("WAV", "ALAW"),
    "adpcm": ("WAV", "IMA_ADPCM"),
    "aiff": ("AIFF", "PCM_24"),
    "flac": ("FLAC", "PCM_16"),
    "vorbis": ("OGG", "VORBIS"),
    "mp3": ("MP3", None),
}


def _write_kind(path, kind, samples, rate_hz=44100):
    container, subtype = _KINDS[kind]
    return sound_files.write(
        path, samples, rate_hz, format=container, subtype=subtype
    )


@pytest.mark.parametrize("kind", _KINDS)
@pytest.mark.parametrize("decoder", ["soundfile", "av"])
def test_every_format_gives_the_part_that_it_gives_as_a_whole(
    tmp_path, kind, decoder
):
    if decoder == "av":
        pytest.importorskip("av")
    path = _write_kind(tmp_path / "a", kind, sound_files.noise(3))
    whole = audio.read_audio(path, 32000, decoder=decoder).waveform
    part = audio.read_audio(path, 32000, 0.5, 1.7, decoder).waveform
    np.testing.assert_allclose(part, whole[54400:70400], atol=1e-5)


@pytest.mark.parametrize("kind", [*_KINDS, "opus"])
def test_decoders_agree(tmp_path, kind):
    pytest.importorskip("av")
    samples = np.stack(
        [_tone(300, 48000, 1), 0.4 * _tone(500, 48000, 1)], axis=1
    )
    path = tmp_path / "a"
    if kind == "opus":
        sound_files.write(path, samples, 48000, format="OGG", subtype="OPUS")
    else:
        _write_kind(path, kind, samples, 48000)
    by_soundfile = audio.read_audio(path, 48000, decoder="soundfile").waveform
    by_av = audio.read_audio(path, 48000, decoder="av").waveform
    # The mean, and not 3 dB more.
    expected = samples.mean(axis=1)[2400:45600]
    np.testing.assert_allclose(by_av[2400:45600], expected, atol=0.02)
    # FFmpeg leaves out the end of the last block of Vorbis.
    missing = 128 if kind == "vorbis" else 0
    assert len(by_av) + missing == len(by_soundfile)
    np.testing.assert_allclose(by_av, by_soundfile[: len(by_av)], atol=1e-4)


def test_a_bounded_read_does_not_decode_the_rest(tmp_path, monkeypatch):
    path = sound_files.write(tmp_path / "a.wav", np.zeros(32000 * 60), 32000)
    frames_read = []
    original = soundfile.SoundFile.read

    def counting(self, *args, **options):
        block = original(self, *args, **options)
        frames_read.append(len(block))
        return block

    monkeypatch.setattr(soundfile.SoundFile, "read", counting)
    audio.load_audio(path, 32000, max_seconds=1)
    assert sum(frames_read) == 35200
    frames_read.clear()
    # With a margin on both sides.
    audio.load_audio(path, 32000, max_seconds=1, start_seconds=30)
    assert sum(frames_read) == 38400


@pytest.mark.parametrize("extension", ["wav", "raw", "txt", "m4a"])
@pytest.mark.parametrize("kind", ["wav", "flac", "vorbis", "mp3"])
def test_the_content_tells_the_format(tmp_path, kind, extension):
    path = _write_kind(tmp_path / f"a.{extension}", kind, _tone(440, 44100, 1))
    recording = audio.read_audio(path, 32000)
    assert np.abs(recording.waveform).max() == pytest.approx(0.5, abs=0.05)
    assert recording.notes == ()


@pytest.mark.parametrize("extension", ["m4a", "wav", "mp3"])
@pytest.mark.parametrize(
    "write", [sound_files.write_m4a, sound_files.write_webm]
)
def test_mp4_and_matroska_are_told_from_their_content(
    tmp_path, write, extension
):
    pytest.importorskip("av")
    rate_hz = 48000 if write is sound_files.write_webm else 44100
    # Half as loud: a tone that begins at once is coded with peaks.
    path = write(tmp_path / f"a.{extension}", 0.5 * _tone(440, rate_hz, 1))
    recording = audio.read_audio(path, 32000)
    assert len(recording.waveform) == pytest.approx(32000, abs=2000)
    inside = np.abs(recording.waveform[3200:-3200]).max()
    assert inside == pytest.approx(0.25, abs=0.03)
    # PyAV is their first decoder, and stands in for no other.
    assert recording.notes == ()


def _count_calls(monkeypatch, module):
    calls = []
    original = module.open_source

    def counting(*args):
        calls.append(args)
        return original(*args)

    monkeypatch.setattr(module, "open_source", counting)
    return calls


def test_opus_is_read_by_av_first(tmp_path, monkeypatch):
    pytest.importorskip("av")
    from ofa_aec_tf.audio import soundfile_decoder

    calls = _count_calls(monkeypatch, soundfile_decoder)
    path = sound_files.write(
        tmp_path / "a",
        _tone(440, 48000, 1),
        48000,
        format="OGG",
        subtype="OPUS",
    )
    assert audio.read_audio(path, 48000).notes == ()
    assert not calls


def test_opus_is_read_by_libsndfile_without_av(tmp_path, without_av):
    path = sound_files.write(
        tmp_path / "a",
        _tone(440, 48000, 1),
        48000,
        format="OGG",
        subtype="OPUS",
    )
    recording = audio.read_audio(path, 48000)
    assert recording.waveform.shape == (48000,)
    assert recording.notes == ()


def test_a_decoder_can_be_demanded(tmp_path, without_av):
    path = sound_files.write(tmp_path / "a.wav", _tone(440, 44100, 1))
    assert audio.read_audio(path, 32000, decoder="soundfile").notes == ()
    with pytest.raises(ValueError, match=r"'av'.*install 'ofa_aec_tf\[av\]'"):
        audio.read_audio(path, 32000, decoder="av")
    with pytest.raises(ValueError, match="must be one of.*'tfio'.*'ffmpeg'"):
        audio.read_audio(path, 32000, decoder="ffmpeg")


@pytest.mark.parametrize(
    "options",
    [
        {"sample_rate_hz": 0},
        {"start_seconds": -1.0},
        {"start_seconds": np.nan},
        {"start_seconds": np.inf},
        {"max_seconds": 0.0},
        {"max_seconds": np.nan},
        {"max_seconds": np.inf},
    ],
    ids=str,
)
def test_a_part_that_cannot_be_is_refused(tmp_path, options):
    path = sound_files.write(tmp_path / "a.wav", _tone(440, 44100, 1))
    (name,) = options
    with pytest.raises(ValueError, match=f"Expected.*Received:.*{name}=") as e:
        audio.read_audio(path, **{"sample_rate_hz": 32000, **options})
    # It is the caller's fault, and not that of the file.
    assert not isinstance(e.value, audio.AudioError)


@pytest.mark.parametrize("kind", ["wav", "opus"])
def test_nothing_is_loaded_that_a_file_does_not_need(tmp_path, kind):
    path = sound_files.write(
        tmp_path / "a",
        _tone(440, 48000, 1),
        48000,
        format="OGG" if kind == "opus" else "WAV",
        subtype="OPUS" if kind == "opus" else "PCM_16",
    )
    code = (
        "import sys; from ofa_aec_tf import audio;"
        f"audio.load_audio({str(path)!r}, 32000);"
        "print([n in sys.modules for n in ('av', 'tensorflow')])"
    )
    output = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True
    )
    has_av = "av" in sys.modules or _is_installed("av")
    assert output.stdout.split() == [
        f"[{kind == 'opus' and has_av},",
        "False]",
    ]


def _is_installed(name):
    try:
        __import__(name)
    except ImportError:
        return False
    return True


def _notes(path, **options):
    return audio.read_audio(path, 32000, **options).notes


def test_silence_is_noted_with_an_offset_too(tmp_path):
    for offset, spread in itertools.product((0.0, 0.25), (0.0, 9e-6)):
        samples = np.full(32000, offset, np.float32)
        samples[::2] += spread
        samples[1::2] -= spread
        path = tmp_path / "a.wav"
        sound_files.write(path, samples, 32000, subtype="FLOAT")
        assert _notes(path) == ("silent",)
    samples[::2] = 1.2e-5
    samples[1::2] = -1.2e-5
    sound_files.write(path, samples, 32000, subtype="FLOAT")
    assert _notes(path) == ()


def test_what_is_noted_is_in_the_wanted_part(tmp_path):
    samples = np.zeros(32000 * 3, np.float32)
    # Next to the part, where the resampler would see it.
    samples[: 32000 - 1] = sound_files.noise(1, 32000)[:-1]
    samples[2 * 32000 + 1] = 1.5
    path = tmp_path / "a.wav"
    sound_files.write(path, samples, 32000, subtype="FLOAT")
    assert _notes(path, start_seconds=1.0, max_seconds=1.0) == ("silent",)
    assert _notes(path) == ("over_full_scale",)
    assert _notes(path, max_seconds=1.0) == ()


def test_a_low_rate_is_noted(tmp_path):
    path = tmp_path / "a.wav"
    for rate_hz, expected in ((31999, ("low_sample_rate",)), (32000, ())):
        sound_files.write(path, sound_files.noise(1, rate_hz), rate_hz)
        assert _notes(path) == expected


def test_decoders_write_nothing(tmp_path, capfd):
    pytest.importorskip("av")
    path = sound_files.write_m4a(tmp_path / "a.m4a", sound_files.noise(2))
    content = bytearray(path.read_bytes())
    content[3000:3100] = bytes(100)
    path.write_bytes(content)
    try:
        audio.load_audio(path, 32000)
    except audio.AudioError:
        pass
    assert capfd.readouterr() == ("", "")


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
