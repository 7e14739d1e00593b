"""A job that is killed again and again ends as if it had not been."""

import hashlib
import signal
import subprocess
import time

import numpy as np
import pytest
import soundfile

from data_pipeline.jobs import job
from data_pipeline.reports import findings
from ofa_aec_tf.data.dataset_info import DatasetInfo
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
        # Every tenth is none that can be decoded.
        "--max_bad_fraction=0.1",
    ]


def _contents(directory):
    return {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest()
        for path in directory.iterdir()
        # It names the directory.
        if path.name != "flags.cfg"
    }


def _names(directory):
    return {path.name for path in directory.iterdir()}


def _wait_for_new_file(directory, known, process):
    """Waits until the job writes; its start would survive any kill."""
    while process.poll() is None:
        if directory.is_dir():
            new = _names(directory) - known
            if any(not name.startswith(job.PLAN) for name in new):
                return
        time.sleep(0.01)


def _kill_in_the_middle(arguments, output_dir, known, rng):
    """Starts a job and kills it while it writes; whether it was running."""
    process = subprocess.Popen(
        commands.command(*arguments),
        cwd=commands.ROOT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    _wait_for_new_file(output_dir, known, process)
    time.sleep(rng.uniform(0, 0.3))
    was_running = process.poll() is None
    # Half of the time its workers have to notice by themselves.
    if rng.random() < 0.5:
        process.kill()
    else:
        commands.signal_group(process.pid, signal.SIGKILL)
    process.wait()
    return was_running


@pytest.mark.long
def test_twenty_kills_leave_no_trace(tmp_path):
    audio_dir, output_dir = tmp_path / "audio", tmp_path / "killed"
    _write_corpus(audio_dir)
    whole = commands.run(*_arguments(audio_dir, tmp_path / "whole"))
    assert whole.returncode == 0, whole.stderr
    rng = np.random.default_rng(0)
    known: set[str] = set()
    num_killed = 0
    for _ in range(_NUM_KILLS):
        num_killed += _kill_in_the_middle(
            _arguments(audio_dir, output_dir), output_dir, known, rng
        )
        known = _names(output_dir)
    assert num_killed == _NUM_KILLS
    last = commands.run(*_arguments(audio_dir, output_dir))
    assert last.returncode == 0, last.stderr
    assert _contents(output_dir) == _contents(tmp_path / "whole")


def _assert_whole(output_dir, num_clips):
    """A data set can be read and verified."""
    info = DatasetInfo.read(output_dir)
    assert sum(s.num_clips for s in info.splits.values()) == num_clips
    reports = list(findings.verify_shards(output_dir, info))
    assert not any(report.findings for report in reports)
    assert not findings.verify_whole(output_dir, info, reports)


@pytest.mark.long
def test_a_finished_data_set_can_be_read_after_each_of_twenty_kills(tmp_path):
    audio_dir, output_dir = tmp_path / "audio", tmp_path / "killed"
    _write_corpus(audio_dir)
    first = commands.run(*_arguments(audio_dir, output_dir))
    assert first.returncode == 0, first.stderr
    num_clips = _NUM_CLIPS * 9 // 10
    _assert_whole(output_dir, num_clips)
    # Another decoder has other keys: all is decoded and written again.
    arguments = [
        *_arguments(audio_dir, output_dir),
        "--decoder=soundfile",
        "--overwrite",
    ]
    rng = np.random.default_rng(1)
    known = _names(output_dir)
    num_killed = 0
    for _ in range(_NUM_KILLS):
        num_killed += _kill_in_the_middle(arguments, output_dir, known, rng)
        _assert_whole(output_dir, num_clips)
        known = _names(output_dir)
    assert num_killed
    # And once without the audio.
    audio_dir.rename(tmp_path / "unmounted")
    audio_dir.mkdir()
    gone = commands.run(*arguments)
    assert gone.returncode == 2
    _assert_whole(output_dir, num_clips)
    audio_dir.rmdir()
    (tmp_path / "unmounted").rename(audio_dir)
    last = commands.run(*arguments)
    assert last.returncode == 0, last.stderr
    whole = commands.run(
        *_arguments(audio_dir, tmp_path / "whole"), "--decoder=soundfile"
    )
    assert whole.returncode == 0, whole.stderr
    assert _contents(output_dir) == _contents(tmp_path / "whole")
