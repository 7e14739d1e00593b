"""The audio spectrogram transformer (AST) in plain Keras."""

import keras

from ofa_aec_tf.families.ast.family import MLP_RATIO
from ofa_aec_tf.families.ast.family import NUM_TOKENS
from ofa_aec_tf.families.ast.family import PATCH_SIZE
from ofa_aec_tf.families.ast.family import PATCH_STRIDE
from ofa_aec_tf.layers import RecomputedBlock
from ofa_aec_tf.models.logits import classify
from ofa_aec_tf.models.network_input import normalized_input

# That of ViT and DeiT.
LAYER_NORMALIZATION_EPSILON = 1e-6
_INITIAL_DEVIATION = 0.02


def build_ast(
    family,
    block_dropout=0.0,
    head_dropout=0.0,
    gradient_checkpointing=False,
):
    """Builds an AST out of stock Keras layers.

    The mel bands are normalized by batch normalization, as in CNN10, instead
    of by the mean and twice the deviation of a data set: it needs no numbers
    beside the weights, and gives ImageNet's weights what they are used to,
    a deviation of about 1.

    Patches are in order of time, and within it of frequency. A token is the
    sum of what AST calls class or distillation token and of its position.

    Args:
        family: AstFamily.
        block_dropout: float. How often the last block skips its attention,
            and its two dense layers, for a clip; earlier ones less often.
        head_dropout: float. Dropout rate before the classifier.
        gradient_checkpointing: bool. Whether blocks compute twice to keep
            less: for training only. The weights are the same.

    Returns:
        keras.Model from log-mel spectrograms in dB, float32 of shape
        (batch, num_frames, num_mel_bins), to scores, float32 of shape
        (batch, num_classes). The layer named `logits` gives logits.

    Raises:
        ValueError: if blocks with dropout are to compute twice.
    """
    if gradient_checkpointing and block_dropout:
        raise ValueError(
            "A block that is computed twice for its gradients must not differ "
            "the second time. Leave out --gradient_checkpointing or "
            f"--block_dropout. Received: block_dropout={block_dropout}"
        )
    inputs, x = normalized_input(family.num_mel_bins, family.num_frames)
    x = keras.layers.Conv2D(
        family.width,
        PATCH_SIZE,
        strides=PATCH_STRIDE,
        kernel_initializer=_initializer(),
        name="patches",
    )(x)
    num_patches = x.shape[1] * x.shape[2]
    x = keras.layers.Reshape((num_patches, family.width), name="sequence")(x)
    x = keras.layers.ZeroPadding1D((NUM_TOKENS, 0), name="tokens")(x)
    x = keras.layers.Add(name="add_positions")([x, _positions(x)])
    for number in range(1, family.depth + 1):
        dropout = block_dropout * number / family.depth
        if gradient_checkpointing:
            block_inputs = keras.Input(x.shape[1:], dtype=x.dtype)
            block = keras.Model(
                block_inputs, _block(block_inputs, family, number, dropout)
            )
            x = RecomputedBlock(block, name=f"block{number}")(x)
        else:
            x = _block(x, family, number, dropout)
    x = _normalize(x, "encoder_norm")
    x = keras.layers.Cropping1D((0, num_patches), name="only_tokens")(x)
    x = keras.layers.GlobalAveragePooling1D(name="token_mean")(x)
    x = _normalize(x, "classifier_norm")
    if head_dropout:
        x = keras.layers.Dropout(head_dropout)(x)
    outputs = classify(
        x,
        family.num_classes,
        family.score_activation,
        kernel_initializer=_initializer(),
    )
    return keras.Model(inputs, outputs, name="ast")


def _initializer():
    return keras.initializers.TruncatedNormal(stddev=_INITIAL_DEVIATION)


def _normalize(x, name):
    return keras.layers.LayerNormalization(
        epsilon=LAYER_NORMALIZATION_EPSILON, name=name
    )(x)


def _positions(x):
    """A learned vector for each position, of shape (batch, positions, width).

    The kernel of a dense layer whose only input is 1: no stock layer is
    nearer to a variable, and the gradients of an embedding are sparse.
    """
    num_positions, width = x.shape[1:]
    one = keras.ops.ones_like(x[:, 0, :1])
    positions = keras.layers.Dense(
        num_positions * width,
        use_bias=False,
        kernel_initializer=_initializer(),
        name="positions",
    )(one)
    return keras.layers.Reshape((num_positions, width), name="position_grid")(
        positions
    )


def _block(x, family, number, dropout):
    """Attention and two dense layers, each normalized before and added."""

    def add(x, y, part):
        if dropout:
            y = keras.layers.Dropout(dropout, noise_shape=(None, 1, 1))(y)
        return keras.layers.Add(name=f"block{number}_{part}_add")([x, y])

    y = _normalize(x, f"block{number}_attention_norm")
    y = keras.layers.MultiHeadAttention(
        family.num_heads,
        family.width // family.num_heads,
        kernel_initializer=_initializer(),
        name=f"block{number}_attention",
    )(y, y)
    x = add(x, y, "attention")
    y = _normalize(x, f"block{number}_mlp_norm")
    y = keras.layers.Dense(
        MLP_RATIO * family.width,
        kernel_initializer=_initializer(),
        name=f"block{number}_expand",
    )(y)
    # Processors compute error functions of 16 bits in 32, at twice the time.
    y = keras.layers.Activation(
        "gelu", dtype="float32", name=f"block{number}_gelu"
    )(y)
    y = keras.layers.Dense(
        family.width,
        kernel_initializer=_initializer(),
        name=f"block{number}_project",
    )(y)
    return add(x, y, "mlp")
