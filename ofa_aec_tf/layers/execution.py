"""The two executions of elastic layers, and what they share."""

import tensorflow as tf
from keras import ops

# `slice` computes the active channels only; it needs TensorFlow, whose graphs
# allow shapes that depend on data. `mask` computes all channels and zeroes the
# inactive ones: for XLA, TPUs and the other Keras backends.
EXECUTIONS = ("slice", "mask")


def check_last_dimension(layer_name, input_shape, maximum):
    """Raises ValueError if an input has more channels than the layer."""
    if input_shape[-1] is not None and input_shape[-1] > maximum:
        raise ValueError(
            f"Layer `{layer_name}` was built for at most {maximum} input "
            f"channels. Received: input shape {tuple(input_shape)}"
        )


def channel_mask(num_active, num_channels, dtype):
    """1 for the first `num_active` channels, 0 for the others.

    Args:
        num_active: scalar int32 tensor.
        num_channels: int.
        dtype: str. Type of the mask.

    Returns:
        Tensor of shape (num_channels,).
    """
    return ops.cast(ops.arange(num_channels) < num_active, dtype)


def take_channels(inputs, num_active, execution):
    """Takes the first channels of activations that have all channels.

    Args:
        inputs: tensor of shape (batch, height, width, channels).
        num_active: scalar int32 tensor, or None for all.
        execution: `"slice"` or `"mask"`.

    Returns:
        Tensor of shape (batch, height, width, num_active) under `slice`; of
        that of `inputs`, 0 from num_active on, under `mask`.
    """
    if num_active is None:
        return inputs
    if execution == "mask":
        return inputs * channel_mask(num_active, inputs.shape[-1], inputs.dtype)
    outputs = tf.slice(inputs, (0, 0, 0, 0), (-1, -1, -1, num_active))
    outputs.set_shape((*inputs.shape[:-1], None))
    return outputs
