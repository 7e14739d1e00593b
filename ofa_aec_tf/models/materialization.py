"""A subnet as a plain Keras model (OFA: get_active_subnet; NNI: freeze)."""

from ofa_aec_tf.models.normalization_statistics import set_moments
from ofa_aec_tf.models.precision import precision_scope


def slice_weights(supernet, model):
    """The weights of `model`, cut out of the supernet.

    Layers are found by name. Every axis keeps its first entries, as many as
    the model's weight has: the rule that elastic layers follow.

    Args:
        supernet: Supernet.
        model: keras.Model of one of its subnets.

    Returns:
        dict from layer names to lists of arrays, in the layers' own order.
    """
    sources = {layer.name: layer for layer in supernet.weighted_layers()}
    return {
        layer.name: [
            source.numpy()[tuple(slice(size) for size in target.shape)]
            for source, target in zip(
                sources[layer.name].weights, layer.weights
            )
        ]
        for layer in model.layers
        if layer.weights
    }


def materialize_subnet(supernet, subnet, moments):
    """Cuts a subnet out of its supernet.

    Args:
        supernet: Supernet.
        subnet: Subnet of its family's space.
        moments: dict from batch normalization names to `(mean, variance)`
            arrays over all channels, as calibration estimates them.

    Returns:
        keras.Model of stock layers, in float32, whose scores are the sigmoid
        of the supernet's logits for that subnet.

    Raises:
        ValueError: if `moments` lacks a batch normalization of the subnet.
    """
    with precision_scope("float32"):
        model = supernet.build_subnet(subnet)
    weights = slice_weights(supernet, model)
    for layer in model.layers:
        if layer.weights:
            layer.set_weights(weights[layer.name])
    set_moments(model, moments)
    return model
