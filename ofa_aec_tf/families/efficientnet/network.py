"""EfficientNet in plain Keras, for spectrograms."""

import keras

from ofa_aec_tf.models.logits import classify
from ofa_aec_tf.models.network_input import BATCH_NORMALIZATION_MOMENTUM
from ofa_aec_tf.models.network_input import normalized_input

# That of keras.applications, whose weights are used to it.
_EPSILON = 1e-3
_STEM_KERNEL_SIZE = 3


def build_efficientnet(family, block_dropout=0.0, head_dropout=0.0):
    """Builds an EfficientNet with mean pooling out of stock Keras layers.

    Layers are those of keras.applications, under the same names, but for the
    first ones: batch normalization over the mel bands, as in CNN10, takes the
    place of what scales pixels. (keras.applications has no public function for
    other widths and depths than its own.) Moving statistics follow faster, as
    in CNN10, for short runs.

    Args:
        family: EfficientNetFamily.
        block_dropout: float. How often the last residual block is skipped for
            a clip; earlier ones less often.
        head_dropout: float. Dropout rate before the classifier.

    Returns:
        keras.Model from log-mel spectrograms in dB, float32 of shape
        (batch, num_frames, num_mel_bins) with any number of frames from 32
        on, to scores, float32 of shape (batch, num_classes). The layer named
        `logits` gives logits.
    """
    inputs, x = normalized_input(family.num_mel_bins)
    x = _pad_for_stride(x, _STEM_KERNEL_SIZE, "stem_conv_pad")
    x = _convolve(
        x, family.stem_filters, "stem_", _STEM_KERNEL_SIZE, 2, "valid"
    )
    x = _activate(x, "stem_")
    blocks = family.blocks()
    for number, block in enumerate(blocks):
        x = _block(x, block, block_dropout * number / len(blocks))
    x = _activate(_convolve(x, family.top_filters, "top_"), "top_")
    x = keras.layers.GlobalAveragePooling2D(name="mean_pool")(x)
    if head_dropout:
        x = keras.layers.Dropout(head_dropout)(x)
    outputs = classify(x, family.num_classes, family.score_activation)
    return keras.Model(inputs, outputs, name="efficientnet")


def _initializer():
    return keras.initializers.VarianceScaling(
        2.0, mode="fan_out", distribution="truncated_normal"
    )


def _pad_for_stride(x, kernel_size, name):
    """Pads for a stride of 2: one zero less in front, as for an even size."""
    margin = (kernel_size // 2 - 1, kernel_size // 2)
    return keras.layers.ZeroPadding2D((margin, margin), name=name)(x)


def _convolve(x, filters, name, kernel_size=1, stride=1, padding="same"):
    x = keras.layers.Conv2D(
        filters,
        kernel_size,
        strides=stride,
        padding=padding,
        use_bias=False,
        kernel_initializer=_initializer(),
        name=f"{name}conv",
    )(x)
    return _normalize(x, name)


def _normalize(x, name):
    return keras.layers.BatchNormalization(
        momentum=BATCH_NORMALIZATION_MOMENTUM,
        epsilon=_EPSILON,
        name=f"{name}bn",
    )(x)


def _activate(x, name):
    return keras.layers.Activation("swish", name=f"{name}activation")(x)


def _block(inputs, block, dropout):
    """An inverted residual with squeeze and excitation."""
    name, x = f"{block.name}_", inputs
    if block.channels > block.in_filters:
        expand = f"{name}expand_"
        x = _activate(_convolve(x, block.channels, expand), expand)
    if block.stride == 2:
        x = _pad_for_stride(x, block.kernel_size, f"{name}dwconv_pad")
    x = keras.layers.DepthwiseConv2D(
        block.kernel_size,
        strides=block.stride,
        padding="valid" if block.stride == 2 else "same",
        use_bias=False,
        depthwise_initializer=_initializer(),
        name=f"{name}dwconv",
    )(x)
    x = _activate(_normalize(x, name), name)
    x = _excite(x, block.squeezed, name)
    x = _convolve(x, block.out_filters, f"{name}project_")
    if not block.is_residual:
        return x
    if dropout:
        x = keras.layers.Dropout(dropout, noise_shape=(None, 1, 1, 1))(x)
    return keras.layers.Add(name=f"{name}add")([x, inputs])


def _excite(x, squeezed, name):
    """Scales each channel by a function of the means of all channels."""
    channels = x.shape[-1]
    y = keras.layers.GlobalAveragePooling2D(name=f"{name}se_squeeze")(x)
    y = keras.layers.Reshape((1, 1, channels), name=f"{name}se_reshape")(y)
    for filters, activation, part in (
        (squeezed, "swish", "reduce"),
        (channels, "sigmoid", "expand"),
    ):
        y = keras.layers.Conv2D(
            filters,
            1,
            activation=activation,
            kernel_initializer=_initializer(),
            name=f"{name}se_{part}",
        )(y)
    return keras.layers.Multiply(name=f"{name}se_excite")([x, y])
