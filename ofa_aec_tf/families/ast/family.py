"""The audio spectrogram transformer (AST): its sizes and what they cost.

Framework-free. The layers themselves are built in `ofa_aec_tf.models`.
"""

import dataclasses
from collections.abc import Mapping

from ofa_aec_tf.families.family import SingleNetworkFamily
from ofa_aec_tf.models.score_activations import SIGMOID
from ofa_aec_tf.search_space import complexity

PATCH_SIZE = 16
# Patches overlap by 6 frames and by 6 mel bands.
PATCH_STRIDE = 10
# One for the class, one for distillation, before the patches.
NUM_TOKENS = 2
MLP_RATIO = 4

# Width, heads and depth: those of DeiT.
SIZES = {
    "tiny": (192, 3, 12),
    "small": (384, 6, 12),
    "base": (768, 12, 12),
}


@dataclasses.dataclass(frozen=True)
class AstFamily(SingleNetworkFamily):
    """An audio spectrogram transformer.

    Args:
        num_classes: int. Sound event classes.
        num_frames: int. Frames of a clip: there is a position for each patch.
        num_mel_bins: int. Mel bands of the input.
        width: int. Numbers that stand for a patch in the encoder.
        num_heads: int. Heads of an attention; a divisor of `width`.
        depth: int. Blocks of the encoder.
        score_activation: one of `SCORE_ACTIVATIONS`. From logits to scores.

    Reference: AST, https://arxiv.org/abs/2104.01778.
    """

    num_classes: int
    num_frames: int
    num_mel_bins: int = 64
    width: int = 768
    num_heads: int = 12
    depth: int = 12
    score_activation: str = SIGMOID

    name = "ast"
    title = "AST"

    def __post_init__(self):
        super().__post_init__()
        self._check_positive("num_classes", "width", "num_heads", "depth")
        if self.width % self.num_heads:
            raise ValueError(
                "`width` must be a multiple of `num_heads`. Received: "
                f"width={self.width}, num_heads={self.num_heads}"
            )
        if min(self.num_frames, self.num_mel_bins) < PATCH_SIZE:
            raise ValueError(
                f"A patch needs {PATCH_SIZE} frames and {PATCH_SIZE} mel "
                f"bands. Received: num_frames={self.num_frames}, "
                f"num_mel_bins={self.num_mel_bins}. Preprocess with a larger "
                "--clip_seconds or --num_mel_bins."
            )

    @property
    def patch_grid(self) -> tuple[int, int]:
        """Patches along time and along frequency."""
        return tuple(
            (size - PATCH_SIZE) // PATCH_STRIDE + 1
            for size in (self.num_frames, self.num_mel_bins)
        )

    def fewest_filters(self, subnet: Mapping[str, float] | None = None) -> int:
        """Filters of the narrowest convolution: the width of the encoder.

        Args:
            subnet: the one Subnet of this family's space, or None.
        """
        return self.width

    def layer_costs(
        self, subnet: Mapping[str, float] | None, num_frames: int
    ) -> list[complexity.LayerCost]:
        """The layers with their costs.

        Args:
            subnet: the one Subnet of this family's space, or None.
            num_frames: int. Frames of the input clip.

        Returns:
            list of LayerCost, from the input on.

        Raises:
            ValueError: if the network is for clips of other frames.
        """
        if num_frames != self.num_frames:
            raise ValueError(
                "An AST has positions for clips of one length. Expected: "
                f"num_frames={self.num_frames}. Received: "
                f"num_frames={num_frames}"
            )
        time, frequency = self.patch_grid
        input_elements = num_frames * self.num_mel_bins
        patch_elements = time * frequency * self.width
        elements = patch_elements + NUM_TOKENS * self.width
        pixels = PATCH_SIZE * PATCH_SIZE
        costs = [
            complexity.batch_normalization_cost("input_bn", self.num_mel_bins),
            complexity.activation_cost(
                "normalized_input", input_elements, input_elements
            ),
            complexity.LayerCost(
                "patches",
                parameters=(pixels + 1) * self.width,
                macs=pixels * patch_elements,
                input_elements=input_elements,
                output_elements=patch_elements,
            ),
            complexity.activation_cost("tokens", patch_elements, elements),
            complexity.LayerCost("positions", elements, 0, elements, elements),
        ]
        for block in range(1, self.depth + 1):
            costs += self._block_costs(f"block{block}", elements)
        return [
            *costs,
            self._normalization_cost("encoder_norm", elements),
            self._normalization_cost("classifier_norm", self.width),
            complexity.dense_cost("logits", self.width, self.num_classes),
            complexity.activation_cost(
                "scores", self.num_classes, self.num_classes, stays_float=True
            ),
        ]

    def _block_costs(self, name, elements):
        num_positions = elements // self.width
        # A weight for each pair of positions and each head.
        weights = self.num_heads * num_positions * num_positions
        products = num_positions * elements

        def dense(part, in_units, out_units, kept):
            return complexity.LayerCost(
                f"{name}_{part}",
                parameters=(in_units + 1) * out_units,
                macs=num_positions * in_units * out_units,
                input_elements=num_positions * in_units,
                output_elements=num_positions * out_units,
                kept_elements=kept,
            )

        width, hidden = self.width, MLP_RATIO * self.width
        # Kept everywhere is what the block started from; in an attention also
        # those of query, key and value that are still to be read.
        return [
            self._normalization_cost(f"{name}_attention_norm", elements),
            dense("query", width, width, elements),
            dense("key", width, width, 2 * elements),
            dense("value", width, width, 3 * elements),
            complexity.LayerCost(
                f"{name}_products",
                0,
                products,
                2 * elements,
                weights,
                kept_elements=2 * elements,
            ),
            complexity.LayerCost(
                f"{name}_softmax",
                0,
                0,
                weights,
                weights,
                stays_float=True,
                kept_elements=2 * elements,
            ),
            complexity.LayerCost(
                f"{name}_mixture",
                0,
                products,
                weights + elements,
                elements,
                kept_elements=elements,
            ),
            dense("output", width, width, elements),
            self._normalization_cost(f"{name}_mlp_norm", elements),
            dense("expand", width, hidden, elements),
            complexity.LayerCost(
                f"{name}_gelu",
                0,
                0,
                MLP_RATIO * elements,
                MLP_RATIO * elements,
                kept_elements=elements,
            ),
            dense("project", hidden, width, elements),
        ]

    def _normalization_cost(self, name, elements):
        return complexity.LayerCost(
            name, 2 * self.width, 0, elements, elements, kept_elements=elements
        )
