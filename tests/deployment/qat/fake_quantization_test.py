import keras
import numpy as np
import pytest
import tensorflow as tf

from ofa_aec_tf.deployment.qat import fake_quantization

pytestmark = pytest.mark.qat


def _rounded(kernel, axes):
    """Symmetric rounding to 127 steps on either side of 0, in NumPy."""
    step = np.abs(kernel).max(axis=axes, keepdims=True) / 127
    return np.round(kernel / step) * step


def _built(layer, input_shape, seed=0):
    layer.build(input_shape)
    rng = np.random.default_rng(seed)
    for variable in layer.variables:
        # Channels whose weights differ by a factor of up to 100.
        scale = 10 ** rng.uniform(-1, 1, variable.shape[-2:])
        if len(variable.shape) == 1:
            scale = 1
        variable.assign(scale * rng.normal(size=variable.shape))
    return layer


def _twin(layer, stock_class, kernel):
    """The stock layer with that kernel."""
    options = layer.get_config()
    twin = stock_class.from_config(options)
    twin.build(layer._build_shapes_dict["input_shape"])
    twin.set_weights([kernel, layer.bias.numpy()])
    return twin


@pytest.mark.parametrize(
    ("class_name", "options", "axes"),
    [
        ("Conv2D", {"filters": 5, "kernel_size": 3}, (0, 1, 2)),
        ("DepthwiseConv2D", {"kernel_size": 3}, (0, 1)),
        ("DepthwiseConv2D", {"kernel_size": 2, "depth_multiplier": 2}, (0, 1)),
        ("Dense", {"units": 5}, (0, 1)),
    ],
)
def test_layer_computes_with_the_rounded_kernel(class_name, options, axes):
    layer_class = getattr(fake_quantization, f"FakeQuant{class_name}")
    layer = _built(layer_class(activation="relu", **options), (None, 6, 5, 4))
    kernel = _rounded(layer.kernel.numpy(), axes)
    twin = _twin(layer, getattr(keras.layers, class_name), kernel)
    values = np.random.default_rng(1).normal(size=(3, 6, 5, 4))
    np.testing.assert_allclose(
        layer(values).numpy(), twin(values).numpy(), rtol=1e-4, atol=1e-4
    )


def test_gradient_passes_through_the_rounding():
    layer = _built(fake_quantization.FakeQuantDense(3), (None, 4))
    values = np.random.default_rng(1).normal(size=(7, 4)).astype(np.float32)
    with tf.GradientTape() as tape:
        total = tf.reduce_sum(layer(values))
    gradient = tape.gradient(total, layer.kernel.value)
    expected = np.repeat(values.sum(axis=0)[:, np.newaxis], 3, axis=1)
    np.testing.assert_allclose(gradient, expected, rtol=1e-4)


def test_channel_without_weights_gives_its_bias():
    layer = fake_quantization.FakeQuantConv2D(2, 1)
    layer.build((None, 1, 1, 1))
    layer.set_weights([np.reshape([0.0, 1], (1, 1, 1, 2)), np.array([3.0, 4])])
    outputs = layer(np.full((1, 1, 1, 1), 2.0))
    np.testing.assert_allclose(np.ravel(outputs), [3, 6], rtol=1e-6)


def test_activations_are_rounded_to_256_steps():
    layer = fake_quantization.FakeQuantization(-1.0, 1.55)
    # A step is 0.01; 0 is one of them.
    values = np.array([-7, -1, -0.006, 0, 0.004, 0.006, 1.551, 9], np.float32)
    np.testing.assert_allclose(
        layer(values), [-1, -1, -0.01, 0, 0, 0.01, 1.55, 1.55], atol=1e-6
    )


def test_gradient_ends_beyond_the_range():
    layer = fake_quantization.FakeQuantization(-1.0, 1.55)
    values = tf.constant([-7.0, -0.006, 0.5, 9])
    with tf.GradientTape() as tape:
        tape.watch(values)
        total = tf.reduce_sum(layer(values))
    np.testing.assert_array_equal(tape.gradient(total, values), [0, 1, 1, 0])


def test_layers_are_saved_and_loaded(tmp_path):
    inputs = keras.Input((6, 5, 4))
    x = fake_quantization.FakeQuantization(-3.0, 3.0)(inputs)
    x = fake_quantization.FakeQuantDepthwiseConv2D(3)(x)
    x = fake_quantization.FakeQuantConv2D(3, 2)(x)
    network = keras.Model(inputs, fake_quantization.FakeQuantDense(2)(x))
    network.save(tmp_path / "network.keras")
    loaded = keras.models.load_model(tmp_path / "network.keras")
    values = np.random.default_rng(1).normal(size=(3, 6, 5, 4))
    np.testing.assert_array_equal(loaded(values), network(values))
