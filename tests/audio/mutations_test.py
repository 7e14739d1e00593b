"""Tests that no damage to a file gets past the reader."""

import numpy as np
import pytest

from ofa_aec_tf import audio
from tests.audio import mutations
from tests.audio import sound_files

_SECONDS = 0.6
# Mono and stereo alternate. None stands for what only FFmpeg can write.
_KINDS = {
    "wav": {"format": "WAV"},
    "flac": {"format": "FLAC"},
    "ogg": {"format": "OGG"},
    "mp3": {"format": "MP3"},
    "opus": {"format": "OGG", "subtype": "OPUS"},
    "m4a": None,
    "webm": None,
}


def _make(path, kind):
    """A small file with sound that is neither noise nor a tone."""
    rate_hz = 48000 if kind in ("opus", "webm") else 44100
    samples = sound_files.tone(_SECONDS, rate_hz)
    samples *= sound_files.noise(_SECONDS, rate_hz)
    if _KINDS[kind] is None:
        pytest.importorskip("av")
        write = {
            "m4a": sound_files.write_m4a,
            "webm": sound_files.write_webm,
        }[kind]
        return write(path, samples).read_bytes()
    stereo = np.stack([samples, samples[::-1]], axis=1)
    return sound_files.write(path, stereo, rate_hz, **_KINDS[kind]).read_bytes()


def _check(path, content, options):
    path.write_bytes(content)
    try:
        recording = audio.read_audio(path, 32000, **options)
    except audio.AudioError as error:
        return error.code
    assert recording.waveform.dtype == np.float32
    assert recording.waveform.ndim == 1
    assert len(recording.waveform)
    assert np.isfinite(recording.waveform).all()
    return "read"


_PARTS = ({}, {"max_seconds": 0.3}, {"max_seconds": 0.2, "start_seconds": 0.25})


def _run(tmp_path, kind, number):
    original = _make(tmp_path / "original", kind)
    assert _check(tmp_path / "copy", original, {}) == "read"
    outcomes = set()
    for index in range(number):
        rng = np.random.default_rng([index, *kind.encode()])
        outcomes.add(
            _check(
                tmp_path / "mutated",
                mutations.mutate(original, index, rng),
                _PARTS[rng.integers(len(_PARTS))],
            )
        )
    # The damage was neither always nor never fatal.
    assert {"read", "undecodable"} <= outcomes


@pytest.mark.parametrize("kind", _KINDS)
def test_a_damaged_file_gives_samples_or_an_audio_error(tmp_path, kind):
    _run(tmp_path, kind, 30)


@pytest.mark.slow
@pytest.mark.parametrize("kind", _KINDS)
def test_many_damaged_files_give_samples_or_an_audio_error(tmp_path, kind):
    _run(tmp_path, kind, 300)


@pytest.mark.parametrize("kind", ["wav", "flac", "ogg", "mp3", "opus"])
def test_damage_is_met_without_av_too(tmp_path, kind, without_av):
    _run(tmp_path, kind, 30)
