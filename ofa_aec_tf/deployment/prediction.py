"""Sound events of audio files, from any exported or trained model."""

import dataclasses
import pathlib
from collections.abc import Callable
from collections.abc import Iterator

import numpy as np

from ofa_aec_tf import audio
from ofa_aec_tf.deployment import tflite_runner
from ofa_aec_tf.frontend import FrontendConfig
from ofa_aec_tf.frontend import log_mel_spectrogram

_WINDOWS_PER_BATCH = 16


@dataclasses.dataclass(frozen=True)
class Event:
    """A class and how sure the model is to have heard it in a file.

    Args:
        name: str. Class.
        score: float in [0, 1]. Highest over the windows of the file.
        start_seconds: float. Start of the window with that score.
    """

    name: str
    score: float
    start_seconds: float


def load_scorer(path) -> Callable[[np.ndarray], np.ndarray]:
    """Loads a model as a function from log-mel spectrograms to scores.

    Args:
        path: path of a `.keras` or `.tflite` file.

    Returns:
        Function from a float32 array of shape (num_clips, num_frames,
        num_mel_bins), in dB, to one of shape (num_clips, num_classes).

    Raises:
        ValueError: if the file is not a model of one of these kinds.
    """
    suffix = pathlib.Path(path).suffix
    if suffix == ".tflite":
        return tflite_runner.TFLiteModel(path).predict
    if suffix == ".keras":
        # Only here: a `.tflite` runs without the seconds that TensorFlow
        # takes to start, and where it is not installed.
        from ofa_aec_tf import quiet_tensorflow  # noqa: F401
        from ofa_aec_tf.deployment import keras_models

        return keras_models.load_network(path).predict_on_batch
    raise ValueError(
        f"A model is a `.keras` or `.tflite` file. Received: {path}"
    )


def split_into_windows(
    waveform: np.ndarray, num_samples: int
) -> Iterator[np.ndarray]:
    """Cuts a waveform into consecutive windows.

    Args:
        waveform: float array of shape (any,), not empty.
        num_samples: int. Length of a window.

    Yields:
        Arrays of shape (num_samples,). The last is padded with zeros; it is
        left out if less than half of it is sound, unless it is the only one.
    """
    for start in range(0, len(waveform), num_samples):
        window = waveform[start : start + num_samples]
        if start and 2 * len(window) < num_samples:
            return
        yield audio.fit_length(window, num_samples)


def score_windows(
    waveform: np.ndarray,
    score_fn: Callable[[np.ndarray], np.ndarray],
    frontend: FrontendConfig,
    clip_seconds: float,
) -> np.ndarray:
    """Scores of every window of a waveform.

    Args:
        waveform: float array of shape (any,), at `frontend.sample_rate_hz`.
        score_fn: as from `load_scorer`.
        frontend: FrontendConfig of the model.
        clip_seconds: float. Length of the clips of the model.

    Returns:
        float array of shape (num_windows, num_classes).

    Raises:
        ValueError: if the model does not take clips of this shape.
    """
    num_samples = frontend.num_samples(clip_seconds)
    windows = list(split_into_windows(waveform, num_samples))
    # In batches: the features of an hour of sound would not fit in memory.
    return np.concatenate(
        [
            score_fn(
                np.stack(
                    [
                        log_mel_spectrogram(window, frontend)
                        for window in windows[i : i + _WINDOWS_PER_BATCH]
                    ]
                )
            )
            for i in range(0, len(windows), _WINDOWS_PER_BATCH)
        ]
    )


def top_events(
    window_scores: np.ndarray,
    class_names: tuple[str, ...],
    clip_seconds: float,
    top_k: int,
) -> list[Event]:
    """The events of a file: for each class its best window, best class first.

    Args:
        window_scores: float array of shape (num_windows, num_classes).
        class_names: tuple of str, one for each output.
        clip_seconds: float. Distance between two windows.
        top_k: int. At most so many events; equal scores keep class order.

    Returns:
        list of Event.

    Raises:
        ValueError: if the model has another number of outputs than there are
            classes, or gives scores that are not finite.
    """
    if window_scores.shape[1] != len(class_names):
        raise ValueError(
            f"The model has {window_scores.shape[1]} outputs, but its record "
            f"names {len(class_names)} classes. Put the record that was "
            "written with the model beside it."
        )
    if not np.isfinite(window_scores).all():
        raise ValueError(
            f"The model gives {np.sum(~np.isfinite(window_scores))} of "
            f"{window_scores.size} scores that are not finite. Its weights "
            "are broken: train or export it again."
        )
    scores = window_scores.max(axis=0)
    windows = window_scores.argmax(axis=0)
    return [
        Event(
            class_names[index],
            float(scores[index]),
            float(windows[index] * clip_seconds),
        )
        for index in np.argsort(-scores, kind="stable")[:top_k]
    ]
