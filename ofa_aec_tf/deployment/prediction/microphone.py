"""Sound events from a microphone, as they happen.

`sounddevice` (the extra `microphone`) is imported only to open a device. The
rest works with any blocks of raw audio samples and the times of their ends.
"""

import contextlib
import dataclasses
import math
import queue
import time
from collections.abc import Iterable
from collections.abc import Iterator

import numpy as np
import soxr

from ofa_aec_tf.deployment.prediction import file_prediction
from ofa_aec_tf.deployment.prediction.events import EventSelector
from ofa_aec_tf.deployment.prediction.file_prediction import WindowPrediction
from ofa_aec_tf.deployment.prediction.scorers import Scorer

_INSTALLATION = "pip install 'ofa_aec_tf[microphone]'"
_BLOCK_SECONDS = 0.1
# Sound that may wait to be scored. Blocks beyond that are lost, and counted.
_MAX_WAITING_SECONDS = 30
# A device that is unplugged gives no more blocks, and no error.
_DEVICE_TIMEOUT_SECONDS = 5
# How often to check whether the microphone has been stopped.
_LOOK_SECONDS = 0.1


@dataclasses.dataclass(frozen=True)
class TimedBlock:
    """A block of samples of a microphone.

    Args:
        end_time_seconds: float. When the last sample arrived, in seconds
            since the epoch.
        waveform: float32 array of shape (num_samples,), full scale at 1.
    """

    end_time_seconds: float
    waveform: np.ndarray


class Microphone:
    """An open microphone.

    Args:
        sample_rate_hz: int. Rate of `blocks`.

    Attributes:
        num_lost_blocks: int. Blocks lost so far, as they were not taken in
            time.
    """

    def __init__(self, sample_rate_hz: int):
        self.sample_rate_hz = sample_rate_hz
        self.num_lost_blocks = 0
        self._is_stopped = False
        self._waiting = queue.Queue(
            maxsize=round(_MAX_WAITING_SECONDS / _BLOCK_SECONDS)
        )

    def receive(self, samples, unused_num_frames, unused_time, status):
        """Callback of the device, in a thread of its own.

        Args:
            samples: float32 array of shape (num_frames, 1). The device will
                reuse it.
            status: sounddevice.CallbackFlags.
        """
        if status.input_overflow:
            self.num_lost_blocks += 1
        block = TimedBlock(time.time(), samples[:, 0].copy())
        try:
            self._waiting.put_nowait(block)
        except queue.Full:
            self.num_lost_blocks += 1

    def stop(self) -> None:
        """Ends `blocks`. A signal handler may call it."""
        self._is_stopped = True

    def blocks(self) -> Iterator[TimedBlock]:
        """The blocks of the device, until it is stopped.

        Raises:
            ValueError: if the device gives no more blocks.
        """
        last_seconds = time.monotonic()
        while not self._is_stopped:
            try:
                block = self._waiting.get(timeout=_LOOK_SECONDS)
                yield block
                # Processing the block takes time that does not count.
                last_seconds = time.monotonic()
            except queue.Empty:
                waited_seconds = time.monotonic() - last_seconds
                if waited_seconds < _DEVICE_TIMEOUT_SECONDS:
                    continue
                raise ValueError(
                    "The microphone has given no sound for "
                    f"{_DEVICE_TIMEOUT_SECONDS} s. Connect it again."
                ) from None


@contextlib.contextmanager
def open_microphone(
    sample_rate_hz: int, device: str | int | None = None
) -> Iterator[Microphone]:
    """Opens a device; a context manager.

    Args:
        sample_rate_hz: int. Preferred rate. A device without it is opened at
            its own rate.
        device: str, int or None. Part of its name, its number, or None for
            the default of the system.

    Yields:
        Microphone.

    Raises:
        ValueError: if sounddevice is not installed, or there is no device.
    """
    try:
        import sounddevice
    # OSError: PortAudio, which it needs, is not installed.
    except (ImportError, OSError) as error:
        raise ValueError(
            f"--microphone needs sounddevice: {_INSTALLATION}; on Linux also "
            f"PortAudio (apt install libportaudio2). Received: {error}"
        ) from error
    settings = {"device": device, "channels": 1, "dtype": "float32"}
    try:
        rate_hz = _supported_rate(sounddevice, sample_rate_hz, settings)
        microphone = Microphone(rate_hz)
        stream = sounddevice.InputStream(
            samplerate=rate_hz,
            blocksize=round(_BLOCK_SECONDS * rate_hz),
            callback=microphone.receive,
            **settings,
        )
        stream.start()
    except (sounddevice.PortAudioError, ValueError) as error:
        raise ValueError(
            f"The microphone cannot be opened: {error}. `python -m "
            "sounddevice` lists the devices, for --microphone_device."
        ) from error
    try:
        yield microphone
    finally:
        stream.close()


def _supported_rate(sounddevice, sample_rate_hz, settings) -> int:
    try:
        sounddevice.check_input_settings(samplerate=sample_rate_hz, **settings)
    except sounddevice.PortAudioError:
        found = sounddevice.query_devices(settings["device"], "input")
        return round(found["default_samplerate"])
    return sample_rate_hz


def resample(
    blocks: Iterable[TimedBlock], from_rate_hz: int, to_rate_hz: int
) -> Iterator[TimedBlock]:
    """Resamples consecutive blocks.

    Args:
        blocks: iterable of TimedBlock.
        from_rate_hz: int.
        to_rate_hz: int.

    Yields:
        TimedBlock; the last milliseconds of each come with the next.
    """
    if from_rate_hz == to_rate_hz:
        yield from blocks
        return
    stream = soxr.ResampleStream(
        from_rate_hz, to_rate_hz, 1, dtype="float32", quality="HQ"
    )
    for block in blocks:
        yield TimedBlock(
            block.end_time_seconds, stream.resample_chunk(block.waveform)
        )


def listen(
    blocks: Iterable[TimedBlock],
    scorer: Scorer,
    selector: EventSelector,
    hop_samples: int,
    silence_dbfs: float,
    max_seconds: float | None = None,
) -> Iterator[tuple[float, WindowPrediction]]:
    """Predicts the events of each window as soon as it is complete.

    Args:
        blocks: iterable of TimedBlock at `scorer.sample_rate_hz`.
        scorer: Scorer.
        selector: EventSelector.
        hop_samples: int. Distance between the starts of two windows.
        silence_dbfs: float. Windows with a peak below this are not scored.
        max_seconds: float or None. How long to listen.

    Yields:
        tuple of the start time of the window, in seconds since the epoch, and
        its WindowPrediction.
    """
    rate_hz = scorer.sample_rate_hz
    max_samples = math.inf
    if max_seconds is not None:
        max_samples = round(max_seconds * rate_hz)
    num_heard = 0
    end_time_seconds = 0.0

    def waveforms():
        nonlocal num_heard, end_time_seconds
        for block in blocks:
            end_time_seconds = block.end_time_seconds
            num_heard += len(block.waveform)
            if num_heard < max_samples:
                yield block.waveform
                continue
            yield block.waveform[
                : len(block.waveform) - num_heard + max_samples
            ]
            return

    for window in file_prediction.score_windows(
        # The events of a window are wanted before the next one.
        waveforms(),
        scorer,
        hop_samples,
        silence_dbfs,
        windows_per_batch=1,
    ):
        # The window ended in the last block that was taken.
        ago_seconds = num_heard / rate_hz - window.start_seconds
        yield (
            end_time_seconds - ago_seconds,
            file_prediction.predict_window(window, selector),
        )
