"""Batch normalization whose number of channels is chosen at run time."""

import keras
import tensorflow as tf
from keras import ops

from ofa_aec_tf.checks.argument_checks import check_choice
from ofa_aec_tf.layers import execution as executions

# Lanes of a CPU's vectors. oneDNN normalizes 102 channels five times slower
# than 128 (docs/performance.md), so that padding and cutting pay.
_LANES = 16


@keras.saving.register_keras_serializable(package="ofa_aec_tf")
class ElasticBatchNormalization(keras.layers.Layer):
    """Batch normalization over the last axis, with elastic width.

    Under `slice` it runs TensorFlow's fused operation, also where all channels
    are active: `keras.layers.BatchNormalization` does not. Statistics, scale
    and offset stay float32 under any policy. Its weights are those of
    `keras.layers.BatchNormalization`, in the same order, so that
    `set_weights` carries over both ways.

    The moving statistics belong to the layer with all its channels. A subnet
    of shared weights has statistics of its own, which this layer takes as
    `moments` and reports, but never stores: it updates the moving statistics
    only where all channels are active and nobody asks for the moments.

    Args:
        momentum: float. Of the moving statistics.
        epsilon: float. Added to the variance.
        channels: int or None. Largest number of channels; None takes it from
            the first input.
        execution: `"slice"` or `"mask"`.

    Call arguments:
        inputs: tensor of rank 3 or 4, channels last.
        active_channels: scalar int32 tensor, or None for all.
        training: bool. Whether to normalize with the moments of this batch.
        moments: `(mean, variance)`, float32 tensors of shape (channels,), of
            which the active ones are used, or None for the moving statistics.
        return_moments: bool. Whether to return the moments of the batch
            instead of storing them.

    Output shape:
        As the input; under `mask` exactly 0 from active_channels on. With
        `return_moments`, `(outputs, (mean, variance))` with float32 moments of
        shape (channels,), 0 and 1 where inactive.
    """

    def __init__(
        self,
        momentum=0.9,
        epsilon=1e-5,
        channels=None,
        execution="slice",
        **kwargs,
    ):
        # Not autocast: inputs come in compute type, or are features in dB
        # which bfloat16 would round to half a dB.
        super().__init__(autocast=False, **kwargs)
        self.momentum = momentum
        self.epsilon = epsilon
        self.channels = channels
        self.execution = check_choice(
            "execution", execution, executions.EXECUTIONS
        )
        if channels is not None:
            self.build((None, channels))

    def build(self, input_shape):
        if self.built:
            return
        self.channels = input_shape[-1]

        def add(name, initializer, trainable):
            return self.add_weight(
                name=name,
                shape=(self.channels,),
                initializer=initializer,
                trainable=trainable,
                dtype="float32",
                autocast=False,
            )

        self.gamma = add("gamma", "ones", True)
        self.beta = add("beta", "zeros", True)
        self.moving_mean = add("moving_mean", "zeros", False)
        self.moving_variance = add("moving_variance", "ones", False)
        self.built = True

    def call(
        self,
        inputs,
        active_channels=None,
        training=False,
        moments=None,
        return_moments=False,
    ):
        executions.check_last_dimension(self.name, inputs.shape, self.channels)
        if moments is None:
            moments = (self.moving_mean, self.moving_variance)
        run = self._slice if self.execution == "slice" else self._mask
        outputs, batch_moments = run(inputs, active_channels, training, moments)
        if return_moments:
            return outputs, batch_moments
        if training and active_channels is None:
            self._update_moving_statistics(*batch_moments)
        return outputs

    def _update_moving_statistics(self, mean, variance):
        for moving, batch in (
            (self.moving_mean, mean),
            (self.moving_variance, variance),
        ):
            moving.assign(
                moving * self.momentum + batch * (1.0 - self.momentum)
            )

    def _slice(self, inputs, active_channels, training, moments):
        num_active = (
            self.channels if active_channels is None else active_channels
        )
        surplus = -num_active % _LANES
        gamma, beta, *moments = (
            tf.pad(ops.convert_to_tensor(value)[:num_active], [[0, surplus]])
            for value in (self.gamma, self.beta, *moments)
        )
        # The fused operation wants rank 4.
        shape = tf.shape(inputs)
        x = inputs[:, :, None, :] if inputs.shape.rank == 3 else inputs
        x = tf.pad(x, [[0, 0], [0, 0], [0, 0], [0, surplus]])
        if training:
            x, mean, variance = tf.compat.v1.nn.fused_batch_norm(
                x, gamma, beta, epsilon=self.epsilon, is_training=True
            )
            # It reports the unbiased variance; Keras keeps the biased one.
            count = tf.cast(tf.reduce_prod(shape[:-1]), tf.float32)
            variance = variance * (count - 1.0) / count
        else:
            mean, variance = moments
            x, _, _ = tf.compat.v1.nn.fused_batch_norm(
                x,
                gamma,
                beta,
                mean,
                variance,
                epsilon=self.epsilon,
                is_training=False,
            )
        x = tf.slice(x, (0, 0, 0, 0), (-1, -1, -1, num_active))
        mean, variance = mean[:num_active], variance[:num_active]
        if active_channels is not None:
            padding = [[0, self.channels - active_channels]]
            mean = tf.pad(mean, padding)
            variance = tf.pad(variance, padding, constant_values=1.0)
        outputs = tf.reshape(x, shape)
        outputs.set_shape(inputs.shape)
        return outputs, (
            tf.ensure_shape(mean, (self.channels,)),
            tf.ensure_shape(variance, (self.channels,)),
        )

    def _mask(self, inputs, active_channels, training, moments):
        x = ops.cast(inputs, "float32")
        if training:
            axes = list(range(len(inputs.shape) - 1))
            mean, variance = ops.moments(x, axes=axes)
        else:
            mean, variance = (ops.convert_to_tensor(m) for m in moments)
        scale = self.gamma * ops.rsqrt(variance + self.epsilon)
        outputs = (x - mean) * scale + self.beta
        if active_channels is not None:
            mask = executions.channel_mask(
                active_channels, self.channels, "float32"
            )
            # Last: an inactive channel would show its offset otherwise.
            outputs = outputs * mask
            mean, variance = mean * mask, variance * mask + (1.0 - mask)
        return ops.cast(outputs, inputs.dtype), (mean, variance)

    def compute_output_shape(self, input_shape, **kwargs):
        return input_shape

    def compute_output_spec(self, inputs, return_moments=False, **kwargs):
        outputs = keras.KerasTensor(inputs.shape, inputs.dtype)
        if not return_moments:
            return outputs
        moment = keras.KerasTensor((self.channels,), "float32")
        return outputs, (moment, moment)

    def get_config(self):
        return {
            **super().get_config(),
            "momentum": self.momentum,
            "epsilon": self.epsilon,
            "channels": self.channels,
            "execution": self.execution,
        }
