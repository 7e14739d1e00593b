import keras
import numpy as np
import pytest

from ofa_aec_tf.deployment.qat import activation_ranges
from ofa_aec_tf.deployment.qat import folding
from ofa_aec_tf.deployment.qat import keras_engine

pytest.importorskip("tensorflow_model_optimization")
tfmot_engine = pytest.importorskip("ofa_aec_tf.deployment.qat.tfmot_engine")

pytestmark = pytest.mark.qat


def _folded(*layers, shape=(6, 5, 4)):
    inputs = keras.Input(shape)
    x = inputs
    for layer in layers:
        x = layer(x)
    x = keras.layers.Flatten(name="flat")(x)
    x = keras.layers.Dense(2, name="logits")(x)
    return folding.fold(
        keras.Model(inputs, keras.layers.Activation("sigmoid")(x))
    )


@pytest.fixture(scope="module")
def quantized(network, calibration_clips):
    """The folded network, its ranges and the quantized network."""
    folded = folding.fold(network)
    ranges = activation_ranges.calibrate(folded, calibration_clips)
    return (
        folded,
        ranges,
        tfmot_engine.build_quantized(folded, ranges, calibration_clips),
    )


def test_it_computes_what_the_other_engine_does(quantized, calibration_clips):
    folded, ranges, network = quantized
    other = keras_engine.build_quantized(folded, ranges, calibration_clips)
    logits = network.predict(calibration_clips, verbose=0)
    expected = other.predict(calibration_clips, verbose=0)
    minimum, maximum = ranges["logits"]
    step = (maximum - minimum) / 255
    # Sums in another order may end on the other side of a rounding.
    assert np.abs(logits - expected).max() < 1.5 * step
    assert np.mean(np.abs(logits - expected) < 0.01 * step) > 0.9
    assert (
        np.abs(logits - folded.predict(calibration_clips, verbose=0)).max()
        > 0.01 * step
    )


def test_ranges_are_those_that_were_calibrated(quantized):
    _, ranges, network = quantized
    variables = {v.name: v.numpy() for v in network.variables}
    for name, limits in ranges.items():
        for end, limit in zip(("min", "max"), limits):
            value = variables[f"quant_{name}/output_{end}:0"]
            assert value == pytest.approx(limit)


def test_range_of_each_kernel_is_its_own(quantized):
    _, _, network = quantized
    layer = network.get_layer("quant_block2_conv1")
    variables = {v.name.split("/")[-1]: v.numpy() for v in layer.variables}
    np.testing.assert_allclose(
        variables["kernel_max:0"],
        np.abs(variables["kernel:0"]).max(axis=(0, 1, 2)),
    )


def test_normalization_of_the_input_is_frozen(quantized, clips):
    _, _, network = quantized
    layer = network.get_layer("input_bn")
    before = [v.numpy() for v in layer.variables]
    network(clips, training=True)
    for variable, value in zip(layer.variables, before):
        np.testing.assert_array_equal(variable, value)
    names = {v.name.split("/")[0] for v in network.trainable_variables}
    assert "input_bn" not in names


def test_layers_that_tf_keras_lacks_are_refused_by_name():
    folded = _folded(keras.layers.Activation("hard_swish", name="swish"))
    clips = np.random.default_rng(0).normal(size=(3, 6, 5, 4))
    ranges = activation_ranges.calibrate(folded, clips)
    with pytest.raises(ValueError, match="'swish', a Activation.*hard_silu"):
        tfmot_engine.build_quantized(folded, ranges, clips)


def test_operations_that_are_no_layers_are_refused_by_name():
    folded = _folded(lambda x: 2.0 * x)
    clips = np.random.default_rng(0).normal(size=(3, 6, 5, 4))
    ranges = activation_ranges.calibrate(folded, clips)
    with pytest.raises(ValueError, match="a Multiply. Use the engine `keras`"):
        tfmot_engine.build_quantized(folded, ranges, clips)


def test_copy_that_computes_something_else_is_refused():
    # tf_keras has it with other slopes.
    folded = _folded(keras.layers.Activation("hard_sigmoid"))
    clips = np.random.default_rng(0).normal(size=(3, 6, 5, 4))
    ranges = activation_ranges.calibrate(folded, clips)
    with pytest.raises(ValueError, match="copy in tf_keras must .* 1e-05"):
        tfmot_engine.build_quantized(folded, ranges, clips)
