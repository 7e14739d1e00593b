"""Convolution with folded batch normalization, for inference."""

import keras
import numpy as np
import tensorflow as tf

from ofa_aec_tf.layers import convolution


class FoldedConv2D(keras.layers.Layer):
    """2D convolution and the batch normalization after it, for inference.

    What a call needs is constant and made once: the kernel with the scale in
    it, cast and transformed, and the offset that is left.

    Args:
        kernel: float32 array of shape (size, size, in_channels, filters).
        gamma: float32 array of shape (filters,), as the others below.
        beta: the offset of the batch normalization.
        mean: its moving mean.
        variance: its moving variance.
        epsilon: float. Added to the variance.
        algorithm: one of `compute_options.ALGORITHMS`.

    Output shape:
        (batch, height, width, filters), stride 1, same padding.
    """

    def __init__(
        self,
        kernel,
        gamma,
        beta,
        mean,
        variance,
        epsilon,
        algorithm="auto",
        **kwargs,
    ):
        super().__init__(trainable=False, **kwargs)
        scale = np.asarray(gamma) / np.sqrt(np.asarray(variance) + epsilon)
        self._convolve = convolution.constant_convolution(
            np.asarray(kernel) * scale, self.compute_dtype, algorithm
        )
        self._offset = tf.constant(
            np.asarray(beta) - np.asarray(mean) * scale, self.compute_dtype
        )
        self._filters = len(scale)
        self.built = True

    def build(self, input_shape=None):
        """Does nothing: there are constants only."""

    def call(self, inputs):
        return tf.nn.bias_add(self._convolve(inputs), self._offset)

    def compute_output_spec(self, inputs):
        return keras.KerasTensor(
            (*inputs.shape[:-1], self._filters), self.compute_dtype
        )
