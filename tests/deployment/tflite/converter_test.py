import keras
import numpy as np
import pytest

from ofa_aec_tf.deployment.tflite import converter
from ofa_aec_tf.deployment.tflite import inspection
from ofa_aec_tf.deployment.tflite.runner import TFLiteModel
from tests.deployment import small_models

MODES = converter.QUANTIZATION_MODES
FLOAT_OPERATORS = {
    "ADD": 2,  # Offset of the input normalization; max + mean over time.
    "AVERAGE_POOL_2D": 5,
    "CONV_2D": small_models.NUM_CONVOLUTIONS,
    "FULLY_CONNECTED": 2,
    "LOGISTIC": 1,
    "MEAN": 1,
    "MUL": 1,  # Scale of the input normalization.
    "REDUCE_MAX": 1,
    "RESHAPE": 3,
}


def _convert(model, mode="float32", clips=None):
    return converter.convert(
        model,
        small_models.NUM_FRAMES,
        small_models.NUM_MEL_BINS,
        mode,
        clips,
    )


@pytest.fixture(params=["mixed_bfloat16", "mixed_float16"])
def mixed_network(request, network):
    keras.config.set_dtype_policy(request.param)
    try:
        mixed = small_models.make_untrained_network()
    finally:
        keras.config.set_dtype_policy("float32")
    mixed.set_weights(network.get_weights())
    return mixed


@pytest.mark.parametrize("mode", ["float32", "dynamic_range"])
def test_batch_normalization_is_folded_into_every_convolution(exported, mode):
    assert exported[mode].summary.operators == FLOAT_OPERATORS


def test_float16_adds_only_the_expansion_of_its_weights(exported):
    operators = dict(exported["float16"].summary.operators)
    assert operators.pop("DEQUANTIZE") > 0
    assert operators == FLOAT_OPERATORS


def test_int8_adds_one_conversion_at_each_end(exported):
    operators = dict(exported["int8"].summary.operators)
    assert operators.pop("QUANTIZE") == 1
    assert operators.pop("DEQUANTIZE") == 1
    assert operators == FLOAT_OPERATORS


def test_int8_computes_convolutions_in_int8_and_the_sigmoid_in_float(exported):
    dtypes = inspection.summarize(exported["int8"].content).activation_dtypes
    assert dtypes["CONV_2D"] == ("int8",)
    assert dtypes["FULLY_CONNECTED"] == ("int8",)
    assert dtypes["LOGISTIC"] == ("float32",)


def test_int8_keeps_scores_that_an_int8_sigmoid_would_lose(
    network, clips, exported
):
    expected = network.predict(clips, verbose=0)
    scores = exported["int8"].runner.predict(clips)
    tiny = expected < 1 / 512
    assert tiny.mean() > 0.4
    assert (scores[tiny] > 0).all()
    correlation = np.corrcoef(np.log(scores[tiny]), np.log(expected[tiny]))
    assert correlation[0, 1] > 0.95


@pytest.mark.parametrize(
    ("mode", "max_difference", "min_snr_db"),
    [
        ("float32", 1e-5, 100),
        ("float16", 2e-3, 50),
        ("dynamic_range", 2e-2, 30),
        ("int8", 6e-2, 25),
    ],
)
def test_scores_stay_near_the_keras_model(
    network, clips, exported, mode, max_difference, min_snr_db
):
    expected = network.predict(clips, verbose=0).astype(np.float64)
    scores = exported[mode].runner.predict(clips).astype(np.float64)
    assert np.abs(scores - expected).max() < max_difference
    expected, logits = (np.log(s / (1 - s)) for s in (expected, scores))
    noise = np.sum((logits - expected) ** 2)
    assert 10 * np.log10(np.sum(expected**2) / noise) > min_snr_db


def test_smaller_formats_give_smaller_files(exported):
    sizes = {mode: len(exported[mode].content) for mode in MODES}
    assert sizes["float32"] > sizes["float16"] > sizes["dynamic_range"]
    assert sizes["int8"] < 0.5 * sizes["float32"]


def test_dynamic_range_needs_no_recent_dense_operator():
    # Kernels below 1024 weights would stay in float32, with any operator.
    inputs = keras.Input((101, 64))
    pooled = keras.layers.GlobalAveragePooling1D()(inputs)
    model = keras.Model(inputs, keras.layers.Dense(64)(pooled))
    summary = inspection.summarize(_convert(model, "dynamic_range"))
    assert summary.constant_bytes < 64 * 64 + 1024
    assert summary.operator_versions["FULLY_CONNECTED"] < 12


def test_int8_conversion_is_deterministic(network):
    clips = small_models.make_clips(4, seed=3)
    first, second = (_convert(network, "int8", clips) for _ in range(2))
    scores = [
        TFLiteModel(content).predict(clips) for content in (first, second)
    ]
    np.testing.assert_array_equal(*scores)


def test_mixed_precision_network_becomes_builtin_float32_operators(
    network, mixed_network, clips
):
    content = _convert(mixed_network)
    assert inspection.summarize(content).operators == FLOAT_OPERATORS
    np.testing.assert_allclose(
        TFLiteModel(content).predict(clips),
        network.predict(clips, verbose=0),
        atol=1e-5,
    )


def test_mixed_precision_network_itself_is_left_as_it_was(mixed_network):
    before = [layer.dtype_policy.name for layer in mixed_network.layers]
    copy = converter.float32_model(mixed_network)
    assert [layer.dtype_policy.name for layer in mixed_network.layers] == before
    assert {layer.dtype_policy.name for layer in copy.layers} == {"float32"}


def test_layers_of_a_nested_network_are_made_float32_too(clips):
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        inner = keras.Sequential([keras.layers.Dense(4), keras.layers.ReLU()])
        inputs = keras.Input((101, 64), dtype="float32")
        pooled = keras.layers.GlobalAveragePooling1D(dtype="float32")(inputs)
        outputs = keras.layers.Dense(3, dtype="float32")(inner(pooled))
        model = keras.Model(inputs, outputs)
    finally:
        keras.config.set_dtype_policy("float32")
    copy = converter.float32_model(model)
    content = _convert(copy)
    np.testing.assert_allclose(
        TFLiteModel(content).predict(clips),
        copy.predict(clips, verbose=0),
        rtol=1e-5,
        atol=1e-5,
    )
    kernel, bias = inner.layers[0].get_weights()
    hidden = np.maximum(0, clips.mean(1) @ kernel + bias)
    kernel, bias = model.layers[-1].get_weights()
    np.testing.assert_allclose(
        TFLiteModel(content).predict(clips),
        hidden @ kernel + bias,
        rtol=1e-4,
        atol=1e-4,
    )


def test_float32_network_is_not_copied(network):
    assert converter.float32_model(network) is network


def test_weights_that_are_not_finite_are_refused_by_name(network):
    broken = keras.models.clone_model(network)
    broken.set_weights(network.get_weights())
    kernel, bias = broken.get_layer("hidden").get_weights()
    kernel[3, 5] = np.nan
    broken.get_layer("hidden").set_weights([kernel, bias])
    with pytest.raises(ValueError, match="1 of 640 values of 'hidden/kernel'"):
        _convert(broken)


def test_operators_that_tflite_lacks_are_refused(network):
    inputs = keras.Input((101, 64), dtype="float32")
    x = keras.ops.erfinv(keras.layers.GlobalAveragePooling1D()(inputs))
    model = keras.Model(inputs, x, name="inverse")
    with pytest.raises(
        ValueError, match="refuses the model 'inverse'.*float32"
    ):
        _convert(model)


def test_unknown_mode_is_refused_naming_the_modes(network):
    with pytest.raises(ValueError, match=r"\['float32', .*mode='int4'"):
        _convert(network, "int4")


@pytest.mark.parametrize(
    ("clips", "received"),
    [
        (None, "Received: none"),
        (np.zeros((0, 101, 64)), r"Received: shape \(0, 101, 64\)"),
        (np.zeros((101, 64)), r"Received: shape \(101, 64\)"),
        (np.zeros((2, 100, 64)), r"Received: shape \(2, 100, 64\)"),
        (np.full((1, 101, 64), np.nan), "6464 values that are not"),
    ],
)
def test_int8_refuses_unfit_representative_clips(network, clips, received):
    with pytest.raises(ValueError, match=received):
        _convert(network, "int8", clips)


def test_conversion_prints_nothing(network, capfd):
    _convert(network, "int8", small_models.make_clips(2, seed=3))
    assert capfd.readouterr() == ("", "")
