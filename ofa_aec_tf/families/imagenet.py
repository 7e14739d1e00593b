"""Weights that image models learned, for networks on spectrograms.

The three input channels become one, whose kernel is their mean, as in CMKD. A
row of an image becomes a mel band and a column a frame, as in AST; here frames
come first, so that every kernel is turned over its diagonal.
"""

import math
import pathlib

import keras
import numpy as np

from ofa_aec_tf.families.ast.family import NUM_TOKENS
from ofa_aec_tf.families.efficientnet.family import SIZES
from ofa_aec_tf.models.keras_files import load_keras_file
from ofa_aec_tf.models.transfer import INPUT
from ofa_aec_tf.models.transfer import assign
from ofa_aec_tf.models.transfer import resize_positions

IMAGENET = "imagenet"
HUB_PREFIX = "hub:"

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
        "patches": [_one_channel(_turned(kernel)), bias],
        "positions": [weights.positions(family.patch_grid)],
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
        grid = _turned(resize_positions(grid, (frequency, time)))
        if len(tokens) < NUM_TOKENS:
            tokens *= NUM_TOKENS
        return np.concatenate([*tokens, grid.ravel()])[np.newaxis]


def load_efficientnet_weights(network, family, source):
    """Starts an EfficientNet with weights of keras.applications.

    The classifier and the normalization of the input stay as they are.

    Args:
        network: keras.Model of `build_efficientnet`.
        family: EfficientNetFamily.
        source: str. `imagenet`, which is downloaded; or the path of a `.keras`
            file of an EfficientNet, or of an `.h5` file with the weights of
            one without its classifier.

    Raises:
        ValueError: if there are no such weights, or they are of a network of
            another size.
    """
    image_model = _load_efficientnet(family, source)
    by_name = {layer.name: layer for layer in image_model.layers}
    if INPUT in by_name:
        # Its kernels are turned already.
        raise ValueError(
            f"{source} is no image model, but one for sounds without its "
            "record. Keep `X.json` beside `X.keras` when you move it."
        )
    for layer in network.layers:
        if not layer.weights or layer.name in ("input_bn", "logits"):
            continue
        if layer.name not in by_name:
            raise ValueError(
                f"{source} is no EfficientNet of keras.applications of this "
                f"depth: it has no layer `{layer.name}`."
            )
        values = [
            _turned(value) if value.ndim == 4 else value
            for value in by_name[layer.name].get_weights()
        ]
        if layer.name == "stem_conv":
            values = [_one_channel(value) for value in values]
        assign(layer, values, source)


def _load_efficientnet(family, source):
    if source.startswith(HUB_PREFIX):
        raise ValueError(
            "Weights of an EfficientNet are those of keras.applications: "
            f"`{IMAGENET}` or a file. Received: {source}"
        )
    if source.endswith(".keras"):
        return load_keras_file(source)
    if source != IMAGENET and not pathlib.Path(source).is_file():
        raise ValueError(f"There is no file of weights {source}.")
    coefficients = (family.width_coefficient, family.depth_coefficient)
    sizes = {size: name for name, size in SIZES.items()}
    if coefficients not in sizes:
        raise ValueError(
            f"Only {' and '.join(SIZES)} have weights of image models but for "
            "those in a `.keras` file. Received: coefficients of width and "
            f"depth of {coefficients}"
        )
    name = f"EfficientNet{sizes[coefficients].upper()}"
    build = getattr(keras.applications, name)
    try:
        return build(include_top=False, weights=source)
    # What is raised is what the download or the reader happened to raise.
    except Exception as error:
        raise ValueError(
            f"The EfficientNet weights {source} cannot be loaded. If they are "
            "to be downloaded, download them where there is a network and "
            f"name the file. Keras reports: {_first_line(error)}"
        ) from error


def _load_transformer(source):
    """The KerasHub model with the weights, without its classifier."""
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
            f"once, from Kaggle. KerasHub reports: {_first_line(error)}"
        ) from error


def _first_line(error):
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return lines[0][:200]


def _turned(kernel):
    return np.swapaxes(kernel, 0, 1)


def _one_channel(kernel):
    return kernel.mean(axis=2, keepdims=True)
