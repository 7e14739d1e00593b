"""Which layer of a functional network feeds which."""

import keras


class NetworkGraph:
    """The layers of a network in order, and how they are connected.

    Args:
        network: functional keras.Model.

    Raises:
        ValueError: if a layer is used several times, or is a model itself.
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
        # The layer whose output is the network's.
        self.last = _owner(network.output, owners, network)

    def producers(self, layer):
        """The layers whose outputs this one reads."""
        return self._producers[layer.name]

    def only_consumer(self, layer):
        """The layer that reads the output of this one, where it is just one."""
        consumers = self._consumers[layer.name]
        if len(consumers) != 1 or layer is self.last:
            return None
        return consumers[0]


def _owner(tensor, owners, reader):
    # Keras gives a layer's first input and output: a tensor that is none of
    # them comes of a further use.
    if id(tensor) not in owners:
        raise ValueError(
            "Quantization-aware training needs every layer used once, since "
            "each use has values of its own. Received: a layer that is used "
            f"again before {reader.name!r}"
        )
    return owners[id(tensor)]
