"""Statistics of plain networks, against subnets' and against Keras's own."""

import keras
import numpy as np
import pytest

from ofa_aec_tf.evaluation import batch_norm_calibration
from ofa_aec_tf.evaluation.batch_norm_calibration import NetworkCalibrator
from ofa_aec_tf.families.cnn10 import Cnn10Family
from ofa_aec_tf.families.efficientnet import EfficientNetFamily
from ofa_aec_tf.models import registry
from ofa_aec_tf.models.materialization import materialize_subnet


def _clips(num_clips, seed=0):
    rng = np.random.default_rng(seed)
    return rng.normal(-40, 15, (num_clips, 45, 64)).astype(np.float32)


def _normalizations(network):
    return [
        layer
        for layer in network.layers
        if isinstance(layer, keras.layers.BatchNormalization)
    ]


def test_statistics_are_those_of_the_subnet_that_a_network_was():
    keras.utils.set_random_seed(0)
    family = Cnn10Family(5, channels=(6, 8, 10, 12), hidden_units=16)
    supernet = registry.build_supernet(family)
    batches = [_clips(6), _clips(3, seed=1)]
    subnet = family.search_space().smallest()
    moments = batch_norm_calibration.calibrate(supernet, subnet, batches)
    network = materialize_subnet(supernet, subnet, moments)
    expected = network.get_weights()
    for layer in _normalizations(network):
        layer.moving_mean.assign(layer.moving_mean + 1.0)
        layer.moving_variance.assign(layer.moving_variance * 2.0)
    NetworkCalibrator(network, batches).calibrate()
    for ours, theirs in zip(network.get_weights(), expected):
        np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    "family",
    [
        Cnn10Family(5, channels=(6, 8, 10, 12), hidden_units=16),
        EfficientNetFamily(5, 64, 0.25, 0.3),
    ],
    ids=["cnn10", "efficientnet"],
)
def test_one_batch_passes_as_in_training(family):
    keras.utils.set_random_seed(0)
    network = registry.build_network(family)
    clips = _clips(16)
    # Without a momentum, Keras keeps the statistics of the last batch.
    for layer in _normalizations(network):
        layer.momentum = 0.0
    expected = keras.models.clone_model(network)
    expected.set_weights(network.get_weights())
    for layer in expected.layers:
        if isinstance(layer, keras.layers.Dropout):
            layer.rate = 0.0
    expected(clips, training=True)
    NetworkCalibrator(network, [clips]).calibrate()
    assert len(_normalizations(network)) > 8
    for layer in _normalizations(network):
        theirs = expected.get_layer(layer.name)
        for name in ("moving_mean", "moving_variance"):
            np.testing.assert_allclose(
                getattr(layer, name),
                getattr(theirs, name),
                rtol=2e-3,
                atol=1e-4,
            )


def test_dropout_does_not_change_statistics():
    keras.utils.set_random_seed(0)
    family = Cnn10Family(5, channels=(6, 8, 10, 12), hidden_units=16)
    network = registry.build_network(family)
    dropping = registry.build_network(family, block_dropout=0.5)
    dropping.set_weights(network.get_weights())
    for model in (network, dropping):
        NetworkCalibrator(model, [_clips(4)]).calibrate()
    for ours, theirs in zip(dropping.get_weights(), network.get_weights()):
        np.testing.assert_array_equal(ours, theirs)


def test_statistics_are_of_the_weights_that_a_network_has_now():
    keras.utils.set_random_seed(0)
    network = registry.build_network(
        Cnn10Family(5, channels=(6, 8, 10, 12), hidden_units=16)
    )
    calibrator = NetworkCalibrator(network, [_clips(4)])
    calibrator.calibrate()
    first, second = (
        network.get_layer(f"block1_bn{i}").moving_variance for i in (1, 2)
    )
    before = first.numpy(), second.numpy()
    kernel = network.get_layer("block1_conv2").kernel
    kernel.assign(kernel * 3.0)
    calibrator.calibrate()
    np.testing.assert_allclose(first, before[0], rtol=1e-6)
    np.testing.assert_allclose(second, before[1] * 9.0, rtol=1e-4)


def test_a_network_without_batch_normalization_is_refused():
    inputs = keras.Input((45, 64))
    outputs = keras.layers.Dense(5)(inputs)
    network = keras.Model(inputs, outputs, name="dense")
    with pytest.raises(ValueError, match="'dense' has no batch norm"):
        NetworkCalibrator(network, [_clips(4)])


def test_calibration_needs_a_batch():
    network = registry.build_network(
        Cnn10Family(5, channels=(6, 8, 10, 12), hidden_units=16)
    )
    with pytest.raises(ValueError, match="at least one batch of training"):
        NetworkCalibrator(network, []).calibrate()
