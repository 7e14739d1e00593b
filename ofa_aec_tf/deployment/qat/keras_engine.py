"""Quantization-aware networks in Keras 3 alone."""

import keras

from ofa_aec_tf.deployment.qat import fake_quantization

LIBRARY = keras

_FAKE_QUANT_LAYERS = {
    keras.layers.Conv2D: fake_quantization.FakeQuantConv2D,
    keras.layers.DepthwiseConv2D: fake_quantization.FakeQuantDepthwiseConv2D,
    keras.layers.Dense: fake_quantization.FakeQuantDense,
}


def build_quantized(folded, ranges, clips):
    """Builds a network that rounds in float32 as its integer version does.

    Args:
        folded: keras.Model, as `folding.fold` returns it.
        ranges: dict from layer names to `(minimum, maximum)`, as
            `activation_ranges.calibrate` returns it.
        clips: ignored.

    Returns:
        keras.Model with copies of the weights, from log-mel spectrograms to
        logits. It can be trained.
    """
    del clips  # A copy in the same library needs no comparison.

    def copy_layer(layer):
        quantized_class = _FAKE_QUANT_LAYERS.get(type(layer), type(layer))
        return quantized_class.from_config(layer.get_config())

    def call_layer(layer, *args, **kwargs):
        outputs = layer(*args, **kwargs)
        if layer.name not in ranges:
            return outputs
        return fake_quantization.FakeQuantization(
            *ranges[layer.name], name=f"{layer.name}_quantized"
        )(outputs)

    quantized = keras.models.clone_model(
        folded, clone_function=copy_layer, call_function=call_layer
    )
    for layer in folded.layers:
        if layer.weights:
            copy = quantized.get_layer(layer.name)
            copy.set_weights(layer.get_weights())
            copy.trainable = layer.trainable
    return quantized
