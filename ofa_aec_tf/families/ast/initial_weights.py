"""Starts an AST with the weights of a ViT or DeiT, or of another AST."""

import math
import pathlib

import numpy as np
import tensorflow as tf

from ofa_aec_tf.families.ast.family import NUM_TOKENS
from ofa_aec_tf.families.image_weights import HUB_PREFIX
from ofa_aec_tf.families.image_weights import IMAGENET
from ofa_aec_tf.families.image_weights import first_line
from ofa_aec_tf.families.image_weights import one_channel
from ofa_aec_tf.families.image_weights import transposed
from ofa_aec_tf.models.keras_files import load_keras_file
from ofa_aec_tf.models.transfer import assign

PATCHES, POSITIONS = "patches", "positions"

_ATTENTION_PARTS = ("query", "key", "value", "attention_output")


def load_ast_weights(network, family, source):
    """Starts an AST with the weights of a ViT or DeiT.

    Positions are cut from the middle of the image's grid, or interpolated
    between its positions where it has fewer. Both tokens start as they were;
    of a ViT, which has one, both start as that one. The classifier and the
    normalization of the input stay as they are.

    Args:
        network: keras.Model of `build_ast`.
        family: AstFamily.
        source: str. `hub:` and the name or directory of a KerasHub preset, or
            the path of a `.keras` file of such a model.

    Raises:
        ValueError: if there are no such weights, KerasHub is missing, or they
            are of a network of another size.
    """
    weights = _TransformerWeights(source)
    if weights.has(f"transformer_block_{family.depth + 1}/ln_1/gamma"):
        raise ValueError(
            f"{source} has more blocks than the network. Give it as many, with "
            f"--ast_depth. Received: {family.depth}"
        )
    kernel, bias = weights.dense("patch_embedding")
    values = {
        PATCHES: [one_channel(transposed(kernel)), bias],
        POSITIONS: [weights.positions(family.patch_grid)],
        "encoder_norm": weights.normalization("ln"),
    }
    for number in range(1, family.depth + 1):
        name = f"transformer_block_{number}"
        values |= {
            f"block{number}_attention_norm": weights.normalization(
                f"{name}/ln_1"
            ),
            f"block{number}_attention": [
                value
                for part in _ATTENTION_PARTS
                for value in weights.dense(f"{name}/mha/{part}")
            ],
            f"block{number}_mlp_norm": weights.normalization(f"{name}/ln_2"),
            # In DeiT, and in ViT.
            f"block{number}_expand": weights.dense(
                f"{name}/mlp/dense", f"{name}/mlp/dense_1"
            ),
            f"block{number}_project": weights.dense(
                f"{name}/output_layer/output", f"{name}/mlp/dense_2"
            ),
        }
    for layer_name, layer_values in values.items():
        assign(network.get_layer(layer_name), layer_values, source)


class _TransformerWeights:
    """The weights of a ViT or DeiT of KerasHub, by the ends of their paths."""

    def __init__(self, source):
        self._source = source
        self._values = {
            f"/{variable.path}": variable.numpy()
            for variable in _load_transformer(source).variables
        }

    def _find(self, *names):
        ends = tuple(f"/{name}" for name in names)
        for path, value in self._values.items():
            if path.endswith(ends):
                return value
        return None

    def has(self, name):
        """Whether there is a weight of this name."""
        return self._find(name) is not None

    def _get(self, *names):
        value = self._find(*names)
        if value is None:
            raise ValueError(
                f"{self._source} is no ViT or DeiT of KerasHub with as many "
                f"blocks as the network: it lacks {' or '.join(names)}."
            )
        return value

    def dense(self, *names):
        """Kernel and bias of a layer that has one of these names."""
        return [
            self._get(*(f"{name}/{part}" for name in names))
            for part in ("kernel", "bias")
        ]

    def normalization(self, name):
        """Scale and offset of a layer."""
        return [self._get(f"{name}/{part}") for part in ("gamma", "beta")]

    def positions(self, patch_grid):
        """The tokens, and the positions of patches in order of time."""
        tokens = [self._get("class_token").ravel()]
        if self.has("distillation_token"):
            tokens.append(self._get("distillation_token").ravel())
        positions = self._get(
            "position_embedding", "position_embedding/embeddings"
        ).reshape(-1, tokens[0].size)
        num_patches = len(positions) - len(tokens)
        side = math.isqrt(num_patches)
        if side * side != num_patches:
            raise ValueError(
                f"The image of {self._source} must be square. "
                f"Received: {num_patches} patches"
            )
        tokens = [
            token + position for token, position in zip(tokens, positions)
        ]
        grid = positions[len(tokens) :].reshape(side, side, -1)
        time, frequency = patch_grid
        grid = transposed(resize_positions(grid, (frequency, time)))
        if len(tokens) < NUM_TOKENS:
            tokens *= NUM_TOKENS
        return np.concatenate([*tokens, grid.ravel()])[np.newaxis]


def _load_transformer(source):
    """Loads the KerasHub model that has the weights."""
    if source == IMAGENET:
        raise ValueError(
            "An AST starts with the weights of a ViT or DeiT, named as "
            f"{HUB_PREFIX}deit_base_distilled_patch16_384_imagenet or as a "
            f"`.keras` file. Received: {source}"
        )
    is_preset = source.startswith(HUB_PREFIX)
    if not is_preset and not source.endswith(".keras"):
        raise ValueError(
            "The weights of a ViT or DeiT must be in a `.keras` file, which "
            f"says what they are of. Received: {source}"
        )
    if not is_preset and not pathlib.Path(source).is_file():
        raise ValueError(f"There is no model file {source}.")
    try:
        import keras_hub
    except ImportError:
        raise ValueError(
            f"{source} needs KerasHub, which is missing. Install it with "
            "`pip install 'ofa_aec_tf[hub]'`."
        ) from None
    if not is_preset:
        return load_keras_file(source)
    name = source.removeprefix(HUB_PREFIX)
    try:
        return keras_hub.models.Backbone.from_preset(name)
    # What is raised is what the download or the reader happened to raise.
    except Exception as error:
        raise ValueError(
            f"The KerasHub preset {name} cannot be loaded; it is downloaded "
            f"once, from Kaggle. KerasHub reports: {first_line(error)}"
        ) from error


def resize_positions(grid, size):
    """Fits positions to another grid, as AST does with those of an image.

    Args:
        grid: float array of shape (rows, columns, width).
        size: `(rows, columns)` that are wanted.

    Returns:
        float32 array of shape (*size, width): along an axis with enough
        positions the middle ones, along another interpolated linearly.
    """
    grid = np.asarray(grid, np.float32)
    kept = [min(had, wanted) for had, wanted in zip(grid.shape, size)]
    rows, columns = (
        slice(had // 2 - keep // 2, had // 2 - keep // 2 + keep)
        for had, keep in zip(grid.shape, kept)
    )
    return tf.image.resize(grid[rows, columns], size, "bilinear").numpy()


def fit_positions(values, trained, network):
    """Fits the positions of an AST to other clip lengths or mel bands.

    Args:
        values: list of the one array of weights of the layer `positions`.
        trained: keras.Model that has them.
        network: keras.Model of `build_ast` to fit them to.

    Returns:
        list of one array.
    """
    (kernel,) = values
    had, wanted = (
        tuple(model.get_layer(PATCHES).output.shape[1:])
        for model in (trained, network)
    )
    if had[:2] == wanted[:2]:
        return values
    positions = kernel.reshape(-1, had[2])
    num_tokens = len(positions) - had[0] * had[1]
    tokens, grid = positions[:num_tokens], positions[num_tokens:]
    grid = resize_positions(grid.reshape(had), wanted[:2])
    return [np.concatenate([tokens.ravel(), grid.ravel()])[np.newaxis]]
