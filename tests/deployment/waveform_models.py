"""A small network with the front end in it, as a TFLite file too."""

import keras

from ofa_aec_tf.audio.frontend import FrontendConfig
from ofa_aec_tf.deployment.tflite import converter
from ofa_aec_tf.layers.log_mel_spectrogram import LogMelSpectrogram
from tests.deployment import small_models

NUM_SAMPLES = 16000


def make_network(num_classes=small_models.NUM_CLASSES):
    """From half a second of sound to scores, with random weights."""
    keras.utils.set_random_seed(0)
    inputs = keras.Input((NUM_SAMPLES,))
    layer = LogMelSpectrogram(FrontendConfig(), transform_dtype="float32")
    features = layer(inputs)
    features = keras.layers.Rescaling(0.02, 1.0)(features)
    features = keras.layers.Reshape((*features.shape[1:], 1))(features)
    features = keras.layers.Conv2D(8, 3, strides=4, activation="relu")(features)
    features = keras.layers.GlobalAveragePooling2D()(features)
    outputs = keras.layers.Dense(num_classes, activation="sigmoid")(features)
    return keras.Model(inputs, outputs)


def convert(model):
    """The content of a `.tflite` file for one waveform at a time."""
    signature = keras.InputSpec(shape=(1, NUM_SAMPLES), dtype="float32")
    return converter.convert_float32(model, signature)
