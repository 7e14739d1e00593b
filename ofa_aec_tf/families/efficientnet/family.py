"""EfficientNet with mean pooling, as in CMKD: sizes and costs.

Free of TensorFlow. The layers are built in `network`.
"""

import dataclasses
import math
from collections.abc import Mapping

from ofa_aec_tf.checks.settings import setting
from ofa_aec_tf.families.family import Family
from ofa_aec_tf.families.family import Sizes
from ofa_aec_tf.search_space import complexity

SMALLEST_INPUT = 32

_STEM_FILTERS = 32
_TOP_FILTERS = 1280
_FILTER_MULTIPLE = 8
_SQUEEZE_RATIO = 4


@dataclasses.dataclass(frozen=True)
class _Stage:
    """Inverted residuals of one kind, at width and depth 1."""

    num_blocks: int
    kernel_size: int
    stride: int
    expansion: int
    in_filters: int
    out_filters: int


@dataclasses.dataclass(frozen=True)
class Block:
    """An inverted residual with squeeze and excitation.

    Args:
        name: str. As keras.applications has it, such as `"block2a"`.
        kernel_size: int. Of the depthwise convolution.
        stride: int. Of the same.
        in_filters: int. Channels of the input.
        channels: int. Channels within; no expansion if they are the input's.
        squeezed: int. Channels that squeeze and excitation has between.
        out_filters: int. Channels of the output.
    """

    name: str
    kernel_size: int
    stride: int
    in_filters: int
    channels: int
    squeezed: int
    out_filters: int

    @property
    def is_residual(self) -> bool:
        """Whether the input is added to the output."""
        return self.stride == 1 and self.in_filters == self.out_filters


# EfficientNet, table 1.
_STAGES = (
    _Stage(1, 3, 1, 1, 32, 16),
    _Stage(2, 3, 2, 6, 16, 24),
    _Stage(2, 5, 2, 6, 24, 40),
    _Stage(3, 3, 2, 6, 40, 80),
    _Stage(3, 5, 1, 6, 80, 112),
    _Stage(4, 5, 2, 6, 112, 192),
    _Stage(1, 3, 1, 6, 192, 320),
)


@dataclasses.dataclass(frozen=True)
class EfficientNetFamily(Family):
    """An EfficientNet on spectrograms.

    Filters are rounded to the nearest multiple of 8, numbers of blocks up.

    Reference: EfficientNet, https://arxiv.org/abs/1905.11946; without
    attention pooling as in CMKD, https://arxiv.org/abs/2203.06760.
    """

    width_coefficient: float = setting(
        1.1,
        "Filters in shares of those of B0, instead of the share of "
        "--efficientnet.",
        flag="efficientnet_width",
        above=0,
    )
    depth_coefficient: float = setting(
        1.2,
        "Blocks in shares of those of B0, likewise.",
        flag="efficientnet_depth",
        above=0,
    )

    name = "efficientnet"
    title = "EfficientNet"
    image_weights = (
        "`imagenet`, which is downloaded, or an `.h5` or `.keras` file"
    )
    sizes = Sizes(
        "efficientnet",
        "Coefficients of width and depth of an EfficientNet.",
        "b2",
        {
            "b0": {"width_coefficient": 1.0, "depth_coefficient": 1.0},
            "b2": {"width_coefficient": 1.1, "depth_coefficient": 1.2},
        },
    )

    def __post_init__(self):
        super().__post_init__()
        if self.num_mel_bins < SMALLEST_INPUT:
            raise ValueError(
                f"An EfficientNet halves its input five times, and needs "
                f"{SMALLEST_INPUT} mel bands. "
                f"Received: num_mel_bins={self.num_mel_bins}"
            )

    def num_filters(self, filters: int) -> int:
        """Filters of a layer: the nearest multiple, at least 90 %.

        Args:
            filters: int. Those of B0.
        """
        scaled = filters * self.width_coefficient
        nearest = max(
            _FILTER_MULTIPLE,
            int(scaled + _FILTER_MULTIPLE / 2)
            // _FILTER_MULTIPLE
            * _FILTER_MULTIPLE,
        )
        return nearest + _FILTER_MULTIPLE * (nearest < 0.9 * scaled)

    @property
    def stem_filters(self) -> int:
        """Filters of the first convolution."""
        return self.num_filters(_STEM_FILTERS)

    @property
    def top_filters(self) -> int:
        """Filters of the last convolution."""
        return self.num_filters(_TOP_FILTERS)

    def blocks(self) -> list[Block]:
        """The inverted residuals, from the input on."""
        blocks = []
        for number, stage in enumerate(_STAGES, start=1):
            in_filters = self.num_filters(stage.in_filters)
            out_filters = self.num_filters(stage.out_filters)
            num_blocks = math.ceil(self.depth_coefficient * stage.num_blocks)
            for index in range(num_blocks):
                blocks.append(
                    Block(
                        f"block{number}{chr(ord('a') + index)}",
                        stage.kernel_size,
                        1 if index else stage.stride,
                        in_filters,
                        stage.expansion * in_filters,
                        in_filters // _SQUEEZE_RATIO,
                        out_filters,
                    )
                )
                in_filters = out_filters
        return blocks

    def fewest_filters(self, subnet: Mapping[str, float] | None = None) -> int:
        """1: depthwise convolutions have one filter per channel.

        On a CPU they are slower in bfloat16 than in float32, whatever the
        width: docs/models.md.
        """
        return 1

    def layer_costs(
        self, subnet: Mapping[str, float] | None, num_frames: int
    ) -> list[complexity.LayerCost]:
        if num_frames < SMALLEST_INPUT:
            raise ValueError(
                f"An EfficientNet needs clips of at least {SMALLEST_INPUT} "
                f"frames. Received: num_frames={num_frames}. Preprocess with "
                "a larger --clip_seconds."
            )
        elements = num_frames * self.num_mel_bins
        size = _halved((num_frames, self.num_mel_bins))
        costs = [
            complexity.batch_normalization_cost("input_bn", self.num_mel_bins),
            complexity.activation_cost("normalized_input", elements, elements),
            *_convolution_costs(
                "stem_", 3, elements, 1, self.stem_filters, math.prod(size)
            ),
        ]
        for block in self.blocks():
            costs += _block_costs(block, size)
            size = size if block.stride == 1 else _halved(size)
        filters, top_filters = block.out_filters, self.top_filters
        positions = math.prod(size)
        return [
            *costs,
            *_convolution_costs(
                "top_", 1, positions * filters, filters, top_filters, positions
            ),
            complexity.activation_cost(
                "mean_pool", positions * top_filters, top_filters
            ),
            complexity.dense_cost("logits", top_filters, self.num_classes),
            complexity.activation_cost(
                "scores", self.num_classes, self.num_classes, stays_float=True
            ),
        ]


def _halved(size):
    """Frames and mel bands after a convolution with a stride of 2."""
    return tuple(length // 2 for length in size)


def _convolution_costs(
    name, kernel_size, input_elements, in_channels, filters, positions, kept=0
):
    """A convolution of any stride, its normalization and its swish."""
    weights = kernel_size * kernel_size * in_channels * filters
    elements = positions * filters
    return [
        complexity.LayerCost(
            f"{name}conv",
            weights,
            weights * positions,
            input_elements,
            elements,
            kept_elements=kept,
        ),
        complexity.batch_normalization_cost(f"{name}bn", filters),
        *_swish_costs(name, elements, kept),
    ]


def _swish_costs(name, elements, kept):
    """x * sigmoid(x), where the sigmoid stays in float32."""
    return [
        complexity.LayerCost(
            f"{name}sigmoid",
            0,
            0,
            elements,
            elements,
            stays_float=True,
            # The input, in int8, for the product.
            kept_elements=kept + elements,
        ),
        complexity.LayerCost(
            f"{name}swish", 0, 0, 2 * elements, elements, kept_elements=kept
        ),
    ]


def _block_costs(block, size):
    name, channels = f"{block.name}_", block.channels
    positions = math.prod(size)
    input_elements = positions * block.in_filters
    kept = input_elements if block.is_residual else 0
    costs = []
    if channels > block.in_filters:
        costs = _convolution_costs(
            f"{name}expand_",
            1,
            input_elements,
            block.in_filters,
            channels,
            positions,
            kept,
        )
    expanded_elements = positions * channels
    if block.stride == 2:
        positions = math.prod(_halved(size))
    elements = positions * channels
    output_elements = positions * block.out_filters
    # A depthwise convolution has one input channel for each filter.
    costs += _convolution_costs(
        f"{name}dw",
        block.kernel_size,
        expanded_elements,
        1,
        channels,
        positions,
        kept,
    )
    costs += [
        complexity.dense_cost(f"{name}se_reduce", channels, block.squeezed),
        complexity.dense_cost(f"{name}se_expand", block.squeezed, channels),
        complexity.LayerCost(
            f"{name}se_excite",
            0,
            0,
            elements + channels,
            elements,
            kept_elements=kept,
        ),
        complexity.LayerCost(
            f"{name}project_conv",
            channels * block.out_filters,
            channels * output_elements,
            elements,
            output_elements,
            kept_elements=kept,
        ),
        complexity.batch_normalization_cost(
            f"{name}project_bn", block.out_filters
        ),
    ]
    if block.is_residual:
        costs.append(
            complexity.activation_cost(
                f"{name}add", 2 * output_elements, output_elements
            )
        )
    return costs


FAMILY = EfficientNetFamily
