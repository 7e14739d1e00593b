"""Tests of the Beam runner: the same bytes as the pool, on any runner."""

import dataclasses
import errno
import hashlib
import os
import pathlib
import socket
import subprocess
import sys
import time

import numpy as np
import pytest
import soundfile

pytest.importorskip("apache_beam")

from data_pipeline.clips.clip import ClipRow
from data_pipeline.jobs import job
from data_pipeline.runners import beam_runner
from data_pipeline.runners.beam_runner import BeamRunner
from data_pipeline.shards.config import PreprocessConfig
from ofa_aec_tf.audio.frontend import FrontendConfig
from ofa_aec_tf.data.class_map import ClassMap
from tests.data_pipeline.fake_clips import FakeClip

_CONFIG = PreprocessConfig(
    FrontendConfig(8000, 256, 80, 16, 50.0, 4000.0),
    0.25,
    ClassMap(("cat", "dog")),
    "multi_label",
)
_ROOT = pathlib.Path(__file__).resolve().parents[3]


@pytest.fixture
def rows(tmp_path):
    """20 rows, of which the last names no file."""
    made = []
    for index in range(20):
        path = tmp_path / f"{index}.wav"
        noise = np.random.default_rng(index).uniform(-0.5, 0.5, 2000)
        soundfile.write(path, noise, 8000, "FLOAT")
        made.append(ClipRow(path.name, str(path), ("dog",), "train"))
    os.unlink(made[-1].path)
    return made


def _run(rows, output_dir, runner=None):
    return job.run(
        rows,
        _CONFIG,
        output_dir,
        {"source": "csv"},
        job.Terms(num_shards=3, max_bad_fraction=1.0),
        runner,
    )


def _contents(directory):
    return {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest()
        for path in directory.iterdir()
    }


@pytest.mark.parametrize(
    "runner",
    [
        BeamRunner("FnApiRunner", ("--direct_running_mode=in_memory",)),
        BeamRunner("FnApiRunner", num_workers=2),
        BeamRunner("DirectRunner", ("--direct_running_mode=multi_threading",)),
        BeamRunner(
            "PortableRunner",
            ("--job_endpoint=embed", "--environment_type=LOOPBACK"),
        ),
    ],
    ids=lambda runner: " ".join([runner.name, *runner.arguments]),
)
def test_beam_writes_the_same_bytes_as_the_pool(rows, tmp_path, runner):
    expected = _run(rows, tmp_path / "pool")
    result = _run(rows, tmp_path / "beam", runner)
    assert _contents(tmp_path / "beam") == _contents(tmp_path / "pool")
    assert result.dataset == expected.dataset
    assert result.num_reused == 0
    assert result.report["skipped"] == {"missing": 1}


def test_beam_keeps_finished_shards(rows, tmp_path):
    first = _run(rows, tmp_path / "out")
    before = _contents(tmp_path / "out")
    shard = first.dataset.splits["train"].shards[1]
    (tmp_path / "out" / f"{shard.file}.json").unlink()
    runner = BeamRunner("FnApiRunner", ("--direct_running_mode=in_memory",))
    again = _run(rows, tmp_path / "out", runner)
    assert again.num_reused == 19 - shard.num_records
    assert _contents(tmp_path / "out") == before


def test_an_unknown_flag_of_beam_is_refused():
    with pytest.raises(ValueError, match="flags of Apache Beam.*nonsense"):
        BeamRunner(arguments=("--nonsense=1",)).options()


def test_an_argument_that_is_no_flag_is_refused():
    with pytest.raises(ValueError, match="flags of Apache Beam.*flink_master"):
        BeamRunner(arguments=("flink_master=h:1",)).options()
    BeamRunner(arguments=("--job_name", "mine")).options()


@pytest.mark.parametrize(
    "name", ["DirectRunner", "directrunner", "fnApiRunner"]
)
def test_the_runner_that_downloads_is_replaced(name):
    options = BeamRunner(name, num_workers=3).options()
    values = options.get_all_options()
    assert values["runner"] == "FnApiRunner"
    assert values["direct_num_workers"] == 3


@dataclasses.dataclass(frozen=True)
class _Breaker(FakeClip):
    """A clip whose rendering is a fault of ours, and not of the audio."""

    def render(self, sample_rate_hz, num_samples):
        raise RuntimeError("out of luck")


def test_a_pipeline_that_fails_is_one_line(rows, tmp_path):
    runner = BeamRunner("FnApiRunner", ("--direct_running_mode=in_memory",))
    with pytest.raises(ChildProcessError, match="FnApiRunner.*out of luck"):
        _run([*rows, _Breaker("breaker")], tmp_path / "out", runner)
    assert not (tmp_path / "out" / "dataset.json").exists()


def test_a_full_disk_is_one_line(rows, tmp_path, monkeypatch, capfd):
    def fail(descriptor):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    # Neither a shard nor a receipt can be written.
    monkeypatch.setattr(os, "fsync", fail)
    runner = BeamRunner("FnApiRunner", ("--direct_running_mode=in_memory",))
    with pytest.raises(OSError, match="No space left.*train-0000.*are kept"):
        _run(rows, tmp_path / "out", runner)
    assert not capfd.readouterr().err
    assert not list((tmp_path / "out").iterdir())


@pytest.mark.parametrize("error", [None, RuntimeError("at the very end")])
def test_a_job_waits_for_the_end_of_its_pipeline(
    rows, tmp_path, monkeypatch, error
):
    ended = []

    class Late(beam_runner.beam.Pipeline):
        def run(self, *arguments, **options):
            result = super().run(*arguments, **options)
            # All files are there by now.
            time.sleep(2)
            ended.append(True)
            if error:
                raise error
            return result

    monkeypatch.setattr(beam_runner.beam, "Pipeline", Late)
    runner = BeamRunner("FnApiRunner", ("--direct_running_mode=in_memory",))
    if error:
        with pytest.raises(ChildProcessError, match="at the very end"):
            _run(rows, tmp_path / "out", runner)
    else:
        _run(rows, tmp_path / "out", runner)
    assert ended


def _free_port():
    with socket.socket() as listener:
        listener.bind(("localhost", 0))
        return listener.getsockname()[1]


def _wait_for_port(port, process, seconds=60):
    end_seconds = time.monotonic() + seconds
    while time.monotonic() < end_seconds and process.poll() is None:
        try:
            socket.create_connection(("localhost", port), 1).close()
        except OSError:
            time.sleep(0.1)
        else:
            return
    raise TimeoutError(f"nothing listens on port {port}")


@pytest.mark.slow
def test_a_job_service_and_a_worker_pool_of_their_own(rows, tmp_path):
    expected = _run(rows, tmp_path / "pool")
    job_port, worker_port = _free_port(), _free_port()
    # The pool starts `python` from the path.
    path = f"{pathlib.Path(sys.executable).parent}{os.pathsep}"
    environment = {**os.environ, "PATH": path + os.environ["PATH"]}
    services = []
    try:
        for port, arguments in (
            (
                job_port,
                (
                    "apache_beam.runners.portability.local_job_service_main",
                    f"--port={job_port}",
                ),
            ),
            (
                worker_port,
                (
                    "apache_beam.runners.worker.worker_pool_main",
                    f"--service_port={worker_port}",
                ),
            ),
        ):
            services.append(
                subprocess.Popen(
                    [sys.executable, "-m", *arguments],
                    cwd=_ROOT,
                    env=environment,
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL,
                )
            )
            _wait_for_port(port, services[-1])
        runner = BeamRunner(
            "PortableRunner",
            (
                f"--job_endpoint=localhost:{job_port}",
                "--environment_type=EXTERNAL",
                f"--environment_config=localhost:{worker_port}",
            ),
        )
        result = _run(rows, tmp_path / "beam", runner)
    finally:
        for service in services:
            service.kill()
            service.wait()
    assert _contents(tmp_path / "beam") == _contents(tmp_path / "pool")
    assert result.dataset == expected.dataset


def test_beam_counts_what_it_did(rows, tmp_path, monkeypatch):
    seen = {}

    class Counting(beam_runner.beam.Pipeline):
        def run(self, *arguments, **options):
            result = super().run(*arguments, **options)
            for counter in result.metrics().query()["counters"]:
                seen[counter.key.metric.name] = counter.committed
            return result

    monkeypatch.setattr(beam_runner.beam, "Pipeline", Counting)
    runner = BeamRunner("FnApiRunner", ("--direct_running_mode=in_memory",))
    _run(rows, tmp_path / "out", runner)
    assert seen == {
        "shards": 2,
        "shards_reused": 0,
        "clips": 19,
        "clips_skipped": 1,
    }
