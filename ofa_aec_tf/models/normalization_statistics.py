"""Batch normalization statistics of plain networks, to read and to set."""

import keras
import numpy as np
from keras import ops


def batch_moments_model(network):
    """A model of the moments that a batch has where it is normalized.

    It shares the network's weights. Batches are normalized by their own
    moments, as in training; all other layers compute as in inference, so that
    there is no dropout.

    Args:
        network: keras.Model of stock layers, functional.

    Returns:
        keras.Model from what the network takes to a dict from batch
        normalization names to `(mean, variance)`.

    Raises:
        ValueError: if the network has no batch normalization.
    """
    moments = {}

    def call(layer, *args, **kwargs):
        if not isinstance(layer, keras.layers.BatchNormalization):
            return layer(*args, **kwargs)
        (inputs,) = args
        rank = len(inputs.shape)
        axes = [a for a in range(rank) if a != layer.axis % rank]
        mean, variance = ops.moments(inputs, axes)
        moments[layer.name] = (mean, variance)
        return ops.batch_normalization(
            inputs,
            mean,
            variance,
            layer.axis,
            layer.beta,
            layer.gamma,
            layer.epsilon,
        )

    clone = keras.models.clone_model(
        network, clone_function=lambda layer: layer, call_function=call
    )
    if not moments:
        raise ValueError(
            f"The network {network.name!r} has no batch normalization whose "
            "statistics could be estimated."
        )
    return keras.Model(clone.inputs, moments)


def set_moments(network, moments):
    """Gives the batch normalizations of a network their statistics.

    Args:
        network: keras.Model of stock layers.
        moments: dict from their names to `(mean, variance)`, arrays over all
            channels or more, of which the first count.

    Raises:
        ValueError: if one is missing.
    """
    for layer in network.layers:
        if not isinstance(layer, keras.layers.BatchNormalization):
            continue
        if layer.name not in moments:
            raise ValueError(
                "`moments` must hold the statistics of every batch "
                f"normalization. Missing: {layer.name}"
            )
        (num_channels,) = layer.moving_mean.shape
        mean, variance = moments[layer.name]
        layer.moving_mean.assign(np.asarray(mean)[:num_channels])
        layer.moving_variance.assign(np.asarray(variance)[:num_channels])
