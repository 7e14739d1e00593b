"""The twin of a finished network that infers fast: a teacher's.

Batch normalization is folded into the convolution before it, and kernels are
prepared once. It computes in the precision of the scope it is built in. A
family whose layers have no such counterparts infers as it is.
"""

import keras

from ofa_aec_tf.families import registry
from ofa_aec_tf.layers import ElasticBatchNormalization
from ofa_aec_tf.layers import FoldedConv2D


def build_inference_twin(family, subnet, network, algorithm="auto"):
    """A network with the weights of another one, for inference only.

    Args:
        family: the model family.
        subnet: Subnet of its space; None is the largest.
        network: keras.Model, the plain network of that subnet. Every batch
            normalization named `*_bn*` belongs to the convolution `*_conv*`.
        algorithm: how convolutions compute, as in ElasticConv2D.

    Returns:
        keras.Model, from log-mel spectrograms to scores. Its weights are its
        own: later changes of `network` do not reach it.
    """
    if not registry.has_twins(family):
        twin = registry.build_network(family, subnet)
        twin.set_weights(network.get_weights())
        twin.trainable = False
        return twin
    folded = {
        layer.name: layer.name.replace("_conv", "_bn")
        for layer in network.layers
        if "_conv" in layer.name
    }

    def convolution(filters, in_channels, name):
        del filters, in_channels  # The weights tell.
        normalization = network.get_layer(folded[name])
        return FoldedConv2D(
            *network.get_layer(name).get_weights(),
            *normalization.get_weights(),
            epsilon=normalization.epsilon,
            algorithm=algorithm,
            name=name,
        )

    def batch_normalization(momentum, epsilon, name):
        if name in folded.values():
            return keras.layers.Identity(name=name)
        return ElasticBatchNormalization(momentum, epsilon, name=name)

    twin = registry.build_network(
        family,
        subnet,
        convolution=convolution,
        batch_normalization=batch_normalization,
    )
    for layer in twin.layers:
        if layer.weights:
            layer.set_weights(network.get_layer(layer.name).get_weights())
    twin.trainable = False
    return twin
