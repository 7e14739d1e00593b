"""The start of every plain network: log-mel spectrograms, normalized."""

import keras

INPUT = "log_mel_spectrogram"
INPUT_NORMALIZATION = "input_bn"

# As in PANNs (PyTorch's defaults), not Keras's 0.99 and 1e-3.
BATCH_NORMALIZATION_MOMENTUM = 0.9
BATCH_NORMALIZATION_EPSILON = 1e-5


def normalized_input(
    num_mel_bins,
    num_frames=None,
    batch_normalization=keras.layers.BatchNormalization,
):
    """The input of a network, with batch normalization over mel bands.

    Args:
        num_mel_bins: int.
        num_frames: int; None leaves it open.
        batch_normalization: layer class.

    Returns:
        `(inputs, x)`: KerasTensors of shape (batch, num_frames, num_mel_bins)
        in dB, and of shape (batch, num_frames, num_mel_bins, 1).
    """
    inputs = keras.Input(
        (num_frames, num_mel_bins), dtype="float32", name=INPUT
    )
    x = batch_normalization(
        momentum=BATCH_NORMALIZATION_MOMENTUM,
        epsilon=BATCH_NORMALIZATION_EPSILON,
        # 16 bits are too few for tens of dB.
        dtype="float32",
        name=INPUT_NORMALIZATION,
    )(inputs)
    x = keras.layers.Reshape(
        (num_frames or -1, num_mel_bins, 1), name="add_channel"
    )(x)
    return inputs, x
