"""Folds batch normalization and ReLU, as the TFLite converter does.

The converter folds batch normalization into the convolution before it, and
quantizes the result. Quantization-aware training must therefore see the folded
weights, with frozen statistics.
"""

import keras
import numpy as np

from ofa_aec_tf.deployment.qat.network_graph import NetworkGraph
from ofa_aec_tf.models.logits import logits_model

WEIGHTED_LAYERS = (
    keras.layers.Conv2D,
    keras.layers.DepthwiseConv2D,
    keras.layers.Dense,
)

_INPUT_VALUES = "input_values"
_FUSED_ACTIVATIONS = (keras.activations.relu, keras.activations.relu6)


def fold(network):
    """Folds batch normalization and ReLU into the layers before them.

    Args:
        network: functional or sequential keras.Model of stock layers in
            float32, from log-mel spectrograms to scores, with a layer named
            `logits`.

    Returns:
        keras.Model from log-mel spectrograms to logits, with copies of the
        weights. Layers keep their names. Convolutions and dense layers have a
        bias; batch normalization after anything else stays, frozen.

    Raises:
        ValueError: if there is no layer named `logits`, or `NetworkGraph`
            refuses the network.
    """
    # A sequential network becomes a functional one.
    network = logits_model(keras.Model(*network.inputs, *network.outputs))
    graph = NetworkGraph(network)
    normalizations, activations, folded_names = {}, {}, set()
    for layer in graph.layers:
        if not _is_linear(layer):
            continue
        following = graph.only_consumer(layer)
        if _is_foldable_normalization(following):
            normalizations[layer.name] = following
            folded_names.add(following.name)
            following = graph.only_consumer(following)
        activation = fused_activation(following)
        if activation is not None:
            activations[layer.name] = activation
            folded_names.add(following.name)

    def copy_layer(layer):
        config = layer.get_config()
        if type(layer) in WEIGHTED_LAYERS:
            config["use_bias"] = True
        if layer.name in activations:
            config["activation"] = activations[layer.name]
        return layer.__class__.from_config(config)

    inputs = keras.Input(
        batch_shape=network.input.shape, name=graph.layers[0].name
    )

    def call_layer(layer, *args, **kwargs):
        if layer.name in folded_names:
            return args[0]
        if args[0] is inputs and type(layer) in WEIGHTED_LAYERS:
            # The output of this layer can be quantized; an input cannot.
            args = (keras.layers.Identity(name=_INPUT_VALUES)(inputs),)
        return layer(*args, **kwargs)

    folded = keras.models.clone_model(
        network,
        input_tensors=inputs,
        clone_function=copy_layer,
        call_function=call_layer,
    )
    for layer in folded.layers:
        if not layer.weights:
            continue
        source = network.get_layer(layer.name)
        if type(layer) in WEIGHTED_LAYERS:
            layer.set_weights(
                _folded_weights(source, normalizations.get(layer.name))
            )
        else:
            layer.set_weights(source.get_weights())
            layer.trainable = False
    return folded


def _is_linear(layer):
    return (
        type(layer) in WEIGHTED_LAYERS
        and layer.activation is keras.activations.linear
    )


def _is_foldable_normalization(layer):
    return type(layer) is keras.layers.BatchNormalization and layer.axis in (
        -1,
        len(layer.output.shape) - 1,
    )


def fused_activation(layer):
    """The activation that TFLite fuses into the layer before it.

    Args:
        layer: keras layer or operation, or None.

    Returns:
        Function of `keras.activations`; None if TFLite does not fuse the
        layer.
    """
    if type(layer) is keras.layers.Activation:
        function = layer.activation
        return function if function in _FUSED_ACTIVATIONS else None
    if type(layer) is not keras.layers.ReLU:
        return None
    if layer.negative_slope or layer.threshold:
        return None
    return {None: keras.activations.relu, 6: keras.activations.relu6}.get(
        layer.max_value
    )


def _folded_weights(layer, normalization):
    kernel = layer.kernel.numpy().astype(np.float64)
    num_outputs = layer.output.shape[-1]
    bias = np.zeros(num_outputs) if layer.bias is None else layer.bias.numpy()
    if normalization is None:
        return [kernel, bias]
    factor = 1 / np.sqrt(
        normalization.moving_variance.numpy().astype(np.float64)
        + normalization.epsilon
    )
    if normalization.scale:
        factor *= normalization.gamma.numpy()
    bias = (bias - normalization.moving_mean.numpy()) * factor
    if normalization.center:
        bias += normalization.beta.numpy()
    if isinstance(layer, keras.layers.DepthwiseConv2D):
        # Its outputs are its last two axes.
        factor = factor.reshape(kernel.shape[-2:])
    return [kernel * factor, bias]
