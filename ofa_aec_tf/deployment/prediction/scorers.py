"""Models of every kind, as functions from windows of sound to scores."""

import pathlib
from collections.abc import Callable
from collections.abc import Sequence

import numpy as np

from ofa_aec_tf.audio.frontend import FrontendConfig
from ofa_aec_tf.audio.frontend import log_mel_spectrogram
from ofa_aec_tf.deployment.tflite import runner


class Scorer:
    """A model that takes log-mel spectrograms or waveforms.

    Args:
        score_fn: function from a float32 array of inputs, stacked along the
            first axis, to scores of shape (any, num_classes).
        window_samples: int. Length of a window.
        sample_rate_hz: int.
        frontend: FrontendConfig of a model that takes log-mel spectrograms;
            None for a model that takes waveforms.
    """

    def __init__(
        self,
        score_fn: Callable[[np.ndarray], np.ndarray],
        window_samples: int,
        sample_rate_hz: int,
        frontend: FrontendConfig | None = None,
    ):
        self._score_fn = score_fn
        self._frontend = frontend
        self.window_samples = window_samples
        self.sample_rate_hz = sample_rate_hz

    @property
    def window_seconds(self) -> float:
        """Length of a window."""
        return self.window_samples / self.sample_rate_hz

    @property
    def num_frames(self) -> int | None:
        """Frames of a window; None for a model that takes waveforms."""
        if self._frontend is None:
            return None
        return self._frontend.num_frames(self.window_samples)

    def score(self, waveforms: Sequence[np.ndarray]) -> np.ndarray:
        """Scores of windows of sound.

        Args:
            waveforms: float32 arrays of shape (window_samples,), at
                `sample_rate_hz`, full scale at 1; at least one.

        Returns:
            float array of shape (len(waveforms), num_classes).

        Raises:
            ValueError: if scores are not finite.
        """
        if self._frontend is None:
            return self._finite_scores(np.stack(waveforms))
        return self.score_log_mel(
            np.stack(
                [
                    log_mel_spectrogram(waveform, self._frontend)
                    for waveform in waveforms
                ]
            )
        )

    def score_log_mel(self, log_mel: np.ndarray) -> np.ndarray:
        """Scores of log-mel spectrograms.

        Args:
            log_mel: float32 array of shape (num_clips, num_frames,
                num_mel_bins), in dB.

        Returns:
            float array of shape (num_clips, num_classes).

        Raises:
            ValueError: if the model takes waveforms, or if scores are not
                finite.
        """
        if self._frontend is None:
            raise ValueError(
                "The model takes waveforms, and preprocessed data has log-mel "
                "spectrograms only. Use the model without a front end that it "
                "was exported with."
            )
        return self._finite_scores(log_mel)

    def _finite_scores(self, inputs):
        scores = np.asarray(self._score_fn(inputs))
        if not np.isfinite(scores).all():
            raise ValueError(
                f"The model gives {np.sum(~np.isfinite(scores))} of "
                f"{scores.size} scores that are not finite. Its weights "
                "are broken: train or export it again."
            )
        return scores


def load_scorer(
    path, frontend: FrontendConfig, clip_seconds: float, num_classes: int
) -> Scorer:
    """Loads any exported or trained model.

    Args:
        path: path of a `.keras` or `.tflite` file.
        frontend: FrontendConfig in the model's record.
        clip_seconds: float. Length of the clips in the record. A `.tflite`
            may have been exported for shorter windows.
        num_classes: int. Number of classes in the record.

    Returns:
        Scorer.

    Raises:
        ValueError: if the file is not such a model, or does not fit the
            record.
    """
    suffix = pathlib.Path(path).suffix
    if suffix == ".tflite":
        return _load_tflite(path, frontend, clip_seconds, num_classes)
    if suffix != ".keras":
        raise ValueError(
            f"A model is a `.keras` or `.tflite` file. Received: {path}"
        )
    # Imported here, so that a `.tflite` runs without TensorFlow: it takes
    # seconds to start, and need not be installed.
    from ofa_aec_tf.evaluation import keras_models

    network = keras_models.load_network(path)
    _check_num_classes(network.output_shape, num_classes)
    return Scorer(
        network.predict_on_batch,
        frontend.num_samples(clip_seconds),
        frontend.sample_rate_hz,
        frontend,
    )


def _load_tflite(path, frontend, clip_seconds, num_classes):
    model = runner.load_untrusted(path)
    _check_num_classes(model.output_shape, num_classes)
    rate_hz = frontend.sample_rate_hz
    if len(model.input_shape) == 2:
        return Scorer(model.predict, model.input_shape[1], rate_hz)
    if len(model.input_shape) != 3 or model.input_shape[2] != (
        frontend.num_mel_bins
    ):
        raise ValueError(
            f"The record of {path} is of a model that takes waveforms, or "
            f"log-mel spectrograms of {frontend.num_mel_bins} bands. Received: "
            f"a model that takes {model.input_shape[1:]}. Put the record that "
            "was written with the model beside it."
        )
    window_samples = frontend.num_samples(clip_seconds)
    num_frames = model.input_shape[1]
    if num_frames != frontend.num_frames(window_samples):
        # It was exported for windows of another length.
        window_samples = (num_frames - 1) * frontend.hop_samples
    return Scorer(model.predict, window_samples, rate_hz, frontend)


def _check_num_classes(output_shape, num_classes):
    if output_shape[-1] != num_classes:
        raise ValueError(
            f"The model has {output_shape[-1]} outputs, but its record "
            f"names {num_classes} classes. Put the record that was "
            "written with the model beside it."
        )
