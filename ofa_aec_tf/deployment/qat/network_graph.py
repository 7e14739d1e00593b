"""The connections between the layers of a functional network."""

import keras


class NetworkGraph:
    """The layers of a network in order, and their connections.

    Args:
        network: functional keras.Model.

    Raises:
        ValueError: if a layer is used several times, or is a model.
    """

    def __init__(self, network):
        self.layers = network.operations
        self._producers = {layer.name: [] for layer in self.layers}
        self._consumers = {layer.name: [] for layer in self.layers}
        owners = {}
        for layer in self.layers:
            if isinstance(layer, keras.Model):
                raise ValueError(
                    "Quantization-aware training needs one network of layers, "
                    f"without models inside it. Received: {layer.name!r}"
                )
            if not isinstance(layer, keras.layers.InputLayer):
                for tensor in keras.tree.flatten(layer.input):
                    producer = _owner(tensor, owners, layer)
                    self._producers[layer.name].append(producer)
                    self._consumers[producer.name].append(layer)
            for tensor in keras.tree.flatten(layer.output):
                owners[id(tensor)] = layer
        # The layer with the output of the network.
        self.last = _owner(network.output, owners, network)

    def producers(self, layer):
        """The layers whose outputs this one reads."""
        return self._producers[layer.name]

    def only_consumer(self, layer):
        """The only layer that reads the output of this one, or None."""
        consumers = self._consumers[layer.name]
        if len(consumers) != 1 or layer is self.last:
            return None
        return consumers[0]


def _owner(tensor, owners, reader):
    # `layer.output` is the output of the first use of a layer. Any other tensor
    # is from a further use.
    if id(tensor) not in owners:
        raise ValueError(
            "Quantization-aware training needs every layer used once, since "
            "each use has values of its own. Received: a layer that is used "
            f"again before {reader.name!r}"
        )
    return owners[id(tensor)]
