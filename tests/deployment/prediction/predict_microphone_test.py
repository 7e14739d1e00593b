"""The command with a device that is played by a module of its own."""

import datetime
import json
import signal

import numpy as np
import pytest
import soundfile

from tests.deployment import predict_command

# Stands where the package would be: three seconds of noise after a second of
# silence, as fast as they are taken, and then the device waits.
_FAKE_SOUNDDEVICE = """
import threading
import types

import numpy as np


class PortAudioError(Exception):
    pass


def check_input_settings(device, channels, dtype, samplerate):
    if samplerate != {rate_hz}:
        raise PortAudioError("Invalid sample rate")


def query_devices(device, kind):
    return {{"default_samplerate": {rate_hz}.0}}


class InputStream:
    def __init__(self, samplerate, blocksize, callback, **unused_settings):
        self._args = samplerate, blocksize, callback

    def start(self):
        threading.Thread(target=self._play, daemon=True).start()

    def _play(self):
        rate_hz, size, callback = self._args
        rng = np.random.default_rng(0)
        sound = rng.normal(0, 0.1, (4 * rate_hz, 1)).astype(np.float32)
        sound[:rate_hz] = 0
        flags = types.SimpleNamespace(input_overflow=False)
        for start in range(0, len(sound), size):
            callback(sound[start : start + size], size, None, flags)

    def close(self):
        pass
"""


def _put_device(directory, rate_hz):
    source = _FAKE_SOUNDDEVICE.format(rate_hz=rate_hz)
    (directory / "sounddevice.py").write_text(source)
    return {"PYTHONPATH": str(directory)}


@pytest.mark.parametrize("rate_hz", [32000, 48000])
def test_events_are_printed_with_the_time(predicting, tmp_path, rate_hz):
    begin = datetime.datetime.now().astimezone()
    result = predict_command.run(
        f"--model={predicting.tflite_path}",
        "--microphone",
        "--microphone_seconds=3",
        "--top_k=2",
        "--format=json",
        **_put_device(tmp_path, rate_hz),
    )
    assert result.returncode == 0, result.stderr
    assert f"listening at {rate_hz} Hz" in result.stderr
    # Of three windows the first is silent.
    lines = [json.loads(line) for line in result.stdout.splitlines()]
    assert [len(line["events"]) for line in lines] == [2, 2]
    times = [datetime.datetime.fromisoformat(line["time"]) for line in lines]
    assert abs((times[0] - begin).total_seconds()) < 120
    assert times[0].tzinfo is not None


def test_a_microphone_hears_what_a_file_with_the_same_sound_has(
    predicting, tmp_path
):
    rng = np.random.default_rng(0)
    sound = rng.normal(0, 0.1, 4 * 32000).astype(np.float32)
    sound[:32000] = 0
    soundfile.write(tmp_path / "a.wav", sound, 32000, "FLOAT")
    arguments = (f"--model={predicting.tflite_path}", "--top_k=10")
    live = predict_command.run(
        *arguments,
        "--microphone",
        "--microphone_seconds=4",
        "--format=csv",
        **_put_device(tmp_path, 32000),
    )
    of_file = predict_command.run(
        *arguments, "--per_window", "--format=csv", tmp_path / "a.wav"
    )
    header, *rows = [line.split(",") for line in live.stdout.splitlines()]
    assert header == ["time", "rank", "class", "score"]
    # Without the row of the silent window.
    expected = [line.split(",") for line in of_file.stdout.splitlines()[2:]]
    assert len(rows) == 30
    assert [row[1:4] for row in rows] == [row[1:4] for row in expected]


def test_ctrl_c_ends_it_in_order(predicting, tmp_path):
    process = predict_command.start(
        f"--model={predicting.tflite_path}",
        "--microphone",
        **_put_device(tmp_path, 32000),
    )
    try:
        # Of the first window that is not silent.
        assert "event" in process.stdout.readline()
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == 0, errors
    assert "Traceback" not in errors


def test_without_the_package_there_is_one_line(predicting, tmp_path):
    (tmp_path / "sounddevice.py").write_text("raise ImportError('absent')")
    result = predict_command.run(
        f"--model={predicting.tflite_path}",
        "--microphone",
        PYTHONPATH=str(tmp_path),
    )
    assert result.returncode == 2
    (line,) = result.stderr.splitlines()
    assert line.startswith("error: --microphone needs sounddevice: pip install")
