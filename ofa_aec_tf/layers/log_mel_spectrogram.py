"""The log-mel front end inside a graph."""

import math

import keras
import numpy as np
import tensorflow as tf

from ofa_aec_tf.audio import frontend
from ofa_aec_tf.checks.argument_checks import check_choice

# Neighbouring filters reach over few bins: in groups they need an eighth of the
# multiplications and of the constants in an exported file.
_FILTERS_PER_GROUP = 8
_TRANSFORM_DTYPES = ("float64", "float32")


def _filter_groups(config):
    """Groups of mel filters with the first and last bin that each covers."""
    filterbank = frontend.mel_filterbank(config)
    for first_filter in range(0, config.num_mel_bins, _FILTERS_PER_GROUP):
        group = filterbank[:, first_filter : first_filter + _FILTERS_PER_GROUP]
        used = np.flatnonzero(group.any(axis=1))
        # Filters narrower than a bin may all be zero.
        first, stop = (used[0], used[-1] + 1) if used.size else (0, 1)
        yield int(first), int(stop), group[first:stop]


def _frames(padded, num_frames, window_samples, hop_samples):
    """Overlapping frames, joined of rows of one hop each.

    `tf.signal.frame` does the same by indices, which an exported file would
    hold: twice as many bytes as all the rest of the front end.

    Args:
        padded: tensor of shape (batch, at least the samples of all frames).
        num_frames: int or scalar tensor.
        window_samples: int.
        hop_samples: int.

    Returns:
        Tensor of shape (batch, num_frames, window_samples).
    """
    rows_per_frame = -(-window_samples // hop_samples)
    num_rows = num_frames + rows_per_frame - 1
    padded = padded[:, : (num_frames - 1) * hop_samples + window_samples]
    # The last row may go beyond the last frame.
    excess = rows_per_frame * hop_samples - window_samples
    rows = tf.reshape(
        tf.pad(padded, [[0, 0], [0, excess]]),
        [-1, num_rows, hop_samples],
    )
    parts = []
    for row in range(rows_per_frame):
        num_samples = min(hop_samples, window_samples - row * hop_samples)
        parts.append(rows[:, row : row + num_frames, :num_samples])
    return tf.concat(parts, axis=-1)


@keras.saving.register_keras_serializable(package="ofa_aec_tf")
class LogMelSpectrogram(keras.layers.Layer):
    """Log-mel spectrograms of clips, as `audio.frontend` defines them.

    It has no regard for policies: bfloat16 would round by half a dB. A
    transform in float32 is seen where a band is far quieter than others: on
    recordings it is up to 1.3e-3 dB off above -60 dB, and 0.04 dB below.

    Args:
        config: FrontendConfig, or the dict of its `to_json`.
        transform_dtype: "float64" or "float32". That of the window and the
            Fourier transform. TFLite, which computes in double inside, takes
            float32 only.

    Call arguments:
        inputs: float32 tensor of shape (batch, num_samples), at
            `config.sample_rate_hz`, full scale at 1.

    Output shape:
        (batch, config.num_frames(num_samples), num_mel_bins), float32, in dB
        relative to a power of 1.

    Raises:
        ValueError: if `transform_dtype` is another.
    """

    def __init__(self, config, transform_dtype="float64", **kwargs):
        super().__init__(autocast=False, **{**kwargs, "dtype": "float32"})
        if isinstance(config, dict):
            config = frontend.FrontendConfig.from_json(config)
        check_choice("transform_dtype", transform_dtype, _TRANSFORM_DTYPES)
        self.config = config
        self.transform_dtype = transform_dtype
        self.built = True

    def build(self, input_shape=None):
        """Does nothing: there are no weights."""

    def call(self, inputs):
        config = self.config
        half_window = config.window_samples // 2
        padded = tf.pad(
            inputs, [[0, 0], [half_window, half_window]], mode="REFLECT"
        )
        num_samples = inputs.shape[-1] or tf.shape(inputs)[-1]
        frames = _frames(
            padded,
            config.num_frames(num_samples),
            config.window_samples,
            config.hop_samples,
        )
        window = frontend.periodic_hann(
            config.window_samples, self.transform_dtype
        )
        spectrum = tf.signal.rfft(
            tf.cast(frames, self.transform_dtype) * tf.constant(window)
        )
        power = tf.square(tf.math.real(spectrum)) + tf.square(
            tf.math.imag(spectrum)
        )
        power = tf.cast(power, tf.float32)
        mel_power = tf.concat(
            [
                tf.matmul(power[..., first:stop], tf.constant(filters))
                for first, stop, filters in _filter_groups(config)
            ],
            axis=-1,
        )
        # TensorFlow has the natural logarithm only.
        return (10 / math.log(10)) * tf.math.log(
            tf.maximum(mel_power, config.power_floor)
        )

    def compute_output_shape(self, input_shape):
        batch, num_samples = input_shape
        num_frames = num_samples and self.config.num_frames(num_samples)
        return (batch, num_frames, self.config.num_mel_bins)

    def get_config(self):
        return {
            **super().get_config(),
            "config": self.config.to_json(),
            "transform_dtype": self.transform_dtype,
        }
