"""Weights of networks that were trained on other classes."""

import numpy as np
import tensorflow as tf

from ofa_aec_tf.models.keras_files import load_keras_file

_CLASSIFIER, _PATCHES, _POSITIONS = "logits", "patches", "positions"
INPUT = "log_mel_spectrogram"


def load_trained_weights(network, source):
    """Starts a network with all weights of another but the classifier's.

    Those of an AST for clips of another length are fit to this one, its
    positions as `resize_positions` does it.

    Args:
        network: keras.Model, as its family's builder makes it.
        source: path of a `.keras` file that `train` has saved, of a network of
            the same sizes.

    Raises:
        ValueError: if they are of a network of another kind or size.
    """
    trained = load_keras_file(source)
    by_name = {layer.name: layer for layer in trained.layers}
    for layer in network.layers:
        if not layer.weights or layer.name == _CLASSIFIER:
            continue
        if layer.name not in by_name:
            raise ValueError(
                f"{source} is another network than the one to start: it has "
                f"no layer `{layer.name}`."
            )
        values = by_name[layer.name].get_weights()
        if layer.name == _POSITIONS:
            values = [_fit_positions(values[0], trained, network)]
        assign(layer, values, source)


def assign(layer, values, source):
    """Gives a layer its weights.

    Args:
        layer: keras.layers.Layer.
        values: list of arrays.
        source: str. Where they are from, for the error.

    Raises:
        ValueError: if they are of other shapes.
    """
    expected = [tuple(weight.shape) for weight in layer.weights]
    received = [value.shape for value in values]
    if expected != received:
        raise ValueError(
            f"{source} is of another size than the network. "
            f"Expected for `{layer.name}`: {expected}. Received: {received}"
        )
    layer.set_weights(values)


def resize_positions(grid, size):
    """Positions of another grid, as AST makes them of an image's.

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


def _fit_positions(kernel, trained, network):
    """The kernel of the layer of positions, for another grid of patches."""
    had, wanted = (
        tuple(model.get_layer(_PATCHES).output.shape[1:])
        for model in (trained, network)
    )
    if had[:2] == wanted[:2]:
        return kernel
    positions = kernel.reshape(-1, had[2])
    num_tokens = len(positions) - had[0] * had[1]
    tokens, grid = positions[:num_tokens], positions[num_tokens:]
    grid = resize_positions(grid.reshape(had), wanted[:2])
    return np.concatenate([tokens.ravel(), grid.ravel()])[np.newaxis]
