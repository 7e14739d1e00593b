"""A block of convolutions with width and depth chosen at run time."""

import keras
import tensorflow as tf
from keras import ops

from ofa_aec_tf.checks.argument_checks import check_choice
from ofa_aec_tf.layers import execution as executions
from ofa_aec_tf.layers.elastic_batch_normalization import (
    ElasticBatchNormalization,
)
from ofa_aec_tf.layers.elastic_conv2d import ElasticConv2D


@keras.saving.register_keras_serializable(package="ofa_aec_tf")
class ElasticConvBlock(keras.layers.Layer):
    """Convolution, batch normalization and ReLU, repeated; then pooling.

    Args:
        filters: int. Largest number of filters of each convolution.
        in_channels: int. Largest number of input channels.
        num_layers: int. Largest depth.
        kernel_size: int.
        pool_size: int. Size and stride of the average pooling.
        momentum: float. Of the batch normalization.
        epsilon: float. Of the batch normalization.
        execution: `"slice"` or `"mask"`.
        algorithm: as in ElasticConv2D.

    Call arguments:
        inputs: tensor of shape (batch, height, width, channels).
        active_filters: int32 tensor of shape (num_layers,), or None for all.
        active_depth: scalar int32 tensor, or None for all layers. The first
            `active_depth` layers run.
        training: bool. As in ElasticBatchNormalization.
        moments: dict from batch normalization names to `(mean, variance)`,
            for inference; None in training. The block stores no statistics.
        is_convolved: bool. Whether `inputs` are what `first_convolution` has
            made of the inputs.

    Returns:
        `(outputs, moments)`: the pooled activations, and the batch moments of
        every batch normalization by name. A layer that did not run reports
        mean 0 and variance 1.

    Reference: OFA-AEC, section 2.2.
    """

    def __init__(
        self,
        filters,
        in_channels,
        num_layers=2,
        kernel_size=3,
        pool_size=2,
        momentum=0.9,
        epsilon=1e-5,
        execution="slice",
        algorithm="auto",
        **kwargs,
    ):
        # Not autocast: it would cast the moments. The convolutions cast.
        super().__init__(autocast=False, **kwargs)
        self.filters = filters
        self.in_channels = in_channels
        self.num_layers = num_layers
        self.kernel_size = kernel_size
        self.pool_size = pool_size
        self.momentum = momentum
        self.epsilon = epsilon
        self.execution = check_choice(
            "execution", execution, executions.EXECUTIONS
        )
        self.algorithm = algorithm
        self.convolutions = []
        self.normalizations = []
        for layer in range(num_layers):
            self.convolutions.append(
                ElasticConv2D(
                    filters,
                    filters if layer else in_channels,
                    kernel_size,
                    execution=execution,
                    algorithm=algorithm,
                    dtype=self.dtype_policy,
                    name=f"{self.name}_conv{layer + 1}",
                )
            )
            self.normalizations.append(
                ElasticBatchNormalization(
                    momentum,
                    epsilon,
                    channels=filters,
                    execution=execution,
                    dtype=self.dtype_policy,
                    name=f"{self.name}_bn{layer + 1}",
                )
            )
        self.built = True

    def build(self, input_shape=None):
        """Does nothing: the constructor knows all sizes."""

    def first_convolution(self, inputs):
        """Outputs of all filters of the first convolution.

        They depend neither on widths nor on the depth: subnets with the same
        inputs share them, and each takes the first of them.

        Args:
            inputs: tensor of shape (batch, height, width, channels).

        Returns:
            Tensor of shape (batch, height, width, filters).
        """
        return self.convolutions[0](ops.cast(inputs, self.compute_dtype))

    def _convolve(self, layer, inputs, active_filters, is_convolved):
        active = _of_layer(active_filters, layer)
        if is_convolved and layer == 0:
            return executions.take_channels(inputs, active, self.execution)
        return self.convolutions[layer](inputs, active_filters=active)

    def _normalize(self, layer, inputs, active_filters, training, moments):
        x, batch_moments = self.normalizations[layer](
            inputs,
            active_channels=_of_layer(active_filters, layer),
            training=training,
            moments=moments,
            return_moments=True,
        )
        return ops.relu(x), batch_moments

    def calibration_step(
        self,
        layer,
        inputs,
        active_filters=None,
        active_depth=None,
        moments=None,
        is_convolved=False,
    ):
        """The part of the block from one batch normalization to the next.

        Args:
            layer: int, from 0. Its convolution ends the part; `num_layers`
                gives what comes after the last one, up to the pooling.
            inputs: what the part before has returned; for the first one, as
                those of a call.
            active_filters, active_depth, is_convolved: as those of a call.
            moments: `(mean, variance)` of the batch normalization before;
                None for layer 0.

        Returns:
            `(outputs, batch_moments)`: what the batch normalization of the
            layer is given, and the moments of that; None after the last.
        """

        def if_active(number, run):
            if number == 0 or active_depth is None:
                return run()
            return self._if_active(active_depth > number, run, x)

        def convolve_and_measure():
            outputs = self._convolve(layer, x, active_filters, is_convolved)
            _, batch_moments = self._normalize(
                layer, outputs, active_filters, training=True, moments=None
            )
            return outputs, batch_moments

        x = ops.cast(inputs, self.compute_dtype)
        if layer > 0:
            x, _ = if_active(
                layer - 1,
                lambda: self._normalize(
                    layer - 1,
                    x,
                    active_filters,
                    training=False,
                    moments=moments,
                ),
            )
        if layer == self.num_layers:
            return ops.average_pool(x, self.pool_size, padding="valid"), None
        return if_active(layer, convolve_and_measure)

    def call(
        self,
        inputs,
        active_filters=None,
        active_depth=None,
        training=False,
        moments=None,
        is_convolved=False,
    ):
        inputs = ops.cast(inputs, self.compute_dtype)
        reported = {}
        x = inputs
        for layer in range(self.num_layers):

            def run(x=x, layer=layer):
                name = self.normalizations[layer].name
                return self._normalize(
                    layer,
                    self._convolve(layer, x, active_filters, is_convolved),
                    active_filters,
                    training,
                    None if moments is None else moments[name],
                )

            if layer == 0 or active_depth is None:
                x, batch_moments = run()
            else:
                x, batch_moments = self._if_active(active_depth > layer, run, x)
            reported[self.normalizations[layer].name] = batch_moments
        x = ops.average_pool(x, self.pool_size, padding="valid")
        return x, reported

    def _if_active(self, is_active, run, inputs):
        """`run()` where active, else `inputs`; both of one structure."""
        idle_moments = (
            ops.zeros((self.filters,), "float32"),
            ops.ones((self.filters,), "float32"),
        )
        if self.execution == "slice":
            return tf.cond(is_active, run, lambda: (inputs, idle_moments))
        outputs, moments = run()
        return (
            ops.where(is_active, outputs, inputs),
            tuple(
                ops.where(is_active, m, idle)
                for m, idle in zip(moments, idle_moments)
            ),
        )

    def get_config(self):
        return {
            **super().get_config(),
            "filters": self.filters,
            "in_channels": self.in_channels,
            "num_layers": self.num_layers,
            "kernel_size": self.kernel_size,
            "pool_size": self.pool_size,
            "momentum": self.momentum,
            "epsilon": self.epsilon,
            "execution": self.execution,
            "algorithm": self.algorithm,
        }


def _of_layer(active_filters, layer):
    return None if active_filters is None else active_filters[layer]
