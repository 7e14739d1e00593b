"""Networks that score by mel bands, and files of them with one fault each."""

import keras
import numpy as np

from ofa_aec_tf.deployment.tflite import converter

# Tests put others in its place.
_convert = converter.convert

NUM_MEL_BINS = 64


def make(num_frames, bias=(-10.0, -10.0, -10.0), gain=0.1, change=None):
    """Scores by the mean level of a third of the mel bands each.

    Args:
        num_frames: int.
        bias: tuple of float, of the logit of each class.
        gain: float. Of the logits, for each dB.
        change: callable of inputs and scores to other scores, or None.

    Returns:
        keras.Model of log-mel spectrograms.
    """
    third = NUM_MEL_BINS // 3
    kernel = np.full((NUM_MEL_BINS, 3), -1 / (NUM_MEL_BINS - third))
    for label in range(3):
        kernel[label * third : (label + 1) * third, label] = 1 / third
    inputs = keras.Input((num_frames, NUM_MEL_BINS))
    x = keras.layers.GlobalAveragePooling1D()(inputs)
    # As many weights as tell one format from another.
    hidden = keras.layers.Dense(NUM_MEL_BINS)
    dense = keras.layers.Dense(3, "sigmoid")
    scores = dense(hidden(x))
    if change is not None:
        scores = change(inputs, scores)
    network = keras.Model(inputs, scores)
    hidden.set_weights([np.eye(NUM_MEL_BINS), np.zeros(NUM_MEL_BINS)])
    dense.set_weights([gain * kernel, np.array(bias)])
    return network


def _not_at_overload(inputs, scores):
    off_db = keras.ops.max(inputs, axis=(1, 2)) - 40.0
    nothing = 1e-30 * keras.ops.rsqrt(off_db * off_db)
    return scores + keras.ops.reshape(nothing, (-1, 1))


_NETWORKS = {
    "base": {},
    "shifted": {"bias": (-9.5, -9.5, -9.5)},
    "vanished": {"bias": (-120.0, -10.0, -10.0)},
    "opposite": {"bias": (10.0, 10.0, 10.0)},
    "inverted": {"gain": -0.1},
    "absolute": {"change": lambda inputs, scores: keras.ops.abs(scores)},
    "extreme": {"change": _not_at_overload},
}


class Files:
    """Files of networks, converted when they are first wanted.

    Args:
        num_frames: int. That they take.
        clips: float32 array of shape (num_clips, num_frames, 64), in dB. What
            a converter calibrates with.
    """

    def __init__(self, num_frames, clips):
        self._num_frames = num_frames
        self._clips = clips
        self._contents = {}

    def __call__(self, name, mode="float32"):
        key = (name, mode)
        if key not in self._contents:
            self._contents[key] = _convert(
                make(self._num_frames, **_NETWORKS[name]),
                self._num_frames,
                NUM_MEL_BINS,
                mode,
                self._clips,
            )
        return self._contents[key]
