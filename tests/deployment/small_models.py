"""Small networks and clips that the tests of deployment share."""

import keras
import numpy as np

from ofa_aec_tf.audio.frontend import FrontendConfig
from ofa_aec_tf.deployment.export.network_export import NetworkExporter
from ofa_aec_tf.deployment.tflite import converter
from ofa_aec_tf.deployment.tflite.metadata import AudioMetadata
from ofa_aec_tf.families.cnn10.network import build_cnn10

FILTERS = ((8, 8), (12, 12), (16, 16), (20,))
NUM_CONVOLUTIONS = 7
NUM_FRAMES = 101
NUM_MEL_BINS = 64
NUM_CLASSES = 10
FRONTEND = FrontendConfig()
METADATA = AudioMetadata(
    name="small",
    description="ten classes",
    version="1.2.3",
    sample_rate_hz=32000,
    num_channels=1,
    labels=("Käuzchen", *(f"class {n}" for n in range(1, NUM_CLASSES))),
)


def make_clips(num_clips, seed):
    """Clips of band-dependent level with a burst each, in dB."""
    rng = np.random.default_rng(seed)
    tilt_db = np.linspace(-30, -60, NUM_MEL_BINS)
    clips = tilt_db + rng.normal(0, 8, (num_clips, NUM_FRAMES, NUM_MEL_BINS))
    for clip in clips:
        start = rng.integers(0, NUM_FRAMES - 30)
        band = rng.integers(0, NUM_MEL_BINS - 16)
        clip[start : start + 30, band : band + 16] += rng.uniform(10, 40)
    return clips.astype(np.float32)


def make_untrained_network():
    """A CNN10 with random weights, under the policy that is set."""
    keras.utils.set_random_seed(0)
    return build_cnn10(
        FILTERS, NUM_CLASSES, num_mel_bins=NUM_MEL_BINS, hidden_units=32
    )


def make_network(mean_logit=-1.0):
    """A CNN10 with random weights, and the statistics that go with them.

    `mean_logit` is about where the logits are centred.
    """
    network = make_untrained_network()
    clips = make_clips(32, seed=1)
    for _ in range(40):
        network(clips, training=True)
    logits = network.get_layer("logits")
    kernel, bias = logits.get_weights()
    logits.set_weights([4 * kernel, bias + mean_logit])
    return network


def randomize(network, rng):
    """Gives a network weights of which no two are the same, as if trained."""
    for layer in network.layers:
        layer.set_weights(
            [
                rng.uniform(0.1, 2, weight.shape)
                if len(weight.shape) == 1
                else rng.normal(0, 0.1, weight.shape)
                for weight in layer.weights
            ]
        )


def export(
    network, parity_clips, modes=converter.QUANTIZATION_MODES, **options
):
    """ExportedFile of each mode, by mode.

    Args:
        network: keras.Model.
        parity_clips: as for NetworkExporter, and the options too.
        modes: sequence of str.
    """
    exporter = NetworkExporter(
        network, parity_clips, num_latency_runs=3, **options
    )
    return {mode: exporter.export(mode) for mode in modes}
