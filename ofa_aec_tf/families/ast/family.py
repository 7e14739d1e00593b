"""The audio spectrogram transformer (AST): sizes and costs.

Free of TensorFlow. The layers are built in `network`.
"""

import dataclasses
from collections.abc import Mapping

from ofa_aec_tf.checks.settings import setting
from ofa_aec_tf.families.family import Family
from ofa_aec_tf.families.family import Sizes
from ofa_aec_tf.families.family import TrainingOptions
from ofa_aec_tf.search_space import complexity

PATCH_SIZE = 16
# Patches overlap by 6 frames and by 6 mel bands.
PATCH_STRIDE = 10
# One for the class, one for distillation, before the patches.
NUM_TOKENS = 2
MLP_RATIO = 4


@dataclasses.dataclass(frozen=True)
class AstTrainingOptions(TrainingOptions):
    """Options of an AST that change how it trains."""

    gradient_checkpointing: bool = setting(
        False,
        "Whether each block of an AST computes twice in a step, which takes "
        "less memory, more time, and gives the same gradients.",
    )


@dataclasses.dataclass(frozen=True)
class AstFamily(Family):
    """An audio spectrogram transformer.

    Args:
        num_frames: int. Frames of a clip: there is a position for each patch.

    Reference: AST, https://arxiv.org/abs/2104.01778.
    """

    num_frames: int
    width: int = setting(
        768,
        "Width of the encoder, instead of that of --ast_size.",
        flag="ast_width",
        at_least=1,
    )
    num_heads: int = setting(
        12,
        "Heads of an attention, likewise; a divisor of the width.",
        flag="ast_heads",
        at_least=1,
    )
    depth: int = setting(
        12, "Blocks of the encoder, likewise.", flag="ast_depth", at_least=1
    )

    name = "ast"
    title = "AST"
    image_weights = "`hub:` and a KerasHub preset, or a `.keras` file"
    # Those of DeiT.
    sizes = Sizes(
        "ast_size",
        "Width, heads and depth of an AST.",
        "base",
        {
            "tiny": {"width": 192, "num_heads": 3, "depth": 12},
            "small": {"width": 384, "num_heads": 6, "depth": 12},
            "base": {"width": 768, "num_heads": 12, "depth": 12},
        },
    )
    training_options = AstTrainingOptions

    def __post_init__(self):
        super().__post_init__()
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
        return self.width

    def layer_costs(
        self, subnet: Mapping[str, float] | None, num_frames: int
    ) -> list[complexity.LayerCost]:
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


FAMILY = AstFamily
