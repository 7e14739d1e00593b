import sys
import time
import types

import numpy as np
import pytest
import soxr

from ofa_aec_tf.deployment.prediction import microphone
from ofa_aec_tf.deployment.prediction.events import EventSelector
from ofa_aec_tf.deployment.prediction.microphone import TimedBlock
from ofa_aec_tf.deployment.prediction.scorers import Scorer

RATE_HZ = 16000
SELECTOR = EventSelector(["peak"], [0.3])
DEFAULT_DBFS = -70.0
NO_OVERFLOW = types.SimpleNamespace(input_overflow=False)


def _scorer(window_samples=RATE_HZ):
    return Scorer(
        lambda w: np.abs(w).max(axis=1, keepdims=True), window_samples, RATE_HZ
    )


def _blocks(waveform, block_samples=1600, first_time=1000.0):
    """Blocks that are there at once after their last sample."""
    for start in range(0, len(waveform), block_samples):
        block = waveform[start : start + block_samples]
        seconds = (start + len(block)) / RATE_HZ
        yield TimedBlock(first_time + seconds, block.astype(np.float32))


def _listen(blocks, hop_samples=RATE_HZ // 2, max_seconds=None):
    return list(
        microphone.listen(
            blocks, _scorer(), SELECTOR, hop_samples, DEFAULT_DBFS, max_seconds
        )
    )


@pytest.mark.parametrize("block_samples", [160, 1600, 7000])
def test_windows_have_the_time_at_which_they_began(block_samples):
    waveform = np.zeros(3 * RATE_HZ)
    # At 1.25 s: in the windows from 0.5 s and from 1 s on.
    waveform[20000] = 0.7
    heard = _listen(_blocks(waveform, block_samples))
    times = [start_time for start_time, _ in heard]
    np.testing.assert_allclose(times, 1000 + np.arange(5) / 2, atol=1e-9)
    assert [len(window.events) for _, window in heard] == [0, 1, 1, 0, 0]
    assert [window.is_silent for _, window in heard] == [
        True,
        False,
        False,
        True,
        True,
    ]
    assert heard[1][1].events[0].score == pytest.approx(0.7)


def test_a_window_is_scored_before_the_next_block_is_taken():
    num_taken = 0

    def blocks():
        nonlocal num_taken
        for block in _blocks(0.5 * np.ones(5 * RATE_HZ)):
            num_taken += 1
            yield block

    heard = microphone.listen(
        blocks(), _scorer(), SELECTOR, RATE_HZ, DEFAULT_DBFS
    )
    next(heard)
    assert num_taken == 10


def test_listening_ends_after_the_wanted_time():
    def endless():
        yield from _blocks(np.tile([0.5, -0.5], 20 * RATE_HZ))
        raise AssertionError("listened too long")

    assert len(_listen(endless(), RATE_HZ, max_seconds=2.0)) == 2
    # Half a window more.
    assert len(_listen(endless(), RATE_HZ, max_seconds=2.5)) == 3
    assert len(_listen(endless(), RATE_HZ, max_seconds=2.4)) == 2


def test_blocks_of_another_rate_are_resampled_as_one_sound():
    rng = np.random.default_rng(0)
    waveform = rng.uniform(-0.5, 0.5, 44100).astype(np.float32)
    blocks = [
        TimedBlock(number, waveform[start : start + 4410])
        for number, start in enumerate(range(0, 44100, 4410))
    ]
    resampled = list(microphone.resample(blocks, 44100, RATE_HZ))
    assert [block.end_time_seconds for block in resampled] == list(range(10))
    found = np.concatenate([block.waveform for block in resampled])
    expected = soxr.resample(waveform, 44100, RATE_HZ, "HQ")
    # The filter waits for what follows the last sample.
    assert len(expected) - len(found) < 0.05 * RATE_HZ
    np.testing.assert_array_equal(found, expected[: len(found)])
    assert list(microphone.resample(blocks, RATE_HZ, RATE_HZ)) == blocks


class _FakeSounddevice(types.ModuleType):
    """A device of some rates, that plays back a waveform when started."""

    class PortAudioError(Exception):
        pass

    def __init__(self, rates_hz=(16000, 48000), waveform=None):
        super().__init__("sounddevice")
        self._rates_hz = rates_hz
        self._waveform = waveform
        self.opened = []
        self.num_closed = 0
        module = self

        class InputStream:
            def __init__(self, **settings):
                module.check_input_settings(
                    settings["device"],
                    settings["channels"],
                    settings["dtype"],
                    samplerate=settings["samplerate"],
                )
                module.opened.append(settings)
                self._settings = settings

            def start(self):
                size = self._settings["blocksize"]
                samples = np.zeros((size, 1), np.float32)
                for start in range(0, len(module._waveform), size):
                    # The same memory for every block, as PortAudio does.
                    samples[:, 0] = module._waveform[start : start + size]
                    self._settings["callback"](samples, size, None, NO_OVERFLOW)

            def close(self):
                module.num_closed += 1

        self.InputStream = InputStream

    def check_input_settings(
        self, device=None, channels=None, dtype=None, samplerate=None
    ):
        if device == "gone":
            raise ValueError("No input device matching 'gone'")
        if samplerate not in self._rates_hz:
            raise self.PortAudioError("Invalid sample rate")

    def query_devices(self, device=None, kind=None):
        if not self._rates_hz:
            raise self.PortAudioError("Error querying device -1")
        return {"default_samplerate": float(self._rates_hz[-1])}


@pytest.fixture
def install(monkeypatch):
    def put(module):
        monkeypatch.setitem(sys.modules, "sounddevice", module)
        return module

    return put


def test_a_device_gives_its_blocks_at_the_rate_of_the_model(install):
    waveform = np.arange(4800, dtype=np.float32) / 4800
    module = install(_FakeSounddevice(waveform=waveform))
    before = time.time()
    with microphone.open_microphone(RATE_HZ, "USB") as source:
        assert source.sample_rate_hz == RATE_HZ
        stream = source.blocks()
        blocks = [next(stream) for _ in range(3)]
        assert module.num_closed == 0
    np.testing.assert_array_equal(
        np.concatenate([block.waveform for block in blocks]), waveform
    )
    assert before <= blocks[0].end_time_seconds <= time.time()
    (settings,) = module.opened
    assert (settings["device"], settings["channels"]) == ("USB", 1)
    assert (settings["samplerate"], settings["blocksize"]) == (16000, 1600)
    assert source.num_lost_blocks == 0
    assert module.num_closed == 1


def test_a_device_without_the_rate_is_opened_at_its_own(install):
    module = install(_FakeSounddevice([44100, 48000], np.zeros(4800)))
    with microphone.open_microphone(RATE_HZ) as source:
        assert source.sample_rate_hz == 48000
    assert module.opened[0]["samplerate"] == 48000


def test_sound_that_nobody_takes_is_counted_as_lost(install):
    # 30 s may wait.
    install(_FakeSounddevice(waveform=np.zeros(32 * RATE_HZ)))
    with microphone.open_microphone(RATE_HZ) as source:
        assert source.num_lost_blocks == 20
        source.receive(
            np.zeros((1600, 1)),
            1600,
            None,
            types.SimpleNamespace(input_overflow=True),
        )
    assert source.num_lost_blocks == 22


def test_a_stopped_device_gives_no_further_block(install):
    install(_FakeSounddevice(waveform=np.zeros(4800)))
    with microphone.open_microphone(RATE_HZ) as source:
        stream = source.blocks()
        next(stream)
        source.stop()
        assert not list(stream)


def test_a_device_that_falls_silent_for_good_is_reported(monkeypatch):
    monkeypatch.setattr(microphone, "_DEVICE_TIMEOUT_SECONDS", 0.01)
    with pytest.raises(ValueError, match="no sound for 0.01 s"):
        next(microphone.Microphone(RATE_HZ).blocks())


@pytest.mark.parametrize(
    ("rates_hz", "device", "message"),
    [
        ((), None, "Error querying device"),
        ((16000,), "gone", "No input device matching 'gone'"),
    ],
    ids=["no device", "unknown device"],
)
def test_a_device_that_cannot_be_opened_is_one_line(
    install, rates_hz, device, message
):
    install(_FakeSounddevice(rates_hz))
    with pytest.raises(ValueError, match=f"cannot be opened: {message}"):
        with microphone.open_microphone(RATE_HZ, device):
            pass


def test_without_sounddevice_the_installation_is_named(install):
    install(None)
    with pytest.raises(ValueError, match=r"pip install 'ofa_aec_tf\[microph"):
        with microphone.open_microphone(RATE_HZ):
            pass
