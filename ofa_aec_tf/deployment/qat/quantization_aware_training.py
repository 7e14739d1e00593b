"""Quantization-aware training: from a trained network to an int8 file.

Mode `int8` rounds the weights and activations of a network that was trained
without rounding. Here the network computes with rounded values, and can be
trained further, before it is converted.
"""

import dataclasses
import importlib

from scipy.special import expit
from scipy.special import softmax

from ofa_aec_tf.checks.argument_checks import check_choice
from ofa_aec_tf.deployment import parity
from ofa_aec_tf.deployment.qat import activation_ranges
from ofa_aec_tf.deployment.qat import folding
from ofa_aec_tf.deployment.qat.fine_tuning import fine_tune
from ofa_aec_tf.deployment.tflite import converter
from ofa_aec_tf.models.logits import score_activation
from ofa_aec_tf.models.score_activations import SOFTMAX

KERAS = "keras"
TFMOT = "tfmot"
ENGINES = (KERAS, TFMOT)

_MODULES = {
    KERAS: "ofa_aec_tf.deployment.qat.keras_engine",
    TFMOT: "ofa_aec_tf.deployment.qat.tfmot_engine",
}
_BATCH_SIZE = 16


@dataclasses.dataclass(frozen=True)
class QuantizedNetwork:
    """An int8 file, and the network that it was converted from.

    Args:
        content: bytes of a `.tflite` file, from float32 log-mel spectrograms
            to float32 scores.
        network: model of Keras or tf_keras from log-mel spectrograms to
            logits, which computes in float32 with the rounded values of the
            file. After fine-tuning, the file agrees with this network, no
            longer with the original one.
        activation: `"sigmoid"` or `"softmax"`. From logits to scores.
        losses: tuple of float. The loss of each step of the fine-tuning.
    """

    content: bytes
    network: object
    activation: str
    losses: tuple[float, ...] = ()

    def predict(self, log_mel):
        """Scores of the network, float32 of shape (num_clips, num_classes).

        Args:
            log_mel: float32 array of shape (num_clips, num_frames,
                num_mel_bins), in dB.
        """
        return _scores(self.network, self.activation, log_mel)


def load_engine(engine):
    """The module of an engine.

    Args:
        engine: one of `ENGINES`. `"keras"` needs no other packages; `"tfmot"`
            is tensorflow-model-optimization, on a copy in tf_keras.

    Returns:
        module.

    Raises:
        ValueError: for another name, or if its packages are missing.
    """
    check_choice("engine", engine, ENGINES)
    try:
        return importlib.import_module(_MODULES[engine])
    except ModuleNotFoundError as error:
        raise ValueError(
            f"The engine {engine!r} needs {error.name}. Install it with `pip "
            "install 'ofa_aec_tf[qat]'`, or use the engine 'keras'."
        ) from error


def quantize(
    network,
    num_frames,
    num_mel_bins,
    engine,
    representative_clips,
    fine_tuning=None,
):
    """Converts a network to int8 through fake quantization.

    Batch normalization is folded and frozen, the ranges of activations are
    measured on the representative clips, and then the network is trained
    further with rounded weights and activations.

    Args:
        network: keras.Model of stock layers, functional or sequential, from
            log-mel spectrograms to the sigmoid or softmax of its layer
            `logits`, under any dtype policy. It is not changed.
        num_frames: int. Frames of the clips that the file takes.
        num_mel_bins: int.
        engine: one of `ENGINES`.
        representative_clips: float32 array of shape (num_clips, num_frames,
            num_mel_bins), in dB, from the training split.
        fine_tuning: FineTuning, or None to calibrate only.

    Returns:
        QuantizedNetwork.

    Raises:
        ValueError: if the engine is missing, if the clips are unsuitable, if
            the network cannot be quantized, or if training fails.
    """
    module = load_engine(engine)
    clips = converter.checked_clips(
        representative_clips, num_frames, num_mel_bins
    )
    converter.check_weights_are_finite(network)
    network = converter.float32_model(network)
    activation = score_activation(network)
    folded = folding.fold(network)
    parity.check_copy(
        network.predict(clips, batch_size=_BATCH_SIZE, verbose=0),
        _scores(folded, activation, clips),
        "The network with its batch normalization folded",
    )
    ranges = activation_ranges.calibrate(folded, clips)
    quantized = module.build_quantized(folded, ranges, clips)
    losses = ()
    if fine_tuning is not None:
        losses = fine_tune(quantized, fine_tuning, module.LIBRARY)
    content = converter.convert_fake_quantized(
        quantized, module.LIBRARY, num_frames, num_mel_bins, activation
    )
    return QuantizedNetwork(content, quantized, activation, tuple(losses))


def _scores(network, activation, log_mel):
    logits = network.predict(log_mel, batch_size=_BATCH_SIZE, verbose=0)
    if activation == SOFTMAX:
        return softmax(logits, axis=-1)
    return expit(logits)
