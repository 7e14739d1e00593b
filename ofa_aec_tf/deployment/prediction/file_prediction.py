"""Sound events of recordings of any length, in constant memory."""

import dataclasses
from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Sequence

import numpy as np

from ofa_aec_tf import audio
from ofa_aec_tf.deployment.prediction import sliding_windows
from ofa_aec_tf.deployment.prediction.events import Event
from ofa_aec_tf.deployment.prediction.events import EventSelector
from ofa_aec_tf.deployment.prediction.scorers import Scorer
from ofa_aec_tf.deployment.prediction.sliding_windows import Window

_WINDOWS_PER_BATCH = 16


@dataclasses.dataclass(frozen=True)
class ScoredWindow:
    """A window and its scores.

    Args:
        start_seconds: float.
        end_seconds: float. End of the window, or of the sound if it ends
            before.
        scores: float array of shape (num_classes,); None if the window is
            silent.
    """

    start_seconds: float
    end_seconds: float
    scores: np.ndarray | None


@dataclasses.dataclass(frozen=True, slots=True)
class WindowPrediction:
    """The events of a window.

    Args:
        start_seconds: float.
        end_seconds: float.
        is_silent: bool. Silent windows are not scored.
        events: sequence of Event, best first.
    """

    start_seconds: float
    end_seconds: float
    is_silent: bool
    events: Sequence[Event]


@dataclasses.dataclass(frozen=True)
class FilePrediction:
    """The events of a file.

    Args:
        path: path of the file.
        num_windows: int.
        num_silent_windows: int.
        events: sequence of Event, best first: for each class the window with
            its highest score.
    """

    path: str
    num_windows: int
    num_silent_windows: int
    events: Sequence[Event]


def score_windows(
    blocks: Iterable[np.ndarray],
    scorer: Scorer,
    hop_samples: int,
    silence_dbfs: float,
    windows_per_batch: int = _WINDOWS_PER_BATCH,
) -> Iterator[ScoredWindow]:
    """Scores every window of a sound that is not silent.

    Args:
        blocks: iterable of consecutive float32 arrays of shape (any,), at
            `scorer.sample_rate_hz`.
        scorer: Scorer.
        hop_samples: int. Distance between the starts of two windows.
        silence_dbfs: float. Windows with a peak below this are not scored.
        windows_per_batch: int. Windows to score at once.

    Yields:
        ScoredWindow, in the order of the windows.

    Raises:
        ValueError: if scores are not finite, or if the hop is longer than a
            window.
    """
    batch = []
    for window in sliding_windows.sliding_windows(
        blocks, scorer.window_samples, hop_samples
    ):
        batch.append(window)
        if len(batch) == windows_per_batch:
            yield from _scored(batch, scorer, silence_dbfs)
            batch = []
    yield from _scored(batch, scorer, silence_dbfs)


def _scored(batch: Sequence[Window], scorer, silence_dbfs):
    rate_hz = scorer.sample_rate_hz
    silent = [
        sliding_windows.is_silent(window.waveform, rate_hz, silence_dbfs)
        for window in batch
    ]
    waveforms = [
        audio.fit_length(window.waveform, scorer.window_samples)
        for window, is_silent in zip(batch, silent)
        if not is_silent
    ]
    scores = iter(scorer.score(waveforms) if waveforms else ())
    for window, is_silent in zip(batch, silent):
        start = window.start_sample
        yield ScoredWindow(
            start / rate_hz,
            (start + len(window.waveform)) / rate_hz,
            None if is_silent else next(scores),
        )


def predict_window(
    window: ScoredWindow, selector: EventSelector
) -> WindowPrediction:
    """The events of one window.

    Args:
        window: ScoredWindow.
        selector: EventSelector.

    Returns:
        WindowPrediction, without events if the window is silent.
    """
    start, end = window.start_seconds, window.end_seconds
    is_silent = window.scores is None
    events = () if is_silent else selector.select(window.scores, start, end)
    return WindowPrediction(start, end, is_silent, events)


def predict_file(
    path,
    scorer: Scorer,
    selector: EventSelector,
    hop_samples: int,
    silence_dbfs: float,
    on_window: Callable[[WindowPrediction], object] | None = None,
) -> FilePrediction:
    """The events of an audio file, read and scored part by part.

    Args:
        path: path of the file.
        scorer: Scorer.
        selector: EventSelector.
        hop_samples: int. Distance between the starts of two windows.
        silence_dbfs: float. Windows with a peak below this are not scored.
        on_window: function that gets each window as soon as it is scored,
            or None.

    Returns:
        FilePrediction.

    Raises:
        AudioError: if the file cannot be read to its end.
        ValueError: as `score_windows`.
    """
    num_windows = num_silent_windows = 0
    best = starts = ends = None
    for window in score_windows(
        audio.stream_audio(path, scorer.sample_rate_hz),
        scorer,
        hop_samples,
        silence_dbfs,
    ):
        num_windows += 1
        if on_window is not None:
            on_window(predict_window(window, selector))
        if window.scores is None:
            num_silent_windows += 1
            continue
        if best is None:
            best = np.full_like(window.scores, -np.inf)
            starts, ends = (
                np.zeros_like(best, float),
                np.zeros_like(best, float),
            )
        # Of windows with equal scores the first is kept.
        is_better = window.scores > best
        best[is_better] = window.scores[is_better]
        starts[is_better] = window.start_seconds
        ends[is_better] = window.end_seconds
    return FilePrediction(
        str(path),
        num_windows,
        num_silent_windows,
        [] if best is None else selector.select(best, starts, ends),
    )
