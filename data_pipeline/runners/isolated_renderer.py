"""Renders clips in a separate process, which may crash or hang."""

import contextlib
import multiprocessing
import signal
import traceback
from collections.abc import Iterator
from collections.abc import Sequence
from multiprocessing import resource_tracker

import numpy as np

from data_pipeline.clips import clip as clip_types
from data_pipeline.clips.clip import Clip
from data_pipeline.clips.clip import RenderedClip
from data_pipeline.runners import processes
from ofa_aec_tf.audio import AudioError
from ofa_aec_tf.runs import interruptions

CLIPS_PER_PROCESS = 2000

# Loading the libraries takes seconds, or more on a busy machine.
_START_SECONDS = 120.0
# An idle child accepts clips at once.
_TAKE_SECONDS = 60.0
# For a child that outlives this process.
_ALARM_SECONDS = 5.0


def _send(connection, result) -> None:
    """Sends a rendered clip or an exception."""
    if isinstance(result, Exception):
        connection.send(result)
        return
    waveform = np.ascontiguousarray(result.waveform, np.float32)
    connection.send((waveform.shape, result.notes, result.seconds))
    # Not pickled, as there are megabytes of it.
    connection.send_bytes(waveform)


def _answer(connection, request, timeout_seconds) -> None:
    """Renders the clips of a request, and sends each when it is ready."""
    alarm_seconds = timeout_seconds + _ALARM_SECONDS
    try:
        # Native code may hang while it holds the interpreter lock, which the
        # thread that watches the parent needs. The signal works regardless.
        signal.setitimer(signal.ITIMER_REAL, alarm_seconds)
        for result in clip_types.render(*request):
            _send(connection, result)
            signal.setitimer(signal.ITIMER_REAL, alarm_seconds)
    except Exception as error:
        # A bug: the trace would be lost between the processes.
        error.add_note(traceback.format_exc())
        _send(connection, error)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)


def _serve(connection, timeout_seconds) -> None:
    """Renders what is sent, until the connection ends. The child process."""
    processes.end_with_parent()
    # An interrupt from the keyboard reaches all processes, but the parent
    # decides when this one ends.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    connection.send(None)
    with contextlib.suppress(EOFError):
        while True:
            request = connection.recv()
            # From here on, these clips cause whatever happens.
            connection.send(None)
            _answer(connection, request, timeout_seconds)


class IsolatedRenderer:
    """Renders clips in a child process, so that this process survives them.

    After a crash or an endless loop in a native decoder, the clip is skipped
    and the next one gets a new child. A context manager for one thread.

    Args:
        timeout_seconds: float. Longer than any good clip takes.
        clips_per_process: int. A child is replaced after this many clips,
            because native code may leak memory.
    """

    def __init__(
        self, timeout_seconds: float, clips_per_process: int = CLIPS_PER_PROCESS
    ):
        if not 0 < timeout_seconds < float("inf") or clips_per_process < 1:
            raise ValueError(
                "Expected a positive number of seconds and of clips. "
                f"Received: timeout_seconds={timeout_seconds}, "
                f"clips_per_process={clips_per_process}"
            )
        self._timeout_seconds = timeout_seconds
        self._clips_per_process = clips_per_process
        self._process = None
        self._connection = None
        self._num_rendered = 0

    def __enter__(self) -> "IsolatedRenderer":
        return self

    def __exit__(self, *unused_exception) -> None:
        self.close()

    def close(self) -> None:
        """Ends the child process, if there is one."""
        if self._process is None:
            return
        self._process.kill()
        self._process.join()
        self._process.close()
        self._connection.close()
        self._process = None

    def _start(self) -> None:
        context = multiprocessing.get_context("spawn")
        self._connection, other_end = context.Pipe()
        self._process = context.Process(
            target=_serve,
            args=(other_end, self._timeout_seconds),
            name="isolated renderer",
            daemon=True,
        )
        # Starting it within the next block would undo that block.
        resource_tracker.ensure_running()
        with interruptions.kept_from_children():
            self._process.start()
        # Only the child holds it then, so its end is noticed.
        other_end.close()
        self._num_rendered = 0
        try:
            if self._connection.poll(_START_SECONDS):
                self._connection.recv()
                return
            reason = f"did not start within {_START_SECONDS:g} s"
        except EOFError:
            reason = f"{self._ending()} when it started"
        self.close()
        raise ChildProcessError(
            f"The process that renders clips {reason}. Check that this machine "
            "has memory to spare, or do without --isolate."
        )

    def _ending(self) -> str:
        """How the child ended; call it when its pipe is closed."""
        self._process.join(_ALARM_SECONDS)
        if self._process.is_alive():
            return "did not answer"
        status = self._process.exitcode
        if status >= 0:
            return f"ended with exit status {status}"
        return f"was ended by {signal.Signals(-status).name}"

    def _is_taken(self, request) -> bool:
        """Whether the child has accepted a request, rather than ended."""
        try:
            self._connection.send(request)
            if not self._connection.poll(_TAKE_SECONDS):
                return False
            self._connection.recv()
        except (EOFError, ConnectionError):
            return False
        return True

    def _hand_over(self, request) -> None:
        if self._num_rendered >= self._clips_per_process:
            self.close()
        if self._process is not None:
            if self._is_taken(request):
                return
            self.close()
        self._start()
        if not self._is_taken(request):
            raise ChildProcessError(
                f"The process that renders clips {self._ending()} before it "
                "had begun with one. Check that this machine has memory to "
                "spare, or do without --isolate."
            )

    def _result(self, clip):
        """Receives a rendered clip or an exception from the child.

        One that does not answer is ended.
        """
        source = ", ".join(clip.audio_paths) or clip.clip_id
        try:
            if not self._connection.poll(self._timeout_seconds):
                self.close()
                return AudioError(
                    source,
                    "timed_out",
                    f"not rendered within {self._timeout_seconds:g} s",
                )
            answer = self._connection.recv()
            if isinstance(answer, Exception):
                return answer
            shape, notes, seconds = answer
            waveform = np.empty(shape, np.float32)
            self._connection.recv_bytes_into(waveform)
        except (EOFError, ConnectionError):
            ending = self._ending()
            self.close()
            return AudioError(
                source, "crashed", f"the process that rendered it {ending}"
            )
        except BaseException:
            # The rest of the answer would be mistaken for the next one.
            self.close()
            raise
        return RenderedClip(waveform, notes, seconds)

    def render(
        self, clips: Sequence[Clip], sample_rate_hz: int, num_samples: int
    ) -> Iterator[RenderedClip | AudioError]:
        """Renders clips in the child process, in one pass if possible.

        A clip that costs the child is given up; those after it have another.

        Args:
            clips: as in `clips.render`, that can be pickled.
            sample_rate_hz: int.
            num_samples: int.

        Yields:
            As `clips.render`. The AudioError is `crashed` if the child process
            ended, and `timed_out` if it took too long.

        Raises:
            ChildProcessError: if no child process can be started. Whatever
                else a clip raises comes through as well.
        """
        while clips:
            self._hand_over((clips, sample_rate_hz, num_samples))
            for num_answered, clip in enumerate(clips, 1):
                answer = self._result(clip)
                self._num_rendered += 1
                if isinstance(answer, Exception) and not isinstance(
                    answer, AudioError
                ):
                    raise answer
                try:
                    yield answer
                except GeneratorExit:
                    if num_answered < len(clips):
                        # Ends clips that nobody waits for.
                        self.close()
                    raise
                if self._process is None:
                    break
            clips = clips[num_answered:]
