"""Twins of plain networks, with layers that train or infer faster.

A family whose builder lets other layers compute the same has such twins. They
compute in the precision of the scope they are built in. What is saved is
always the plain network.
"""

import functools

import keras

from ofa_aec_tf.layers import ElasticBatchNormalization
from ofa_aec_tf.layers import ElasticConv2D
from ofa_aec_tf.layers import FoldedConv2D


def training_layers(algorithm="auto"):
    """The layers of a training twin: those of the supernet.

    Batch normalization is fused, and a convolution multiplies less. Their
    weights are those of the stock layers, in the same order.

    Args:
        algorithm: how convolutions compute, as in ElasticConv2D.

    Returns:
        dict with `convolution` and `batch_normalization` for a builder.
    """
    return {
        "batch_normalization": ElasticBatchNormalization,
        "convolution": functools.partial(ElasticConv2D, algorithm=algorithm),
    }


def build_inference_twin(build, network, algorithm="auto"):
    """A network with the weights of another one, for inference only.

    Batch normalization is folded into the convolution before it, and kernels
    are prepared once.

    Args:
        build: function that builds the network with other layers: called with
            `convolution`, which is called with `filters`, `in_channels` and
            `name`, and `batch_normalization`, which is called as
            `keras.layers.BatchNormalization`.
        network: keras.Model, the plain network. Every batch normalization
            named `*_bn*` belongs to the convolution `*_conv*`.
        algorithm: how convolutions compute, as in ElasticConv2D.

    Returns:
        keras.Model, from log-mel spectrograms to scores. Its weights are its
        own: later changes of `network` do not reach it.
    """
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

    def batch_normalization(name, **options):
        if name in folded.values():
            return keras.layers.Identity(name=name)
        return ElasticBatchNormalization(name=name, **options)

    twin = build(
        convolution=convolution, batch_normalization=batch_normalization
    )
    for layer in twin.layers:
        if layer.weights:
            layer.set_weights(network.get_layer(layer.name).get_weights())
    twin.trainable = False
    return twin
