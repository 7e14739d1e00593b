"""A family with what CNN10 lacks: deeper stages, strides, elastic kernels."""

import dataclasses

from ofa_aec_tf.checks.settings import setting
from ofa_aec_tf.families.family import ElasticFamily
from ofa_aec_tf.search_space import complexity
from ofa_aec_tf.search_space.space import Decision
from ofa_aec_tf.search_space.space import SearchSpace

DEPTHS, KERNEL_SIZES = (2, 3, 4), (3, 5, 7)


@dataclasses.dataclass(frozen=True)
class ToyFamily(ElasticFamily):
    """Stages of 2 to 4 convolutions of any width; the first has a stride."""

    stage_filters: tuple[int, ...] = setting(
        (16, 16, 16), "Most filters of the convolutions of each stage."
    )

    name = "toy"
    title = "toy network"

    def __post_init__(self):
        object.__setattr__(self, "stage_filters", tuple(self.stage_filters))
        super().__post_init__()

    def search_space(self):
        decisions = []
        for stage, filters in enumerate(self.stage_filters, start=1):
            depth = f"stage{stage}_depth"
            decisions.append(Decision(depth, DEPTHS))
            for layer in range(1, DEPTHS[-1] + 1):
                requires = (depth, layer) if layer > DEPTHS[0] else None
                for what, choices in (
                    ("filters", tuple(range(2, filters + 1))),
                    ("kernel", KERNEL_SIZES),
                ):
                    name = f"stage{stage}_conv{layer}_{what}"
                    decisions.append(Decision(name, choices, requires))
        return SearchSpace(tuple(decisions))

    def convolutions(self, subnet=None):
        """`(name, filters, kernel size, stride)` of each, for each stage."""
        space = self.search_space()
        subnet = space.largest() if subnet is None else space.subnet(subnet)
        return tuple(
            tuple(
                (
                    f"stage{stage}_conv{layer}",
                    subnet[f"stage{stage}_conv{layer}_filters"],
                    subnet[f"stage{stage}_conv{layer}_kernel"],
                    2 if layer == 1 else 1,
                )
                for layer in range(1, subnet[f"stage{stage}_depth"] + 1)
            )
            for stage in range(1, len(self.stage_filters) + 1)
        )

    def fewest_filters(self, subnet=None):
        stages = self.convolutions(subnet)
        return min(filters for stage in stages for _, filters, *_ in stage)

    def layer_costs(self, subnet, num_frames):
        height, width, channels = num_frames, self.num_mel_bins, 1
        costs = [
            complexity.batch_normalization_cost("input_bn", width),
            complexity.activation_cost(
                "normalized_input", height * width, height * width
            ),
        ]
        for stage in self.convolutions(subnet):
            for name, filters, size, stride in stage:
                costs += [
                    complexity.conv2d_cost(
                        name, size, channels, filters, height, width, stride
                    ),
                    complexity.batch_normalization_cost(f"{name}_bn", filters),
                ]
                height, width = -(-height // stride), -(-width // stride)
                channels = filters
        return [
            *costs,
            complexity.activation_cost(
                "mean_pool", height * width * channels, channels
            ),
            complexity.dense_cost("logits", channels, self.num_classes),
            complexity.activation_cost(
                "scores", self.num_classes, self.num_classes, stays_float=True
            ),
        ]


FAMILY = ToyFamily
