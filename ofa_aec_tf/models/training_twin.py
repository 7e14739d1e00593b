"""The twin of a plain network that trains fast.

It differs in its layers, those of the supernet: batch normalization is fused,
and a convolution multiplies less. It computes in the precision of the scope it
is built in; its weights are the plain network's, in the same order. What is
saved is always the plain network. A family whose layers have no faster
counterparts trains as it is.
"""

import functools

from ofa_aec_tf.families import registry
from ofa_aec_tf.layers import ElasticBatchNormalization
from ofa_aec_tf.layers import ElasticConv2D


def build_training_twin(family, subnet=None, algorithm="auto", **options):
    """A network of a family, for training and fast inference.

    Args:
        family: the model family.
        subnet: Subnet of its space; None is the largest.
        algorithm: how convolutions compute, as in ElasticConv2D.
        **options: further arguments of the family's builder.

    Returns:
        keras.Model, from log-mel spectrograms to scores.
    """
    if not registry.has_twins(family):
        return registry.build_network(family, subnet, **options)
    return registry.build_network(
        family,
        subnet,
        batch_normalization=ElasticBatchNormalization,
        convolution=functools.partial(ElasticConv2D, algorithm=algorithm),
        **options,
    )


def to_plain_network(twin, family, subnet=None):
    """The plain Keras model with the weights of its twin.

    Args:
        twin: keras.Model of `build_training_twin`.
        family: the model family.
        subnet: the subnet that the twin was built for.

    Returns:
        keras.Model of stock layers, without dropout.
    """
    plain = registry.build_network(family, subnet)
    plain.set_weights(twin.get_weights())
    return plain
