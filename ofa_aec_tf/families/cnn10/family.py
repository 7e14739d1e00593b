"""The CNN10 family: its search spaces and the shape of every subnet.

Free of TensorFlow. The layers are built in `network` and `supernet`.
"""

import dataclasses
import math
from collections.abc import Mapping

from ofa_aec_tf.checks.settings import setting
from ofa_aec_tf.families.family import ElasticFamily
from ofa_aec_tf.search_space import complexity
from ofa_aec_tf.search_space import space as search_spaces

LAYERS_PER_BLOCK = 2
KERNEL_SIZE = 3
POOL_SIZE = 2

_DEPTH_CHARACTERS = "2X"


@dataclasses.dataclass(frozen=True)
class Cnn10Family(ElasticFamily):
    """CNN10 and all networks that a CNN10 supernet contains.

    A layer keeps its first `num_filters(channels, ratio)` channels.

    Reference: OFA-AEC, section 2.2; CNN10 is that of PANNs.
    """

    channels: tuple[int, ...] = setting(
        (64, 128, 256, 512), "Channels of each block."
    )
    hidden_units: int = setting(
        512, "Units of the dense layer before the classifier.", at_least=1
    )
    width_ratios: tuple[float, ...] = setting(
        (0.4, 0.6, 0.8, 1.0),
        "Elastic width choices: shares of --channels, ascending.",
    )
    depth_pattern: str = setting(
        "22X",
        "For each block after the first: `2` keeps both convolutions, `X` is "
        "elastic.",
    )
    elastic_stem: bool = setting(
        False, "Whether the width of block 1 is elastic too."
    )
    width_granularity: str = setting(
        "block",
        "One width ratio per block, or one per convolution.",
        choices=("block", "layer"),
    )
    channel_multiple: int = setting(
        1,
        "Elastic widths are multiples of it: 8 or 16 suit processors.",
        at_least=1,
    )

    name = "cnn10"
    title = "CNN10"

    def __post_init__(self):
        object.__setattr__(self, "channels", tuple(self.channels))
        object.__setattr__(self, "width_ratios", tuple(self.width_ratios))
        super().__post_init__()
        if len(self.channels) < 2 or min(self.channels) < 1:
            raise ValueError(
                "`channels` needs a positive number for each of at least two "
                f"blocks. Received: channels={self.channels}"
            )
        ratios = list(self.width_ratios)
        if (
            not ratios
            or not all(0 < ratio <= 1 for ratio in ratios)
            or ratios != sorted(set(ratios))
        ):
            raise ValueError(
                "`width_ratios` must be distinct, ascending and in (0, 1]. "
                f"Received: width_ratios={self.width_ratios}"
            )
        smallest = self.num_filters(min(self.channels), ratios[0])
        if smallest < 1:
            raise ValueError(
                f"Ratio {ratios[0]} leaves a layer of {min(self.channels)} "
                "channels without any. Use a larger ratio or more channels. "
                f"Received: width_ratios={self.width_ratios}"
            )
        if len(self.depth_pattern) != len(self.channels) - 1 or not set(
            self.depth_pattern
        ) <= set(_DEPTH_CHARACTERS):
            raise ValueError(
                f"`depth_pattern` needs {len(self.channels) - 1} characters, "
                "one a block after the first, each `2` or `X`. "
                f"Received: depth_pattern={self.depth_pattern}"
            )
        self._check_multiple()
        if self.num_mel_bins < POOL_SIZE ** len(self.channels):
            raise ValueError(
                f"{len(self.channels)} poolings need at least "
                f"{POOL_SIZE ** len(self.channels)} mel bands. "
                f"Received: num_mel_bins={self.num_mel_bins}"
            )

    def _check_multiple(self):
        for block, channels in enumerate(self.channels, start=1):
            if self.channel_multiple == 1 or not self.has_elastic_width(block):
                continue
            widths = [self.num_filters(channels, r) for r in self.width_ratios]
            if len(set(widths)) < len(widths):
                raise ValueError(
                    f"In multiples of {self.channel_multiple}, ratios leave "
                    f"block {block} the same filters: {widths} for "
                    f"{list(self.width_ratios)} of {channels}. Use fewer "
                    "ratios, more channels or a smaller `channel_multiple`."
                )

    def num_filters(self, channels: int, ratio: float) -> int:
        """Channels that a ratio keeps: the nearest multiple, rounding half up.

        Args:
            channels: int. All of them, which ratio 1 keeps.
            ratio: float, in (0, 1].
        """
        if ratio == 1:
            return channels
        # Nearest, not floor: it gives the known sizes of uniform subnets,
        # such as 3,509,628 parameters at ratio 0.8 (floor: 3,491,612).
        multiples = math.floor(ratio * channels / self.channel_multiple + 0.5)
        if self.channel_multiple > 1:
            multiples = max(multiples, 1)
        return min(multiples * self.channel_multiple, channels)

    def search_space(self) -> search_spaces.SearchSpace:
        """All subnets: a depth per `X`, a width per elastic block or layer."""
        decisions = []
        for block in range(1, len(self.channels) + 1):
            elastic_depth = self.has_elastic_depth(block)
            depth_name = f"block{block}_depth"
            if elastic_depth:
                decisions.append(search_spaces.Decision(depth_name, (1, 2)))
            if not self.has_elastic_width(block):
                continue
            if self.width_granularity == "block":
                decisions.append(
                    search_spaces.Decision(
                        f"block{block}_width", self.width_ratios
                    )
                )
                continue
            for layer in range(1, LAYERS_PER_BLOCK + 1):
                needs_depth = elastic_depth and layer > 1
                decisions.append(
                    search_spaces.Decision(
                        f"block{block}_conv{layer}_width",
                        self.width_ratios,
                        requires=(depth_name, layer) if needs_depth else None,
                    )
                )
        return search_spaces.SearchSpace(tuple(decisions))

    def has_elastic_depth(self, block: int) -> bool:
        """Whether `block` (from 1) may drop its second convolution."""
        return block > 1 and self.depth_pattern[block - 2] == "X"

    def has_elastic_width(self, block: int) -> bool:
        """Whether the channels of `block` (from 1) scale."""
        return block > 1 or self.elastic_stem

    def width_decision(self, block: int, layer: int) -> str:
        """Name of the decision about the width of a convolution (from 1)."""
        if self.width_granularity == "block":
            return f"block{block}_width"
        return f"block{block}_conv{layer}_width"

    def block_decisions(self, block: int) -> tuple[str, ...]:
        """Names of the decisions about `block` (from 1)."""
        return tuple(
            decision.name
            for decision in self.search_space().decisions
            if decision.name.startswith(f"block{block}_")
        )

    def filters(
        self, subnet: Mapping[str, float] | None = None
    ) -> tuple[tuple[int, ...], ...]:
        """Filters of each convolution, one or two in each block.

        Args:
            subnet: Subnet of this family's space; None is the largest.

        Raises:
            ValueError: if `subnet` is not of this space.
        """
        space = self.search_space()
        subnet = space.largest() if subnet is None else space.subnet(subnet)
        blocks = []
        for block, channels in enumerate(self.channels, start=1):
            depth = subnet.get(f"block{block}_depth", LAYERS_PER_BLOCK)
            blocks.append(
                tuple(
                    self.num_filters(
                        channels,
                        subnet[self.width_decision(block, layer)]
                        if self.has_elastic_width(block)
                        else 1.0,
                    )
                    for layer in range(1, depth + 1)
                )
            )
        return tuple(blocks)

    def fewest_filters(self, subnet: Mapping[str, float] | None = None) -> int:
        return min(min(block) for block in self.filters(subnet))

    def check_largest_is_whole(self) -> None:
        widest = self.width_ratios[-1]
        if widest < 1:
            ratios = ",".join(f"{ratio:g}" for ratio in self.width_ratios)
            raise ValueError(
                "The largest network has all --channels only where 1.0 is "
                "among the --width_ratios. Add it, or name the subnet, such as "
                f"--subnet=width={widest:g}. Received: --width_ratios={ratios}"
            )

    def layer_costs(
        self, subnet: Mapping[str, float] | None, num_frames: int
    ) -> list[complexity.LayerCost]:
        height, width, in_channels = num_frames, self.num_mel_bins, 1
        costs = [
            complexity.batch_normalization_cost("input_bn", self.num_mel_bins),
            # Not before a convolution, so a layer of its own when deployed.
            complexity.activation_cost(
                "normalized_input", height * width, height * width
            ),
        ]
        for block, filters in enumerate(self.filters(subnet), start=1):
            for layer, out_channels in enumerate(filters, start=1):
                name = f"block{block}_conv{layer}"
                costs.append(
                    complexity.conv2d_cost(
                        name,
                        KERNEL_SIZE,
                        in_channels,
                        out_channels,
                        height,
                        width,
                    )
                )
                costs.append(
                    complexity.batch_normalization_cost(
                        f"block{block}_bn{layer}", out_channels
                    )
                )
                in_channels = out_channels
            positions = height * width
            height, width = height // POOL_SIZE, width // POOL_SIZE
            costs.append(
                complexity.activation_cost(
                    f"block{block}_pool",
                    in_channels * positions,
                    in_channels * height * width,
                )
            )
        if not height:
            raise ValueError(
                f"{len(self.channels)} poolings need clips of at least "
                f"{POOL_SIZE ** len(self.channels)} frames. Received: "
                f"num_frames={num_frames}. Preprocess with a larger "
                "--clip_seconds."
            )
        elements = in_channels * height
        return [
            *costs,
            complexity.activation_cost(
                "frequency_mean", elements * width, elements
            ),
            # Beside the maximum, which the sum of both reads.
            complexity.LayerCost(
                "time_mean",
                0,
                0,
                elements,
                in_channels,
                kept_elements=in_channels,
            ),
            complexity.activation_cost(
                "time_pool", 2 * in_channels, in_channels
            ),
            complexity.dense_cost("hidden", in_channels, self.hidden_units),
            complexity.dense_cost(
                "logits", self.hidden_units, self.num_classes
            ),
            complexity.activation_cost(
                "scores", self.num_classes, self.num_classes, stays_float=True
            ),
        ]


FAMILY = Cnn10Family
