"""Tests of rendering in a process that may crash or hang."""

import ctypes
import dataclasses
import os
import pathlib
import signal
import time

import numpy as np
import pytest
import soundfile

from data_pipeline.clips.clip import ClipRow
from data_pipeline.clips.clip import RenderedClip
from data_pipeline.runners import isolated_renderer
from ofa_aec_tf.audio import AudioError
from tests.data_pipeline import processes

_RATE_HZ = 8000


@dataclasses.dataclass(frozen=True)
class _Clip:
    """A clip that is rendered by a function of this module."""

    action: str
    audio_paths: tuple[str, ...] = ()
    clip_id: str = "clip"

    def render(self, sample_rate_hz, num_samples):
        return globals()[self.action](num_samples)


def _render_pid(num_samples):
    return RenderedClip(np.full(num_samples, os.getpid(), np.float32), ("odd",))


def _crash(num_samples):
    os.kill(os.getpid(), signal.SIGSEGV)


def _exit(num_samples):
    os._exit(3)


def _hang(num_samples):
    time.sleep(1000)


def _fail(num_samples):
    raise KeyError("a mistake in the program")


@dataclasses.dataclass(frozen=True)
class _Stuck:
    """A clip that holds the interpreter's lock for ever, as C code may."""

    directory: str
    audio_paths = ()
    clip_id = "stuck"

    def render(self, sample_rate_hz, num_samples):
        pathlib.Path(self.directory, f"{os.getpid()}.pid").touch()
        ctypes.PyDLL(None).sleep(1000)


@pytest.fixture
def renderer():
    with isolated_renderer.IsolatedRenderer(timeout_seconds=30) as renderer:
        yield renderer


def _render(renderer, clip, num_samples=8000):
    """What a clip alone is rendered to; raises why it cannot be."""
    (answer,) = renderer.render((clip,), _RATE_HZ, num_samples)
    if isinstance(answer, AudioError):
        raise answer
    return answer


def _pid(renderer):
    """Process that renders."""
    rendered = _render(renderer, _Clip("_render_pid"), 10)
    return int(rendered.waveform[0])


def test_a_clip_is_rendered_as_without_isolation(renderer, tmp_path):
    path = tmp_path / "a.wav"
    noise = np.random.default_rng(0).uniform(-0.5, 0.5, 8000)
    soundfile.write(path, noise, 8000, "FLOAT")
    row = ClipRow("a", str(path), ("dog",), start_seconds=0.25)
    expected = row.render(_RATE_HZ, 16000)
    rendered = _render(renderer, row, 16000)
    assert rendered.notes == expected.notes == ("padded",)
    assert rendered.waveform.dtype == np.float32
    np.testing.assert_array_equal(rendered.waveform, expected.waveform)


def test_a_long_clip_comes_back_whole(renderer):
    rendered = _render(renderer, _Clip("_render_pid"), 2_000_000)
    assert rendered.waveform.shape == (2_000_000,)
    assert len(np.unique(rendered.waveform)) == 1
    assert rendered.notes == ("odd",)


def test_one_process_renders_many_clips(renderer):
    pids = {_pid(renderer) for _ in range(5)}
    assert len(pids) == 1
    assert os.getpid() not in pids


def test_an_error_of_a_clip_costs_no_process(renderer, tmp_path):
    pid = _pid(renderer)
    row = ClipRow("a", str(tmp_path / "a.wav"), ("dog",))
    with pytest.raises(AudioError) as raised:
        _render(renderer, row)
    assert raised.value.code == "missing"
    assert raised.value.path == row.path
    assert _pid(renderer) == pid


@pytest.mark.parametrize(
    ("action", "reason"),
    [("_crash", "was ended by SIGSEGV"), ("_exit", "with exit status 3")],
)
def test_a_crash_costs_the_clip_and_the_process(renderer, action, reason):
    pid = _pid(renderer)
    with pytest.raises(AudioError, match=f"{reason}.*crashed") as raised:
        _render(renderer, _Clip(action, ("a.wav", "b.wav")))
    assert raised.value.code == "crashed"
    assert raised.value.path == "a.wav, b.wav"
    assert _pid(renderer) != pid


def test_a_hang_costs_the_clip_and_the_process():
    with isolated_renderer.IsolatedRenderer(timeout_seconds=2) as renderer:
        pid = _pid(renderer)
        start_seconds = time.monotonic()
        with pytest.raises(AudioError, match="within 2 s") as raised:
            _render(renderer, _Clip("_hang"))
        assert 2 <= time.monotonic() - start_seconds < 20
        assert raised.value.code == "timed_out"
        # A clip without recordings goes by its own name.
        assert raised.value.path == "clip"
        assert not processes.is_running(pid)
        assert _pid(renderer) != pid


@pytest.mark.parametrize("pause_seconds", [0, 0.0001, 0.001, 0.01, 0.5])
def test_a_process_that_ended_between_clips_is_replaced(
    renderer, pause_seconds
):
    pid = _pid(renderer)
    os.kill(pid, signal.SIGKILL)
    # For a moment it seems to be alive, and takes what it is sent.
    time.sleep(pause_seconds)
    assert _pid(renderer) != pid


def test_a_process_that_takes_no_clip_is_replaced(renderer, monkeypatch):
    pid = _pid(renderer)
    os.kill(pid, signal.SIGSTOP)
    monkeypatch.setattr(isolated_renderer, "_TAKE_SECONDS", 2.0)
    assert _pid(renderer) != pid


def test_a_process_renders_only_so_many_clips():
    with isolated_renderer.IsolatedRenderer(
        30, clips_per_process=2
    ) as renderer:
        pids = [_pid(renderer) for _ in range(5)]
    assert pids[0] == pids[1] != pids[2]
    assert pids[2] == pids[3] != pids[4]


def test_a_mistake_in_the_program_is_no_bad_clip(renderer):
    with pytest.raises(KeyError, match="a mistake") as raised:
        _render(renderer, _Clip("_fail"))
    # The trace of the other process.
    assert "in _fail" in raised.value.__notes__[0]


def test_a_process_that_cannot_start_is_no_bad_clip(renderer, monkeypatch):
    # An interpreter that ends at once.
    monkeypatch.setattr(
        "multiprocessing.spawn.get_executable", lambda: b"/bin/false"
    )
    with pytest.raises(ChildProcessError, match="exit status 1 when it start"):
        _render(renderer, _Clip("_render_pid"))


def test_closing_ends_the_process(renderer):
    pid = _pid(renderer)
    renderer.close()
    assert not processes.is_running(pid)
    # A second time is as good.
    renderer.close()


@pytest.mark.parametrize(
    "arguments", [(0.0,), (float("inf"),), (1.0, 0)], ids=str
)
def test_limits_that_are_none_are_refused(arguments):
    with pytest.raises(ValueError, match="Expected a positive number"):
        isolated_renderer.IsolatedRenderer(*arguments)


def render_stuck(directory):
    """What the next test kills, in a process of its own."""
    with isolated_renderer.IsolatedRenderer(timeout_seconds=2) as renderer:
        _render(renderer, _Stuck(directory))


@processes.needs_proc
def test_no_process_outlives_one_that_was_killed(tmp_path):
    code = (
        "from tests.data_pipeline.runners.isolated_renderer_test "
        f"import render_stuck; render_stuck({str(tmp_path)!r})"
    )
    processes.assert_children_end_with_parent(code, tmp_path, 1)


def _rows_of_a_recording(path, number):
    noise = np.random.default_rng(0).uniform(-0.5, 0.5, 8000 * number)
    soundfile.write(path, noise, 8000, "FLOAT")
    return [
        ClipRow(str(i), str(path), (), start_seconds=float(i), recording="a")
        for i in range(number)
    ]


def test_parts_of_a_recording_come_as_without_isolation(renderer, tmp_path):
    rows = _rows_of_a_recording(tmp_path / "a.wav", 4)
    # The last begins behind the end.
    rows.append(dataclasses.replace(rows[0], start_seconds=9.0))
    *rendered, last = renderer.render(rows, _RATE_HZ, 4000)
    for answer, row in zip(rendered, rows):
        expected = row.render(_RATE_HZ, 4000)
        np.testing.assert_array_equal(answer.waveform, expected.waveform)
        assert answer.notes == expected.notes
        assert answer.seconds == expected.seconds
    assert last.code == "too_short"


@dataclasses.dataclass(frozen=True)
class _Crashing(ClipRow):
    """A part of a recording at which the decoder crashes."""

    def _rendered(self, *arguments):
        if self.clip_id == "2":
            os.kill(os.getpid(), signal.SIGSEGV)
        return super()._rendered(*arguments)


def test_a_crash_costs_one_part_of_a_recording(renderer, tmp_path):
    rows = [
        _Crashing(**dataclasses.asdict(row))
        for row in _rows_of_a_recording(tmp_path / "a.wav", 5)
    ]
    answers = list(renderer.render(rows, _RATE_HZ, 8000))
    codes = [getattr(answer, "code", None) for answer in answers]
    assert codes == [None, None, "crashed", None, None]


def test_a_reader_that_stops_leaves_no_answers_behind(renderer, tmp_path):
    rows = _rows_of_a_recording(tmp_path / "a.wav", 5)
    answers = renderer.render(rows, _RATE_HZ, 8000)
    next(answers)
    answers.close()
    assert _pid(renderer) != os.getpid()
