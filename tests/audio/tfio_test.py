"""Tests of decoding with tensorflow-io.

`make test-tfio` runs those that need it, in an environment of their own.
"""

import sys

import numpy as np
import pytest

from ofa_aec_tf import audio
from tests.audio import sound_files


@pytest.fixture
def tfio():
    """Skips a test where tensorflow-io is not installed."""
    return pytest.importorskip("tensorflow_io")


def _samples():
    """Three seconds of stereo: more than one block of the decoder."""
    return np.stack(
        [
            sound_files.tone(3),
            0.4 * sound_files.tone(3, frequency_hz=700),
        ],
        axis=1,
    )


def _write(path, container, subtype, samples=None):
    return sound_files.write(
        path,
        _samples() if samples is None else samples,
        format=container,
        subtype=subtype,
    )


_FORMATS = [
    ("WAV", "PCM_U8", 0),
    ("WAV", "PCM_16", 0),
    ("WAV", "PCM_24", 0),
    ("WAV", "FLOAT", 0),
    ("FLAC", "PCM_16", 0),
    ("FLAC", "PCM_24", 0),
    ("OGG", "VORBIS", 1e-6),
    # It reads MP3 in blocks, and is not exact where they begin.
    ("MP3", None, 5e-3),
]


@pytest.mark.tfio
@pytest.mark.parametrize(("container", "subtype", "tolerance"), _FORMATS)
def test_it_agrees_with_libsndfile(
    tfio, tmp_path, container, subtype, tolerance
):
    path = _write(tmp_path / "a", container, subtype)
    expected = audio.read_audio(path, 32000, decoder="soundfile")
    recording = audio.read_audio(path, 32000, decoder="tfio")
    np.testing.assert_allclose(
        recording.waveform, expected.waveform, atol=tolerance
    )
    assert recording.notes == expected.notes == ()


@pytest.mark.tfio
@pytest.mark.parametrize("container", ["WAV", "FLAC", "OGG"])
def test_a_part_is_what_the_whole_file_has_there(tfio, tmp_path, container):
    path = _write(tmp_path / "a", container, None)
    whole = audio.read_audio(path, 32000, decoder="tfio").waveform
    part = audio.read_audio(path, 32000, 0.5, 1.7, "tfio").waveform
    np.testing.assert_allclose(part, whole[54400:70400], atol=1e-5)


@pytest.mark.tfio
@pytest.mark.parametrize(
    ("make", "code"),
    [
        (lambda content: b"<html>404</html>" * 50, "undecodable"),
        (lambda content: content[:4], "undecodable"),
        (lambda content: content[: len(content) // 2], "undecodable"),
        (lambda content: content[:44], "undecodable"),
    ],
    ids=["html", "part of a header", "half a file", "a header"],
)
def test_what_it_cannot_read_is_undecodable(tfio, tmp_path, make, code):
    path = _write(tmp_path / "a.wav", "WAV", "PCM_16")
    path.write_bytes(make(path.read_bytes()))
    with pytest.raises(audio.AudioError, match="tensorflow-io: .*") as raised:
        audio.read_audio(path, 32000, decoder="tfio")
    assert raised.value.code == code


@pytest.mark.tfio
def test_a_file_without_samples(tfio, tmp_path):
    path = _write(tmp_path / "a.wav", "WAV", "PCM_16", np.zeros((0, 2)))
    with pytest.raises(audio.AudioError) as raised:
        audio.read_audio(path, 32000, decoder="tfio")
    assert raised.value.code == "no_samples"


@pytest.fixture
def not_imported(monkeypatch):
    """Lets the decoder be imported anew, and forgotten."""
    monkeypatch.delitem(
        sys.modules, "ofa_aec_tf.audio.tfio_decoder", raising=False
    )
    monkeypatch.delattr(audio, "tfio_decoder", raising=False)


class _Mismatched:
    """A tensorflow-io beside a TensorFlow that it was not built for."""

    class audio:
        @staticmethod
        def decode_wav(content, dtype):
            raise NotImplementedError("unable to open file: libtensorflow_io")


@pytest.mark.parametrize(
    ("module", "received"),
    [
        (None, "ModuleNotFoundError"),
        (_Mismatched, "NotImplementedError: unable to open file"),
    ],
    ids=["missing", "mismatched"],
)
def test_where_it_does_not_work_its_environment_is_named(
    tmp_path, monkeypatch, not_imported, module, received
):
    path = _write(tmp_path / "a.wav", "WAV", "PCM_16")
    monkeypatch.setitem(sys.modules, "tensorflow_io", module)
    with pytest.raises(
        ValueError, match=f"2.16.*`make test-tfio`.*Received: {received}"
    ) as raised:
        audio.read_audio(path, 32000, decoder="tfio")
    # One bad installation, and not a thousand bad files.
    assert not isinstance(raised.value, audio.AudioError)
