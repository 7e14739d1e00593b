"""Every elastic layer: mask, slice and a plain Keras layer agree."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from ofa_aec_tf.layers import ElasticBatchNormalization
from ofa_aec_tf.layers import ElasticConv2D
from ofa_aec_tf.layers import ElasticConvBlock
from ofa_aec_tf.layers import ElasticDense
from ofa_aec_tf.layers.execution import EXECUTIONS

TOLERANCE = 1e-5


def normal(shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def randomize(layer, seed=0):
    """Other values than the initial ones: offsets of 0 hide leaks."""
    rng = np.random.default_rng(seed)
    layer.set_weights(
        [rng.uniform(0.5, 1.5, w.shape).astype("f") for w in layer.weights]
    )


def padded(x, channels):
    return np.pad(x, [(0, 0)] * (x.ndim - 1) + [(0, channels - x.shape[-1])])


def scalar(value):
    return tf.constant(value, tf.int32)


def test_conv_slice_equals_a_plain_convolution_of_the_first_filters():
    layer = ElasticConv2D(filters=7, in_channels=5)
    x = normal((2, 6, 4, 3))
    outputs = layer(x, active_filters=scalar(4))
    plain = keras.layers.Conv2D(4, 3, padding="same", use_bias=False)
    plain.build((None, None, None, 3))
    plain.set_weights([layer.kernel.numpy()[:, :, :3, :4]])
    np.testing.assert_allclose(outputs, plain(x), atol=TOLERANCE)


def test_conv_mask_equals_slice_and_is_zero_beyond_the_active_filters():
    layers = {e: ElasticConv2D(7, 5, execution=e) for e in EXECUTIONS}
    layers["mask"].set_weights(layers["slice"].get_weights())
    x = normal((2, 6, 4, 3))
    sliced = layers["slice"](x, active_filters=scalar(4))
    masked = layers["mask"](padded(x, 5), active_filters=scalar(4)).numpy()
    np.testing.assert_allclose(masked[..., :4], sliced, atol=TOLERANCE)
    assert not masked[..., 4:].any()


@pytest.mark.parametrize("execution", EXECUTIONS)
def test_gradient_of_inactive_kernel_entries_is_exactly_zero(execution):
    layer = ElasticConv2D(7, 5, execution=execution)
    x = normal((2, 6, 4, 3))
    x = padded(x, 5) if execution == "mask" else x
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(layer(x, active_filters=scalar(4)) ** 2)
    gradient = tape.gradient(loss, layer.kernel.value).numpy()
    assert gradient[:, :, :3, :4].all()
    gradient[:, :, :3, :4] = 0
    assert not gradient.any()


def test_conv_gives_the_same_gradients_masked_and_sliced():
    layers = {e: ElasticConv2D(7, 5, execution=e) for e in EXECUTIONS}
    layers["mask"].set_weights(layers["slice"].get_weights())
    x = normal((2, 6, 4, 3))
    gradients = {}
    for execution, layer in layers.items():
        inputs = padded(x, 5) if execution == "mask" else x
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(layer(inputs, active_filters=scalar(4)) ** 2)
        gradients[execution] = tape.gradient(loss, layer.kernel.value)
    np.testing.assert_allclose(
        gradients["mask"], gradients["slice"], rtol=1e-5, atol=1e-4
    )


def test_conv_refuses_more_channels_than_it_was_built_for():
    layer = ElasticConv2D(7, 5, name="block1_conv1")
    with pytest.raises(ValueError, match="block1_conv1.*at most 5 input"):
        layer(normal((1, 4, 4, 6)))


def test_layers_refuse_an_unknown_execution():
    with pytest.raises(ValueError, match="must be one of .*slice.*'fast'"):
        ElasticConv2D(7, 5, execution="fast")


def test_dense_slice_and_mask_equal_a_plain_dense_layer():
    layers = {
        e: ElasticDense(6, 5, activation="relu", execution=e)
        for e in EXECUTIONS
    }
    randomize(layers["slice"])
    layers["mask"].set_weights(layers["slice"].get_weights())
    kernel, bias = layers["slice"].get_weights()
    x = normal((4, 3))
    expected = np.maximum(x @ kernel[:3, :2] + bias[:2], 0)
    sliced = layers["slice"](x, active_units=scalar(2))
    masked = layers["mask"](padded(x, 5), active_units=scalar(2)).numpy()
    np.testing.assert_allclose(sliced, expected, atol=TOLERANCE)
    np.testing.assert_allclose(masked[:, :2], expected, atol=TOLERANCE)
    assert not masked[:, 2:].any()


@pytest.mark.parametrize("shape", [(3, 4, 5, 6), (3, 4, 6)])
@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("execution", EXECUTIONS)
def test_full_width_equals_keras_batch_normalization(
    shape, training, execution
):
    layer = ElasticBatchNormalization(execution=execution, channels=6)
    plain = keras.layers.BatchNormalization(momentum=0.9, epsilon=1e-5)
    plain.build(shape)
    randomize(plain)
    layer.set_weights(plain.get_weights())
    x = normal(shape) * 3 + 1
    np.testing.assert_allclose(
        layer(x, training=training),
        plain(x, training=training),
        atol=TOLERANCE,
    )
    for ours, theirs in zip(layer.get_weights(), plain.get_weights()):
        np.testing.assert_allclose(ours, theirs, atol=TOLERANCE)


@pytest.mark.parametrize("execution", EXECUTIONS)
def test_batch_moments_of_active_channels_are_those_of_numpy(execution):
    layer = ElasticBatchNormalization(channels=6, execution=execution)
    x = normal((3, 4, 5, 4)) * 3 + 1
    inputs = padded(x, 6) if execution == "mask" else x
    _, (mean, variance) = layer(
        inputs, active_channels=scalar(4), training=True, return_moments=True
    )
    expected_mean = [*x.mean((0, 1, 2)), 0, 0]
    expected_variance = [*x.var((0, 1, 2)), 1, 1]
    np.testing.assert_allclose(mean, expected_mean, atol=TOLERANCE)
    np.testing.assert_allclose(variance, expected_variance, atol=1e-4)


@pytest.mark.parametrize("num_active", [1, 15, 16, 17, 33])
@pytest.mark.parametrize("training", [False, True])
def test_any_number_of_channels_normalizes_as_the_formula_says(
    num_active, training
):
    layer = ElasticBatchNormalization(channels=40)
    randomize(layer)
    gamma, beta, mean, variance = (
        w[:num_active].astype(np.float64) for w in layer.get_weights()
    )
    x = normal((3, 4, 5, num_active)) * 3 + 1
    weights = normal(x.shape, seed=1)
    inputs = tf.constant(x)
    with tf.GradientTape() as tape:
        tape.watch(inputs)
        outputs = layer(
            inputs, active_channels=scalar(num_active), training=training
        )
        loss = tf.reduce_sum(outputs * weights)
    input_gradient, gamma_gradient, beta_gradient = tape.gradient(
        loss, [inputs, layer.gamma.value, layer.beta.value]
    )
    axes = (0, 1, 2)
    if training:
        mean, variance = x.mean(axes), x.var(axes)
    deviation = np.sqrt(variance + 1e-5)
    normalized = (x - mean) / deviation
    np.testing.assert_allclose(
        outputs, normalized * gamma + beta, atol=TOLERANCE
    )
    np.testing.assert_allclose(
        beta_gradient[:num_active], weights.sum(axes), atol=1e-4
    )
    np.testing.assert_allclose(
        gamma_gradient[:num_active],
        (weights * normalized).sum(axes),
        atol=1e-4,
    )
    assert not beta_gradient[num_active:].numpy().any()
    assert not gamma_gradient[num_active:].numpy().any()
    expected = weights
    if training:
        expected = (
            weights
            - weights.mean(axes)
            - normalized * (weights * normalized).mean(axes)
        )
    np.testing.assert_allclose(
        input_gradient, expected * gamma / deviation, atol=TOLERANCE
    )


@pytest.mark.parametrize("training", [False, True])
def test_masked_batch_normalization_does_not_leak_offsets(training):
    layers = {
        e: ElasticBatchNormalization(channels=6, execution=e)
        for e in EXECUTIONS
    }
    randomize(layers["slice"])
    layers["mask"].set_weights(layers["slice"].get_weights())
    x = normal((3, 4, 5, 4))
    sliced = layers["slice"](x, active_channels=scalar(4), training=training)
    masked = layers["mask"](
        padded(x, 6), active_channels=scalar(4), training=training
    ).numpy()
    np.testing.assert_allclose(masked[..., :4], sliced, atol=TOLERANCE)
    assert not masked[..., 4:].any()


@pytest.mark.parametrize("execution", EXECUTIONS)
def test_given_moments_replace_the_moving_statistics(execution):
    layer = ElasticBatchNormalization(channels=2, execution=execution)
    x = normal((3, 4, 5, 2))
    mean, variance = np.array([1.0, -2.0]), np.array([4.0, 0.25])
    outputs = layer(x, moments=(mean.astype("f"), variance.astype("f")))
    expected = (x - mean) / np.sqrt(variance + 1e-5)
    np.testing.assert_allclose(outputs, expected, atol=TOLERANCE)


@pytest.mark.parametrize("execution", EXECUTIONS)
def test_subnets_and_reported_moments_leave_the_moving_statistics_alone(
    execution,
):
    layer = ElasticBatchNormalization(channels=6, execution=execution)
    before = layer.get_weights()
    x = normal((3, 4, 5, 6))
    inputs = x if execution == "mask" else x[..., :4]
    layer(inputs, active_channels=scalar(4), training=True)
    for old, new in zip(before, layer.get_weights()):
        np.testing.assert_array_equal(old, new)
    layer(x, training=True, return_moments=True)
    for old, new in zip(before, layer.get_weights()):
        np.testing.assert_array_equal(old, new)
    layer(x, training=True)
    assert not np.array_equal(before[2], layer.get_weights()[2])


def test_batch_normalization_keeps_float32_statistics_under_bfloat16():
    layer = ElasticBatchNormalization(channels=3, dtype="mixed_bfloat16")
    x = tf.cast(normal((8, 9, 9, 3)) + 100, tf.bfloat16)
    outputs, (mean, variance) = layer(x, training=True, return_moments=True)
    assert outputs.dtype == tf.bfloat16
    assert mean.dtype == variance.dtype == tf.float32
    expected = tf.cast(x, tf.float32).numpy()
    np.testing.assert_allclose(mean, expected.mean((0, 1, 2)), rtol=1e-5)
    np.testing.assert_allclose(variance, expected.var((0, 1, 2)), rtol=1e-2)


def plain_block(block, filters, depth, moments):
    """The same block from stock layers, weights sliced by hand."""
    inputs = keras.Input((None, None, 3))
    x = inputs
    layers = []
    in_channels = 3
    for layer in range(depth):
        conv = keras.layers.Conv2D(
            filters[layer], 3, padding="same", use_bias=False
        )
        normalization = keras.layers.BatchNormalization(epsilon=1e-5)
        x = keras.layers.ReLU()(normalization(conv(x)))
        kernel = block.convolutions[layer].kernel.numpy()
        conv.set_weights([kernel[:, :, :in_channels, : filters[layer]]])
        source = block.normalizations[layer]
        mean, variance = moments[source.name]
        normalization.set_weights(
            [
                value[: filters[layer]]
                for value in (
                    source.gamma.numpy(),
                    source.beta.numpy(),
                    np.asarray(mean),
                    np.asarray(variance),
                )
            ]
        )
        in_channels = filters[layer]
        layers.append(conv)
    return keras.Model(inputs, keras.layers.AveragePooling2D(2)(x))


def make_blocks():
    blocks = {
        e: ElasticConvBlock(8, in_channels=5, execution=e, name="block2")
        for e in EXECUTIONS
    }
    randomize(blocks["slice"])
    blocks["mask"].set_weights(blocks["slice"].get_weights())
    return blocks


@pytest.mark.parametrize("execution", EXECUTIONS)
@pytest.mark.parametrize("filters", [None, (5, 6)])
def test_a_shared_first_convolution_changes_nothing(filters, execution):
    block = make_blocks()[execution]
    x = normal((2, 7, 6, 5))
    active = None if filters is None else tf.constant(filters)
    expected, expected_moments = block(x, active_filters=active, training=True)
    convolved = block.first_convolution(x)
    assert convolved.shape == (2, 7, 6, 8)
    ours, moments = block(
        convolved, active_filters=active, training=True, is_convolved=True
    )
    np.testing.assert_allclose(ours, expected, atol=TOLERANCE)
    tf.nest.map_structure(
        lambda a, b: np.testing.assert_allclose(a, b, atol=TOLERANCE),
        moments,
        expected_moments,
    )


@pytest.mark.parametrize("depth", [1, 2])
@pytest.mark.parametrize("filters", [(8, 8), (5, 6), (6, 3)])
def test_block_mask_slice_and_plain_layers_agree(filters, depth):
    blocks = make_blocks()
    x = normal((2, 7, 6, 3))
    active = {
        "active_filters": tf.constant(filters),
        "active_depth": scalar(depth),
    }
    _, moments = blocks["slice"](x, training=True, **active)
    sliced, _ = blocks["slice"](x, moments=moments, **active)
    _, masked_moments = blocks["mask"](padded(x, 5), training=True, **active)
    masked, _ = blocks["mask"](padded(x, 5), moments=moments, **active)
    num_filters = filters[depth - 1]
    expected = plain_block(blocks["slice"], filters, depth, moments)(x)
    np.testing.assert_allclose(sliced, expected, atol=TOLERANCE)
    np.testing.assert_allclose(
        masked.numpy()[..., :num_filters], expected, atol=TOLERANCE
    )
    assert not masked.numpy()[..., num_filters:].any()
    tf.nest.map_structure(
        lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-4),
        moments,
        masked_moments,
    )


def test_a_layer_that_did_not_run_reports_idle_moments():
    for execution, block in make_blocks().items():
        x = normal((2, 7, 6, 3))
        x = padded(x, 5) if execution == "mask" else x
        _, moments = block(
            x,
            active_filters=tf.constant([8, 8]),
            active_depth=scalar(1),
            training=True,
        )
        mean, variance = moments["block2_bn2"]
        np.testing.assert_array_equal(mean, np.zeros(8))
        np.testing.assert_array_equal(variance, np.ones(8))


@pytest.mark.parametrize("execution", EXECUTIONS)
def test_all_widths_and_depths_run_in_one_trace(execution):
    block = make_blocks()[execution]

    @tf.function
    def run(x, filters, depth):
        outputs, _ = block(x, active_filters=filters, active_depth=depth)
        return tf.reduce_sum(outputs)

    x = tf.constant(normal((2, 7, 6, 5)))
    results = {
        float(run(x, tf.constant([first, second]), scalar(depth)))
        for first in (2, 5, 8)
        for second in (3, 8)
        for depth in (1, 2)
    }
    assert run.experimental_get_tracing_count() == 1
    # At depth 1 the second width says nothing: 3 * 2 + 3 subnets differ.
    assert len(results) == 9


def test_mask_execution_compiles_under_xla():
    block = make_blocks()["mask"]
    x = tf.constant(normal((2, 7, 6, 5)))

    def run(filters, depth):
        return block(x, active_filters=filters, active_depth=depth)[0]

    arguments = (tf.constant([5, 6]), scalar(2))
    compiled = tf.function(run, jit_compile=True)(*arguments)
    np.testing.assert_allclose(compiled, run(*arguments), atol=1e-4)


@pytest.mark.parametrize(
    "layer",
    [
        ElasticConv2D(7, 5, kernel_size=1, execution="mask", name="a"),
        ElasticDense(6, 5, activation="relu", name="b"),
        ElasticBatchNormalization(0.8, 1e-3, channels=4, name="c"),
        ElasticConvBlock(8, 5, num_layers=3, momentum=0.7, name="d"),
    ],
    ids=lambda layer: type(layer).__name__,
)
def test_config_round_trip_keeps_every_argument(layer):
    config = layer.get_config()
    clone = type(layer).from_config(config)
    assert clone.get_config() == config
    assert [w.shape for w in clone.weights] == [w.shape for w in layer.weights]
