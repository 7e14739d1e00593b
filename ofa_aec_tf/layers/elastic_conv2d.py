"""Convolution whose number of filters is chosen at run time."""

import keras
import tensorflow as tf
from keras import ops

from ofa_aec_tf.checks.argument_checks import check_choice
from ofa_aec_tf.layers import convolution
from ofa_aec_tf.layers import execution as executions
from ofa_aec_tf.runs import compute_options


@keras.saving.register_keras_serializable(package="ofa_aec_tf")
class ElasticConv2D(keras.layers.Layer):
    """2D convolution, stride 1, same padding, no bias, elastic width.

    Uses the first `active_filters` filters and, of each, as many input
    channels as the input has active.

    Args:
        filters: int. Largest number of filters.
        in_channels: int. Largest number of input channels.
        kernel_size: int. Height and width of the kernel.
        execution: `"slice"` or `"mask"`.
        algorithm: one of `ALGORITHMS`. How `slice` computes;
            `mask` leaves it to the backend.

    Call arguments:
        inputs: tensor of shape (batch, height, width, channels). Under
            `slice` only its active channels; under `mask` all channels, the
            inactive ones 0.
        active_filters: scalar int32 tensor, or None for all. A Python int
            would cost one trace for each value.

    Output shape:
        (batch, height, width, active_filters) under `slice`;
        (batch, height, width, filters), exactly 0 from active_filters on,
        under `mask`.

    Reference: OFA-AEC, section 2.2, "Elastic Width".
    """

    def __init__(
        self,
        filters,
        in_channels,
        kernel_size=3,
        execution="slice",
        algorithm="auto",
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.filters = filters
        self.in_channels = in_channels
        self.kernel_size = kernel_size
        self.execution = check_choice(
            "execution", execution, executions.EXECUTIONS
        )
        self.algorithm = check_choice(
            "algorithm", algorithm, compute_options.ALGORITHMS
        )
        self.build()

    def build(self, input_shape=None):
        if self.built:
            return
        self.kernel = self.add_weight(
            name="kernel",
            shape=(
                self.kernel_size,
                self.kernel_size,
                self.in_channels,
                self.filters,
            ),
            initializer="glorot_uniform",
            # Cast where it is used: Winograd's transform wants all its bits.
            autocast=False,
        )
        self.built = True

    def call(self, inputs, active_filters=None):
        executions.check_last_dimension(
            self.name, inputs.shape, self.in_channels
        )
        kernel = ops.convert_to_tensor(self.kernel)
        if self.execution == "slice":
            num_filters = (
                self.filters if active_filters is None else active_filters
            )
            size = (
                self.kernel_size,
                self.kernel_size,
                tf.shape(inputs)[-1],
                num_filters,
            )
            return convolution.convolve(
                inputs,
                # The gradient of `[...]` fills its zeros eight times slower.
                tf.slice(kernel, (0, 0, 0, 0), size),
                convolution.uses_winograd(
                    self.algorithm,
                    self.kernel_size,
                    self.in_channels,
                    self.filters,
                    inputs.dtype.name,
                ),
            )
        outputs = ops.conv(
            inputs, ops.cast(kernel, inputs.dtype), padding="same"
        )
        return executions.take_channels(outputs, active_filters, "mask")

    def compute_output_spec(self, inputs, active_filters=None):
        known = self.execution == "mask" or active_filters is None
        return keras.KerasTensor(
            (*inputs.shape[:-1], self.filters if known else None),
            self.compute_dtype,
        )

    def get_config(self):
        return {
            **super().get_config(),
            "filters": self.filters,
            "in_channels": self.in_channels,
            "kernel_size": self.kernel_size,
            "execution": self.execution,
            "algorithm": self.algorithm,
        }
