"""What is costly to make, made once for all tests of deployment."""

import keras
import numpy as np
import pytest

from ofa_aec_tf.audio.frontend import log_mel_spectrogram
from ofa_aec_tf.deployment.export import waveform_export
from tests import esc10
from tests.deployment import predict_command
from tests.deployment import small_models
from tests.deployment import waveform_models


@pytest.fixture(scope="session")
def network():
    # Most scores of a tagger are far below 1/512: so are those of this one.
    return small_models.make_network(mean_logit=-7.0)


@pytest.fixture(scope="session")
def clips():
    return small_models.make_clips(24, seed=2)


@pytest.fixture(scope="session")
def exported(network, clips):
    """ExportedFile of every mode."""
    return small_models.export(
        network, clips, calibration_clips=small_models.make_clips(16, seed=3)
    )


@pytest.fixture(scope="session")
def frontend_file():
    """FrontEndFile for clips of the frames of `small_models`."""
    config = small_models.FRONTEND
    num_samples = (small_models.NUM_FRAMES - 1) * config.hop_samples
    return waveform_export.export_frontend(
        config, num_samples, num_latency_runs=3
    )


@pytest.fixture(scope="session")
def waveform_files(exported, frontend_file):
    """ExportedFile of every mode, behind the front end."""
    return {
        mode: waveform_export.add_frontend(
            frontend_file,
            network,
            mode,
            small_models.METADATA,
            num_latency_runs=3,
        )
        for mode, network in exported.items()
    }


@pytest.fixture(scope="session")
def exported_for_recordings():
    """ExportedFile of every mode, of a network that has heard recordings."""
    waveforms = esc10.waveforms(step=17)
    log_mel = [log_mel_spectrogram(w, small_models.FRONTEND) for w in waveforms]
    log_mel = np.random.default_rng(0).permutation(np.stack(log_mel))
    half = len(log_mel) // 2
    network = small_models.make_untrained_network()
    for _ in range(40):
        network(log_mel[:half], training=True)
    return small_models.export(
        network, log_mel[half:], calibration_clips=log_mel[:half]
    )


@pytest.fixture(scope="session")
def waveform_model():
    """A Keras model from waveforms to scores, and its TFLite file."""
    model = waveform_models.make_network()
    return model, waveform_models.convert(model)


@pytest.fixture(scope="session")
def predicting(waveform_model, tmp_path_factory):
    """predict_command.Models."""
    _, content = waveform_model
    directory = tmp_path_factory.mktemp("models")
    return predict_command.write_models(directory, content)


def _normalized(x):
    return keras.layers.BatchNormalization()(x)


@pytest.fixture(scope="session")
def mobile_network():
    """An inverted residual of odd widths, with no average pooling."""
    keras.utils.set_random_seed(1)
    layers = keras.layers
    inputs = keras.Input((small_models.NUM_FRAMES, small_models.NUM_MEL_BINS))
    x = layers.Reshape((*inputs.shape[1:], 1))(_normalized(inputs))
    x = layers.Conv2D(12, 3, strides=2, padding="same", use_bias=False)(x)
    x = layers.ReLU(6)(_normalized(x))
    y = layers.Conv2D(31, 1, use_bias=False, name="expand")(x)
    y = layers.Activation("relu6", name="expand_relu")(_normalized(y))
    y = layers.DepthwiseConv2D(
        3, padding="same", use_bias=False, name="depthwise"
    )(y)
    y = layers.ReLU(6)(_normalized(y))
    y = layers.Conv2D(12, 1, use_bias=False, name="project")(y)
    x = layers.Add(name="add")([x, _normalized(y)])
    x = layers.ReLU(name="add_relu")(x)
    x = layers.MaxPooling2D(name="pool")(x)
    x = layers.GlobalAveragePooling2D(name="mean")(x)
    x = layers.Dense(61, activation="relu", name="hidden")(x)
    x = layers.Dense(small_models.NUM_CLASSES, name="logits")(x)
    network = keras.Model(inputs, layers.Activation("sigmoid")(x))
    clips = small_models.make_clips(16, seed=1)
    for _ in range(60):
        network(clips, training=True)
    return network


@pytest.fixture(scope="session")
def calibration_clips():
    return small_models.make_clips(20, seed=3)
