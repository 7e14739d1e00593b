"""Transfers the weights of networks that were trained on other classes."""

from collections.abc import Callable
from collections.abc import Mapping

from ofa_aec_tf.models.keras_files import load_keras_file
from ofa_aec_tf.models.logits import LOGITS_LAYER


def load_trained_weights(
    network, source, adapters: Mapping[str, Callable] | None = None
):
    """Starts a network with all weights of another but the classifier's.

    Args:
        network: keras.Model, as its family's builder makes it.
        source: path of a `.keras` file that `train` has saved, of a network of
            the same sizes.
        adapters: dict from names of layers to functions that make their
            weights fit: of the list of arrays, the trained network and
            `network` to a list of arrays.

    Raises:
        ValueError: if they are of a network of another kind or size.
    """
    adapters = adapters or {}
    trained = load_keras_file(source)
    by_name = {layer.name: layer for layer in trained.layers}
    for layer in network.layers:
        if not layer.weights or layer.name == LOGITS_LAYER:
            continue
        if layer.name not in by_name:
            raise ValueError(
                f"{source} is another network than the one to start: it has "
                f"no layer `{layer.name}`."
            )
        values = by_name[layer.name].get_weights()
        if layer.name in adapters:
            values = adapters[layer.name](values, trained, network)
        assign(layer, values, source)


def assign(layer, values, source):
    """Sets the weights of a layer.

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
