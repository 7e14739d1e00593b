"""The choice of the algorithm of a convolution."""

import tensorflow as tf

from ofa_aec_tf.layers import winograd
from ofa_aec_tf.runs import machine

# Rows and columns of a tile. Larger tiles multiply less and round more:
# relative error of one layer 0.7 % in bfloat16 (0.2 % direct), and 2e-6 in
# float32 (8e-7 direct).
_TILES = {"float32": (4, 4), "bfloat16": (4, 2)}

# Below, the transforms cost more than the multiplications they save: smaller
# and larger number of channels, measured in docs/performance.md. In inference
# the direct convolution is fused with what follows it, and wins more often.
_FEWEST_CHANNELS = {"float32": (64, 64), "bfloat16": (64, 128)}
_FEWEST_CHANNELS_IN_INFERENCE = {"float32": (64, 128), "bfloat16": (128, 128)}


def uses_winograd(
    algorithm, kernel_size, in_channels, filters, dtype, inference=False
):
    """Whether to compute a convolution by `winograd_conv2d`.

    Args:
        algorithm: one of `ALGORITHMS`. `auto` decides by what was measured:
            Winograd's on a CPU, for 3x3 kernels with enough channels, unless
            the CPU has matrix units for the type.
        kernel_size: int.
        in_channels: int. Largest number of input channels.
        filters: int. Largest number of filters.
        dtype: str. Type of the inputs.
        inference: bool. Whether no gradient will be asked for.

    Returns:
        bool.
    """
    able = kernel_size == winograd.NUM_TAPS and dtype in _TILES
    if algorithm != "auto" or not able:
        return able and algorithm == "winograd"
    if tf.config.list_physical_devices("GPU"):
        return False
    if dtype == "bfloat16" and machine.has_bfloat16_tiles():
        return False
    fewer, more = sorted((in_channels, filters))
    table = _FEWEST_CHANNELS_IN_INFERENCE if inference else _FEWEST_CHANNELS
    least_fewer, least_more = table[dtype]
    return fewer >= least_fewer and more >= least_more


def convolve(inputs, kernel, use_winograd):
    """2D convolution, stride 1, same padding.

    Args:
        inputs: tensor of shape (batch, height, width, in_channels).
        kernel: float32 tensor of shape (size, size, in_channels, filters).
        use_winograd: bool, of `uses_winograd`.

    Returns:
        Tensor of shape (batch, height, width, filters), type of `inputs`.
    """
    if use_winograd:
        return winograd.winograd_conv2d(
            inputs, kernel, *_TILES[inputs.dtype.name]
        )
    return tf.nn.conv2d(inputs, tf.cast(kernel, inputs.dtype), 1, "SAME")


def constant_convolution(kernel, dtype, algorithm="auto"):
    """A convolution with a constant kernel.

    Args:
        kernel: float32 array of shape (size, size, in_channels, filters).
        dtype: str. Type of the inputs to come.
        algorithm: one of `ALGORITHMS`.

    Returns:
        Function from a tensor of shape (batch, height, width, in_channels) to
        one of shape (batch, height, width, filters).
    """
    size, _, in_channels, filters = kernel.shape
    if uses_winograd(algorithm, size, in_channels, filters, dtype, True):
        tile = _TILES[dtype]
        points = winograd.transform_kernel(kernel, *tile, dtype)
        return lambda inputs: winograd.convolve_points(inputs, points, *tile)
    kernel = tf.cast(kernel, dtype)
    return lambda inputs: tf.nn.conv2d(inputs, kernel, 1, "SAME")
