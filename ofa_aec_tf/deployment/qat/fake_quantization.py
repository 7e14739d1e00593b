"""Layers that round like integers, for a Keras 3 network in float32.

Gradients pass through the rounding unchanged, and are 0 for values outside the
range. On TensorFlow, `keras.quantizers.fake_quant_with_min_max_vars` creates
the operators from which the TFLite converter takes its scales.
"""

import keras
from keras import ops

NUM_BITS = 8

# The int32 bias of a channel is in multiples of the step of its weights. With
# smaller weights it would overflow.
_MIN_WEIGHT_RANGE = 1e-4


def _quantize_weights(kernel, per_channel):
    """Rounds weights to -127...127 steps; channels are the last axis."""
    magnitudes = ops.abs(ops.stop_gradient(kernel))
    axes = list(range(len(kernel.shape) - 1)) if per_channel else None
    limits = ops.maximum(ops.max(magnitudes, axis=axes), _MIN_WEIGHT_RANGE)
    return keras.quantizers.fake_quant_with_min_max_vars(
        kernel,
        -limits,
        limits,
        num_bits=NUM_BITS,
        narrow_range=True,
        axis=-1 if per_channel else None,
    )


@keras.saving.register_keras_serializable("ofa_aec_tf")
class FakeQuantConv2D(keras.layers.Conv2D):
    """Conv2D with an 8-bit kernel and a step for each output channel."""

    def convolution_op(self, inputs, kernel):
        return super().convolution_op(
            inputs, _quantize_weights(kernel, per_channel=True)
        )


@keras.saving.register_keras_serializable("ofa_aec_tf")
class FakeQuantDepthwiseConv2D(keras.layers.DepthwiseConv2D):
    """DepthwiseConv2D with an 8-bit kernel and a step for each channel."""

    def call(self, inputs):
        # Its channels are the last two axes. The converter understands this
        # reshape, and needs the steps on the last axis.
        *size, num_channels, multiplier = self.kernel.shape
        kernel = ops.reshape(self.kernel, (*size, num_channels * multiplier))
        kernel = _quantize_weights(kernel, per_channel=True)
        outputs = ops.depthwise_conv(
            inputs,
            ops.reshape(kernel, self.kernel.shape),
            strides=self.strides,
            padding=self.padding,
            dilation_rate=self.dilation_rate,
            data_format=self.data_format,
        )
        return self.activation(outputs + self.bias)


@keras.saving.register_keras_serializable("ofa_aec_tf")
class FakeQuantDense(keras.layers.Dense):
    """Dense with an 8-bit kernel and one step.

    The converter refuses a step for each output.
    """

    def call(self, inputs):
        kernel = _quantize_weights(self.kernel, per_channel=False)
        outputs = ops.matmul(inputs, kernel) + self.bias
        return self.activation(outputs)


@keras.saving.register_keras_serializable("ofa_aec_tf")
class FakeQuantization(keras.layers.Layer):
    """Rounds activations to 256 steps over a fixed range.

    Args:
        minimum: float, at most 0.
        maximum: float, at least 0.
    """

    def __init__(self, minimum, maximum, **kwargs):
        super().__init__(**kwargs)
        self.minimum = minimum
        self.maximum = maximum

    def call(self, inputs):
        return keras.quantizers.fake_quant_with_min_max_vars(
            inputs, self.minimum, self.maximum, num_bits=NUM_BITS
        )

    def compute_output_shape(self, input_shape):
        return input_shape

    def get_config(self):
        return {
            **super().get_config(),
            "minimum": self.minimum,
            "maximum": self.maximum,
        }
