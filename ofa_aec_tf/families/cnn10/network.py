"""CNN10 in plain Keras: the teacher, the baselines and every subnet."""

import keras

from ofa_aec_tf.families.cnn10.family import KERNEL_SIZE
from ofa_aec_tf.families.cnn10.family import POOL_SIZE
from ofa_aec_tf.models.logits import classify
from ofa_aec_tf.models.network_input import BATCH_NORMALIZATION_EPSILON
from ofa_aec_tf.models.network_input import BATCH_NORMALIZATION_MOMENTUM
from ofa_aec_tf.models.network_input import normalized_input
from ofa_aec_tf.models.score_activations import SIGMOID


def _plain_convolution(filters, in_channels, name):
    del in_channels  # Keras finds out.
    return keras.layers.Conv2D(
        filters,
        KERNEL_SIZE,
        padding="same",
        use_bias=False,
        kernel_initializer="glorot_uniform",
        name=name,
    )


def build_cnn10(
    filters,
    num_classes,
    num_mel_bins=64,
    hidden_units=512,
    block_dropout=0.0,
    head_dropout=0.0,
    batch_normalization=keras.layers.BatchNormalization,
    convolution=_plain_convolution,
    score_activation=SIGMOID,
    name="cnn10",
):
    """Builds a CNN10 with explicit filters out of stock Keras layers.

    Args:
        filters: for each block, a sequence with the filters of each of its
            convolutions; `Cnn10Family.filters` gives it for a subnet.
        num_classes: int. Outputs.
        num_mel_bins: int. Mel bands of the input.
        hidden_units: int. Units of the dense layer before the classifier.
        block_dropout: float. Dropout rate after each block.
        head_dropout: float. Dropout rate around the hidden dense layer.
        batch_normalization: layer class, called with `momentum`, `epsilon`
            and `name`. Training passes a fused one with the same weights.
        convolution: function that makes a 3x3 convolution without bias, called
            with `filters`, `in_channels` and `name`. Training passes a faster
            one with the same weights.
        score_activation: one of `SCORE_ACTIVATIONS`.
        name: str. Name of the model.

    Returns:
        keras.Model from log-mel spectrograms in dB, float32 of shape
        (batch, num_frames, num_mel_bins) with any number of frames from 16
        up, to scores in [0, 1] of shape (batch, num_classes). The layer
        `logits` holds them before the activation.

    Raises:
        ValueError: if `filters` has an empty block.

    Reference: PANNs (arXiv 1912.10211), table 1, CNN10.
    """
    if not filters or not all(filters):
        raise ValueError(
            "Every block needs at least one convolution. "
            f"Received: filters={filters}"
        )

    def normalize(x, layer_name):
        return batch_normalization(
            momentum=BATCH_NORMALIZATION_MOMENTUM,
            epsilon=BATCH_NORMALIZATION_EPSILON,
            name=layer_name,
        )(x)

    def drop(x, rate):
        # Only where asked for: a saved model has none.
        return keras.layers.Dropout(rate)(x) if rate else x

    inputs, x = normalized_input(
        num_mel_bins, batch_normalization=batch_normalization
    )
    for block, block_filters in enumerate(filters, start=1):
        for layer, layer_filters in enumerate(block_filters, start=1):
            x = convolution(
                filters=layer_filters,
                in_channels=x.shape[-1],
                name=f"block{block}_conv{layer}",
            )(x)
            x = normalize(x, f"block{block}_bn{layer}")
            x = keras.layers.ReLU(name=f"block{block}_relu{layer}")(x)
        x = keras.layers.AveragePooling2D(POOL_SIZE, name=f"block{block}_pool")(
            x
        )
        x = drop(x, block_dropout)
    num_bands, num_features = x.shape[2], x.shape[3]
    x = keras.layers.AveragePooling2D((1, num_bands), name="frequency_mean")(x)
    x = keras.layers.Reshape((-1, num_features), name="drop_frequency")(x)
    x = keras.layers.Add(name="time_pool")(
        [
            keras.layers.GlobalMaxPooling1D(name="time_max")(x),
            keras.layers.GlobalAveragePooling1D(name="time_mean")(x),
        ]
    )
    x = drop(x, head_dropout)
    x = keras.layers.Dense(hidden_units, activation="relu", name="hidden")(x)
    x = drop(x, head_dropout)
    outputs = classify(x, num_classes, score_activation)
    return keras.Model(inputs, outputs, name=name)
