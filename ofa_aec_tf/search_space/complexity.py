"""Analytical cost of a network, from the list of its layers.

Framework-free: a family lists the layers of a subnet, and this module adds
up. Counts follow the literature: parameters are the trainable ones, a MAC is
one multiplication with its addition, and only convolutions, dense layers and
the two products of an attention have MACs.
"""

import dataclasses
from collections.abc import Iterable

_FLOAT_BYTES = 4


@dataclasses.dataclass(frozen=True)
class LayerCost:
    """What one layer costs.

    Args:
        name: str. Name of the layer.
        parameters: int. Trainable parameters.
        macs: int. Multiply-accumulate operations for one clip.
        input_elements: int. Elements of its input for one clip.
        output_elements: int. Elements of its output for one clip.
        stays_float: bool. Whether it computes in float32 in a network that is
            quantized to int8.
        kept_elements: int. Elements kept meanwhile for a later layer. They
            are quantized even where this layer stays in float32.
    """

    name: str
    parameters: int
    macs: int
    input_elements: int
    output_elements: int
    stays_float: bool = False
    kept_elements: int = 0


@dataclasses.dataclass(frozen=True)
class Complexity:
    """Cost of a whole network for one clip.

    Args:
        parameters: int. Trainable parameters.
        macs: int. Multiply-accumulate operations.
        peak_activation_bytes: int. The most that the network's input and the
            input and output of one layer take together in float32: what no
            runtime can do without, since the network's input is kept.
        int8_peak_activation_bytes: int. The same where all but that input and
            the scores are in int8.
    """

    parameters: int
    macs: int
    peak_activation_bytes: int
    int8_peak_activation_bytes: int

    def to_json(self) -> dict[str, int]:
        """The costs by name."""
        return dataclasses.asdict(self)


COST_NAMES = tuple(field.name for field in dataclasses.fields(Complexity))
# Of the exported files, which `deployment.file_sizes` knows: they depend on
# clips and classes too.
FILE_SIZE_NAMES = ("float32_file_bytes", "int8_file_bytes")


def conv2d_cost(
    name: str,
    kernel_size: int,
    in_channels: int,
    out_channels: int,
    height: int,
    width: int,
    stride: int = 1,
) -> LayerCost:
    """A convolution with same padding and without bias.

    Height and width are those of its input.
    """
    weights = kernel_size * kernel_size * in_channels * out_channels
    positions = -(-height // stride) * -(-width // stride)
    return LayerCost(
        name,
        parameters=weights,
        macs=weights * positions,
        input_elements=height * width * in_channels,
        output_elements=positions * out_channels,
    )


def batch_normalization_cost(name: str, channels: int) -> LayerCost:
    """Scale and offset; folded into its convolution when deployed."""
    return LayerCost(name, 2 * channels, 0, 0, 0)


def activation_cost(
    name: str,
    input_elements: int,
    output_elements: int,
    stays_float: bool = False,
) -> LayerCost:
    """A layer without parameters, such as a pooling; see LayerCost."""
    return LayerCost(name, 0, 0, input_elements, output_elements, stays_float)


def dense_cost(name: str, in_units: int, out_units: int) -> LayerCost:
    """A dense layer with bias."""
    return LayerCost(
        name,
        parameters=(in_units + 1) * out_units,
        macs=in_units * out_units,
        input_elements=in_units,
        output_elements=out_units,
    )


def total_complexity(
    layers: Iterable[LayerCost], input_elements: int
) -> Complexity:
    """The cost of a chain of layers.

    Args:
        layers: iterable of LayerCost.
        input_elements: int. Elements of the network's input for one clip,
            which is in float32.

    Returns:
        Complexity.
    """
    layers = list(layers)
    return Complexity(
        parameters=sum(layer.parameters for layer in layers),
        macs=sum(layer.macs for layer in layers),
        peak_activation_bytes=_FLOAT_BYTES
        * (input_elements + max(_live_bytes(layer, 1) for layer in layers)),
        int8_peak_activation_bytes=_FLOAT_BYTES * input_elements
        + max(
            _live_bytes(layer, _FLOAT_BYTES if layer.stays_float else 1)
            for layer in layers
        ),
    )


def _live_bytes(layer, element_bytes):
    """Bytes of input and output, and one byte per kept element."""
    return (
        element_bytes * (layer.input_elements + layer.output_elements)
        + layer.kept_elements
    )
