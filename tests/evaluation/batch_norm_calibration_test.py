"""Statistics of plain networks, against subnets' and against Keras's own."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from ofa_aec_tf.evaluation import batch_norm_calibration
from ofa_aec_tf.evaluation.batch_norm_calibration import NetworkCalibrator
from ofa_aec_tf.families import networks
from ofa_aec_tf.families.cnn10.family import Cnn10Family
from ofa_aec_tf.families.efficientnet.family import EfficientNetFamily
from ofa_aec_tf.families.materialization import materialize_subnet
from ofa_aec_tf.models.logits import logits_model


def _clips(num_clips, seed=0):
    rng = np.random.default_rng(seed)
    return rng.normal(-40, 15, (num_clips, 45, 64)).astype(np.float32)


def _normalizations(network):
    return [
        layer
        for layer in network.layers
        if isinstance(layer, keras.layers.BatchNormalization)
    ]


def _family(**options):
    return Cnn10Family(5, channels=(6, 8, 10, 12), hidden_units=16, **options)


# Of one scene each, so that batches differ.
CLIPS = _clips(17) * np.linspace(0.5, 1.5, 17, dtype=np.float32)[:, None, None]


def _batches(batch_size):
    return batch_norm_calibration.split_into_batches(CLIPS, batch_size)


def _assert_close(ours, theirs):
    """Equal but for rounding, whatever the size of a channel's values."""
    for name, (mean, variance) in theirs.items():
        deviation = np.sqrt(variance)
        np.testing.assert_allclose(
            (ours[name][0] - mean) / deviation, 0, atol=1e-4, err_msg=name
        )
        np.testing.assert_allclose(
            ours[name][1], variance, rtol=1e-4, err_msg=name
        )


@pytest.mark.parametrize(
    ("execution", "options"),
    [
        ("slice", {"depth_pattern": "XXX"}),
        ("mask", {"depth_pattern": "22X", "elastic_stem": True}),
    ],
)
def test_no_batch_size_changes_a_subnet(options, execution):
    keras.utils.set_random_seed(0)
    family = _family(**options)
    supernet = networks.build_supernet(family, execution)
    subnet = family.search_space().sample(np.random.default_rng(2))
    whole = batch_norm_calibration.calibrate(supernet, subnet, [CLIPS])
    expected = supernet.predict_logits(CLIPS, subnet, whole)
    for batch_size in (1, 3, 8):
        moments = batch_norm_calibration.calibrate(
            supernet, subnet, _batches(batch_size)
        )
        _assert_close(moments, whole)
        logits = supernet.predict_logits(CLIPS, subnet, moments)
        np.testing.assert_allclose(logits, expected, atol=1e-4)


def test_one_batch_of_all_clips_is_normalized_as_in_training():
    """What is estimated layer by layer is what one step would see."""
    keras.utils.set_random_seed(0)
    family = _family()
    supernet = networks.build_supernet(family)
    subnet = family.search_space().largest()
    indices = family.search_space().to_indices(subnet)
    features, expected = supernet.stem(CLIPS, training=True)
    _, body = supernet.body(features, tf.constant(indices), training=True)
    _assert_close(
        batch_norm_calibration.calibrate(supernet, subnet, _batches(5)),
        tf.nest.map_structure(np.asarray, {**expected, **body}),
    )


def test_bfloat16_is_calibrated_alike_by_any_batches():
    keras.utils.set_random_seed(0)
    family = _family()
    supernet = networks.build_supernet(family, dtype="mixed_bfloat16")
    subnet = family.search_space().largest()
    whole, parts = (
        batch_norm_calibration.calibrate(supernet, subnet, batches)
        for batches in ([CLIPS], _batches(3))
    )
    # 8 bits of a mantissa: a last digit of a statistic moves activations.
    for name, (mean, variance) in whole.items():
        np.testing.assert_allclose(parts[name][1], variance, rtol=0.02)
        np.testing.assert_allclose(
            (parts[name][0] - mean) / np.sqrt(variance), 0, atol=0.02
        )


@pytest.mark.parametrize("max_kept_bytes", [0, 300_000])
def test_memory_changes_no_statistics(monkeypatch, max_kept_bytes):
    keras.utils.set_random_seed(0)
    family = _family()
    supernet = networks.build_supernet(family)
    subnet = family.search_space().smallest()
    expected = batch_norm_calibration.calibrate(supernet, subnet, _batches(8))
    monkeypatch.setattr(
        batch_norm_calibration, "MAX_KEPT_BYTES", max_kept_bytes
    )
    moments = batch_norm_calibration.calibrate(supernet, subnet, _batches(8))
    for name, (mean, variance) in expected.items():
        np.testing.assert_array_equal(moments[name][0], mean)
        np.testing.assert_array_equal(moments[name][1], variance)


@pytest.mark.parametrize(
    "family",
    [_family(), EfficientNetFamily(5, 0.25, 0.3)],
    ids=["cnn10", "efficientnet"],
)
def test_no_batch_size_changes_a_plain_network(family):
    keras.utils.set_random_seed(0)
    network = networks.build_network(family)
    outputs = []
    for batch_size in (1, 3, 8, len(CLIPS)):
        NetworkCalibrator(network, _batches(batch_size)).calibrate()
        outputs.append(logits_model(network)(CLIPS, training=False).numpy())
    for logits in outputs[:-1]:
        np.testing.assert_allclose(logits, outputs[-1], atol=2e-3)


def test_statistics_are_those_of_numpy_by_hand():
    rng = np.random.default_rng(0)
    clips = rng.normal(3, 2, (7, 4, 2)).astype(np.float32)
    kernel = rng.normal(size=(2, 3)).astype(np.float32)
    inputs = keras.Input((4, 2))
    x = keras.layers.BatchNormalization(epsilon=0.1, name="first")(inputs)
    x = keras.layers.Dense(3, use_bias=False, name="dense")(x)
    x = keras.layers.ReLU()(x)
    x = keras.layers.BatchNormalization(name="second")(x)
    network = keras.Model(inputs, x)
    network.get_layer("dense").set_weights([kernel])
    first, second = (network.get_layer(name) for name in ("first", "second"))
    first.gamma.assign([2.0, 3.0])
    first.beta.assign([0.5, -0.5])
    NetworkCalibrator(network, [clips[:1], clips[1:4], clips[4:]]).calibrate()

    values = clips.reshape(-1, 2).astype(np.float64)
    normalized = (values - values.mean(0)) / np.sqrt(values.var(0) + 0.1)
    hidden = np.maximum((normalized * [2, 3] + [0.5, -0.5]) @ kernel, 0)
    for layer, expected in ((first, values), (second, hidden)):
        np.testing.assert_allclose(
            layer.moving_mean, expected.mean(0), rtol=1e-5
        )
        np.testing.assert_allclose(
            layer.moving_variance, expected.var(0), rtol=1e-5
        )


def test_moments_between_batches_count():
    # Two batches of one channel: 0, 0 and 3; their variances within are 0.
    mean, variance = batch_norm_calibration.pooled_moments(
        [[0.0], [3.0]], [[0.0], [0.0]], [2, 1]
    )
    assert (mean, variance) == (1.0, 2.0)


def test_statistics_are_those_of_the_subnet_that_a_network_was():
    keras.utils.set_random_seed(0)
    family = Cnn10Family(5, channels=(6, 8, 10, 12), hidden_units=16)
    supernet = networks.build_supernet(family)
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
        EfficientNetFamily(5, 0.25, 0.3),
    ],
    ids=["cnn10", "efficientnet"],
)
def test_one_batch_passes_as_in_training(family):
    keras.utils.set_random_seed(0)
    network = networks.build_network(family)
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
    network = networks.build_network(family)
    dropping = networks.build_network(family, block_dropout=0.5)
    dropping.set_weights(network.get_weights())
    for model in (network, dropping):
        NetworkCalibrator(model, [_clips(4)]).calibrate()
    for ours, theirs in zip(dropping.get_weights(), network.get_weights()):
        np.testing.assert_array_equal(ours, theirs)


def test_statistics_are_of_the_weights_that_a_network_has_now():
    keras.utils.set_random_seed(0)
    network = networks.build_network(
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
    network = networks.build_network(
        Cnn10Family(5, channels=(6, 8, 10, 12), hidden_units=16)
    )
    with pytest.raises(ValueError, match="at least one batch of training"):
        NetworkCalibrator(network, []).calibrate()
