"""Quantization-aware networks in tensorflow-model-optimization.

It supports only tf_keras, where the network is therefore built again.
"""

import inspect

import keras
import tensorflow_model_optimization as tfmot
import tf_keras
from scipy.special import expit

from ofa_aec_tf.deployment import parity
from ofa_aec_tf.deployment.qat.network_graph import NetworkGraph

LIBRARY = tf_keras

_BATCH_SIZE = 16
_KERNELS = {
    "Conv2D": "kernel",
    "DepthwiseConv2D": "depthwise_kernel",
    "Dense": "kernel",
}
_quantizers = tfmot.quantization.keras.quantizers


class _QuantizeConfig(tfmot.quantization.keras.QuantizeConfig):
    """8 bits for the kernel of a layer, if it has one, and for its output.

    The configurations of the library support neither ReLU6 nor layers whose
    output is not quantized.
    """

    def __init__(self, quantize_output):
        self.quantize_output = quantize_output

    def get_weights_and_quantizers(self, layer):
        kernel_name = _KERNELS.get(type(layer).__name__)
        if kernel_name is None:
            return []
        quantizer = _quantizers.LastValueQuantizer(
            num_bits=8,
            # The converter refuses several steps for a dense kernel.
            per_axis=not isinstance(layer, tf_keras.layers.Dense),
            symmetric=True,
            narrow_range=True,
        )
        return [(getattr(layer, kernel_name), quantizer)]

    def set_quantize_weights(self, layer, quantize_weights):
        for kernel in quantize_weights:
            setattr(layer, _KERNELS[type(layer).__name__], kernel)

    def get_activations_and_quantizers(self, layer):
        return []

    def set_quantize_activations(self, layer, quantize_activations):
        pass

    def get_output_quantizers(self, layer):
        if not self.quantize_output:
            return []
        return [
            _quantizers.MovingAverageQuantizer(
                num_bits=8, per_axis=False, symmetric=False, narrow_range=False
            )
        ]

    def get_config(self):
        return {"quantize_output": self.quantize_output}


def build_quantized(folded, ranges, clips):
    """Builds a network that rounds in float32 as its integer version does.

    Args:
        folded: keras.Model, as `folding.fold` returns it.
        ranges: dict from layer names to `(minimum, maximum)`, as
            `activation_ranges.calibrate` returns it.
        clips: float32 array of shape (num_clips, num_frames, num_mel_bins),
            in dB, to compare the copy with `folded`.

    Returns:
        tf_keras.Model with copies of the weights, from log-mel spectrograms
        to logits. It can be trained.

    Raises:
        ValueError: if tf_keras lacks a layer, or the copy gives other scores.
    """
    network = _copy_network(folded)
    parity.check_copy(
        *(
            expit(model.predict(clips, batch_size=_BATCH_SIZE, verbose=0))
            for model in (folded, network)
        ),
        "The copy in tf_keras",
    )
    names = [layer.name for layer in folded.operations]
    # The layers before the first range stay in float32.
    quantized_names = names[names.index(next(iter(ranges))) :]

    def annotate(layer):
        if layer.name not in quantized_names:
            return layer
        return tfmot.quantization.keras.quantize_annotate_layer(
            layer, _QuantizeConfig(layer.name in ranges)
        )

    with tfmot.quantization.keras.quantize_scope(
        {_QuantizeConfig.__name__: _QuantizeConfig}
    ):
        quantized = tfmot.quantization.keras.quantize_apply(
            tf_keras.models.clone_model(network, clone_function=annotate)
        )
    # A training step sets the ranges of the kernels.
    quantized(clips[:1], training=True)
    _set_ranges(quantized, ranges)
    return quantized


def _copy_network(folded):
    graph = NetworkGraph(folded)
    inputs = tf_keras.Input(folded.input_shape[1:], name=graph.layers[0].name)
    # Without it the input would be quantized before a quantized layer.
    outputs = {inputs.name: tf_keras.layers.Identity()(inputs)}
    for layer in graph.layers[1:]:
        copy = _copy_layer(layer)
        values = [outputs[p.name] for p in graph.producers(layer)]
        outputs[layer.name] = copy(values[0] if len(values) == 1 else values)
        copy.set_weights(layer.get_weights())
    return tf_keras.Model(inputs, outputs[graph.last.name])


def _copy_layer(layer):
    """A layer of tf_keras with the same options, and other weights."""
    class_name = type(layer).__name__
    refusal = (
        "The engine `tfmot` needs layers that tf_keras has. Received: "
        f"{layer.name!r}, a {class_name}. Use the engine `keras`."
    )
    layer_class = getattr(tf_keras.layers, class_name, None)
    if layer_class is None or getattr(
        keras.layers, class_name, None
    ) is not type(layer):
        raise ValueError(refusal)
    options = {"name", "trainable", *inspect.signature(layer_class).parameters}
    try:
        return layer_class(
            **{
                name: value
                for name, value in layer.get_config().items()
                # The rest is about initial weights, which are replaced.
                if name in options and not isinstance(value, dict)
            }
        )
    except (TypeError, ValueError) as error:
        raise ValueError(f"{refusal} tf_keras says: {error}") from error


def _set_ranges(quantized, ranges):
    """Sets the calibrated ranges.

    The library would start with -6...6 and move by a thousandth of the
    difference at each step, which is too slow for a short training.
    """
    variables = {variable.name: variable for variable in quantized.variables}
    for name, limits in ranges.items():
        for end, limit in zip(("min", "max"), limits):
            variables[f"quant_{name}/output_{end}:0"].assign(limit)
