import keras
import numpy as np
import pytest
import tensorflow as tf

from ofa_aec_tf.deployment.tflite import converter
from ofa_aec_tf.deployment.tflite import costs
from ofa_aec_tf.families import networks
from ofa_aec_tf.families.cnn10.family import Cnn10Family
from tests.deployment import small_models
from tests.deployment.tflite.tflite_graphs import convert


@pytest.mark.parametrize("mode", converter.QUANTIZATION_MODES)
def test_macs_are_those_counted_by_hand_in_every_mode(exported, mode):
    # Positions times the channels in and out of each 3x3 convolution.
    macs = 9 * 101 * 64 * (1 * 8 + 8 * 8)
    macs += 9 * 50 * 32 * (8 * 12 + 12 * 12)
    macs += 9 * 25 * 16 * (12 * 16 + 16 * 16)
    macs += 9 * 12 * 8 * (16 * 20)
    macs += 20 * 32 + 32 * small_models.NUM_CLASSES
    assert costs.count_macs(exported[mode].content) == macs


@pytest.mark.parametrize("size", ["smallest", "largest"])
def test_macs_of_a_subnet_are_those_of_its_family(size):
    family = Cnn10Family(7, channels=(8, 12, 16, 24), hidden_units=16)
    subnet = family.search_space().parse(size)
    network = networks.build_network(family, subnet)
    content = converter.convert(network, 77, 64, "float32")
    expected = family.complexity(subnet, 77).macs
    assert costs.count_macs(content) == expected


def test_macs_of_yamnets_layers_are_those_that_its_authors_give():
    # 69.2 million for each window, in the README of YAMNet, which is a
    # MobileNet v1 on 96 frames of 64 bands with 521 classes.
    network = keras.applications.MobileNet(
        (96, 64, 1), weights=None, classes=521
    )
    content = convert(lambda x: network(x), (1, 96, 64, 1))
    assert costs.count_macs(content) / 1e6 == pytest.approx(69.2, abs=0.05)


def test_a_dense_layer_counts_for_each_row_of_its_input():
    kernel = tf.ones((5, 3))
    content = convert(lambda x: tf.matmul(x, kernel), (4, 5))
    assert costs.count_macs(content) == 4 * 5 * 3


def test_activations_live_from_their_maker_to_their_last_reader():
    def graph(x):
        early = tf.tanh(x)
        wide = tf.tanh(tf.concat([early, early, early], axis=1))
        return tf.concat(
            [tf.reduce_max(wide, axis=1, keepdims=True), early], axis=1
        )

    # Input and `early` live through the second tanh, which reads and makes
    # three times as much: 8 times 100 numbers of 4 bytes.
    assert costs.peak_live_bytes(convert(graph, (1, 100))) == 8 * 400


def test_activations_of_the_first_block_are_the_most(exported):
    # The input lives on, and both convolutions have 8 channels.
    positions = small_models.NUM_FRAMES * small_models.NUM_MEL_BINS
    peak = costs.peak_live_bytes(exported["float32"].content)
    assert peak == 4 * (positions + 2 * 8 * positions)


def test_quantized_activations_take_a_byte(exported):
    positions = small_models.NUM_FRAMES * small_models.NUM_MEL_BINS
    peak = costs.peak_live_bytes(exported["int8"].content)
    assert peak == 4 * positions + 2 * 8 * positions


def test_weights_that_are_unpacked_while_running_are_no_activations(exported):
    peaks = {
        costs.peak_live_bytes(exported[mode].content)
        for mode in ("float32", "float16")
    }
    assert len(peaks) == 1


@pytest.mark.parametrize(
    "options",
    [
        # The most are in a block that widens, its pooling, at the input, in
        # the mean over frequency, in the head.
        {"channels": (8, 12, 20, 64), "width_granularity": "layer"},
        {"channels": (2, 40, 20, 64)},
        {"channels": (2, 2, 2, 2)},
        {"channels": (2, 2, 2, 9000)},
        {"channels": (2, 2, 2, 2), "hidden_units": 5000},
        {"channels": (2, 2, 2, 2), "num_classes": 3000},
    ],
    ids=["layers", "pool", "input", "frequency", "hidden", "classes"],
)
def test_peaks_of_a_subnet_are_those_of_its_family(options):
    rng = np.random.default_rng(0)
    family = Cnn10Family(
        **{
            "num_classes": 5,
            "hidden_units": 8,
            "width_ratios": (0.5, 1.0),
            "depth_pattern": "XXX",
            "elastic_stem": True,
            **options,
        }
    )
    subnet = family.search_space().sample(rng)
    network = networks.build_network(family, subnet)
    small_models.randomize(network, rng)
    expected = family.complexity(subnet, 40)
    clips = rng.normal(-40, 15, (1, 40, 64))
    for mode, peak_bytes in (
        ("float32", expected.peak_activation_bytes),
        ("int8", expected.int8_peak_activation_bytes),
    ):
        content = converter.convert(network, 40, 64, mode, clips)
        assert costs.peak_live_bytes(content) == peak_bytes, mode


@pytest.mark.parametrize("function", [costs.count_macs, costs.peak_live_bytes])
def test_other_bytes_are_refused(function):
    with pytest.raises(ValueError, match="TFL3.*4 bytes"):
        function(b"none")
