"""A subnet as a plain Keras model (OFA: get_active_subnet; NNI: freeze)."""

from ofa_aec_tf.families.networks import build_network
from ofa_aec_tf.models.normalization_statistics import set_moments
from ofa_aec_tf.models.precision import precision_scope


def slice_weights(supernet, network):
    """The weights of a network, cut out of the supernet.

    Layers are found by name. Of a kernel's height and width the middle is
    kept, of channels and units the first: the rule that elastic layers follow.

    Args:
        supernet: Supernet.
        network: keras.Model of one of its subnets.

    Returns:
        dict from layer names to lists of arrays, in the layers' own order.
    """
    sources = {layer.name: layer for layer in supernet.weighted_layers()}
    return {
        layer.name: [
            _cut(source.numpy(), target.shape)
            for source, target in zip(
                sources[layer.name].weights, layer.weights, strict=True
            )
        ]
        for layer in network.layers
        if layer.weights
    }


def _cut(array, shape):
    starts = [
        (had - kept) // 2 if axis < array.ndim - 2 else 0
        for axis, (had, kept) in enumerate(zip(array.shape, shape, strict=True))
    ]
    return array[
        tuple(slice(start, start + kept) for start, kept in zip(starts, shape))
    ]


def materialize_subnet(supernet, subnet, moments):
    """Cuts a subnet out of its supernet.

    Args:
        supernet: Supernet.
        subnet: Subnet of its family's space.
        moments: dict from batch normalization names to `(mean, variance)`
            arrays over all channels, as calibration estimates them.

    Returns:
        keras.Model of stock layers, in float32, whose `logits` are those of
        the supernet for that subnet.

    Raises:
        ValueError: if `moments` lacks a batch normalization of the subnet.
    """
    with precision_scope("float32"):
        network = build_network(supernet.family, subnet)
    weights = slice_weights(supernet, network)
    for layer in network.layers:
        if layer.weights:
            layer.set_weights(weights[layer.name])
    set_moments(network, moments)
    return network
