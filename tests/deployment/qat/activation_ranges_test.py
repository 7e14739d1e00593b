import keras
import numpy as np
import pytest

from ofa_aec_tf.deployment.qat import activation_ranges
from ofa_aec_tf.deployment.qat import folding

pytestmark = pytest.mark.qat


def test_pools_and_the_input_have_no_range_of_their_own(network):
    folded = folding.fold(network)
    assert activation_ranges.quantized_layers(folded) == [
        # The normalized input, with a last axis for the channel.
        "add_channel",
        "block1_conv1",
        "block1_conv2",
        "block2_conv1",
        "block2_conv2",
        "block3_conv1",
        "block3_conv2",
        "block4_conv1",
        "time_mean",
        "time_pool",
        "hidden",
        "logits",
    ]


def test_relu_after_a_sum_has_the_range_and_the_sum_has_not(mobile_network):
    folded = folding.fold(mobile_network)
    names = activation_ranges.quantized_layers(folded)
    assert names[-7:] == [
        "expand",
        "depthwise",
        "project",
        "add_relu",
        "mean",
        "hidden",
        "logits",
    ]


def test_input_that_a_convolution_reads_has_a_range():
    inputs = keras.Input((4, 4, 1))
    x = keras.layers.Conv2D(2, 3, name="conv")(inputs)
    x = keras.layers.GlobalMaxPooling2D(name="max")(x)
    x = keras.layers.Dense(2, name="logits")(x)
    network = keras.Model(inputs, keras.layers.Activation("sigmoid")(x))
    ranges = activation_ranges.calibrate(
        folding.fold(network), np.linspace(-3, 5, 16).reshape(1, 4, 4, 1)
    )
    assert list(ranges) == ["input_values", "conv", "logits"]
    assert ranges["input_values"] == (-3, 5)


def test_ranges_are_those_computed_by_hand():
    inputs = keras.Input((2,))
    x = keras.layers.Dense(2, use_bias=False, name="first")(inputs)
    x = keras.layers.ReLU(name="relu")(x)
    x = keras.layers.Dense(1, use_bias=False, name="logits")(x)
    network = keras.Model(inputs, keras.layers.Activation("sigmoid")(x))
    network.get_layer("first").set_weights([np.array([[1.0, -2], [0, 1]])])
    network.get_layer("logits").set_weights([np.array([[1.0], [-3]])])
    # More than one batch of them; those in between change nothing.
    clips = np.zeros((40, 2), np.float32)
    clips[0] = 4, 1  # relu: 4, 0; logit: 4
    clips[39] = -1, 3  # relu: 0, 5; logit: -15
    ranges = activation_ranges.calibrate(folding.fold(network), clips)
    assert ranges == {
        "input_values": (-1, 4),
        "first": (0, 5),
        "logits": (-15, 4),
    }


def test_thirty_of_a_million_values_at_each_end_are_left_out():
    inputs = keras.Input((1000,))
    x = keras.layers.Dense(2, name="logits")(inputs)
    network = keras.Model(inputs, keras.layers.Activation("sigmoid")(x))
    # 100,000 values: three outliers at each end, in several batches.
    clips = np.random.default_rng(0).uniform(-1, 1, (100, 1000))
    clips[[0, 11, 99], 500] = 50, 60, 70
    clips[[3, 4, 98], 600] = -7, -8, -9
    clips[17, 700:702] = -2, 3
    ranges = activation_ranges.calibrate(folding.fold(network), clips)
    assert ranges["input_values"] == (-2, 3)


@pytest.mark.parametrize(
    ("value", "limits"),
    [(2.0, (0, 2)), (-2.0, (-2, 0)), (0.0, (0, 1))],
)
def test_every_range_has_a_zero_and_is_not_empty(value, limits):
    inputs = keras.Input((2,))
    x = keras.layers.Dense(3, name="logits")(inputs)
    network = keras.Model(inputs, keras.layers.Activation("sigmoid")(x))
    ranges = activation_ranges.calibrate(
        folding.fold(network), np.full((3, 2), value, np.float32)
    )
    assert ranges["input_values"] == limits
