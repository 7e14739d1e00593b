"""A job that is killed again and again ends as if it had not been."""

import hashlib
import os
import signal
import subprocess
import time

import numpy as np
import pytest
import soundfile

from data_pipeline import job
from tests import commands

_NUM_CLIPS = 400
_NUM_SHARDS = 40
_NUM_KILLS = 20


def _write_corpus(directory):
    """Sub-directories of two classes; every tenth file is not audio."""
    for index in range(_NUM_CLIPS):
        path = directory / ("cat", "dog")[index % 2] / f"{index}.wav"
        path.parent.mkdir(parents=True, exist_ok=True)
        if index % 10 == 7:
            path.write_bytes(b"<html>not found</html>")
        else:
            noise = np.random.default_rng(index).uniform(-0.5, 0.5, 16000)
            soundfile.write(path, noise, 16000)


def _arguments(audio_dir, output_dir):
    return [
        "data_pipeline.preprocess",
        "--source=folder",
        f"--audio_dir={audio_dir}",
        f"--output_dir={output_dir}",
        "--clip_seconds=10",
        f"--num_shards={_NUM_SHARDS}",
        "--num_workers=2",
    ]


def _contents(directory):
    return {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest()
        for path in directory.iterdir()
        # It names the directory.
        if path.name != "flags.cfg"
    }


def _wait_for_new_file(directory, known, process):
    """Waits until the job writes; its start would survive any kill."""
    while process.poll() is None:
        if directory.is_dir():
            names = {path.name for path in directory.iterdir()}
            if names - known - {job.PLAN}:
                return
        time.sleep(0.01)


@pytest.mark.slow
def test_twenty_kills_leave_no_trace(tmp_path):
    audio_dir, output_dir = tmp_path / "audio", tmp_path / "killed"
    _write_corpus(audio_dir)
    whole = commands.run(*_arguments(audio_dir, tmp_path / "whole"))
    assert whole.returncode == 0, whole.stderr
    rng = np.random.default_rng(0)
    known: set[str] = set()
    num_killed = 0
    for _ in range(_NUM_KILLS):
        process = subprocess.Popen(
            commands.command(*_arguments(audio_dir, output_dir)),
            cwd=commands.ROOT,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        _wait_for_new_file(output_dir, known, process)
        time.sleep(rng.uniform(0, 0.3))
        num_killed += process.poll() is None
        # Half of the time its workers have to notice by themselves.
        if rng.random() < 0.5:
            process.kill()
        else:
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        known = {path.name for path in output_dir.iterdir()}
    assert num_killed == _NUM_KILLS
    last = commands.run(*_arguments(audio_dir, output_dir))
    assert last.returncode == 0, last.stderr
    assert _contents(output_dir) == _contents(tmp_path / "whole")
