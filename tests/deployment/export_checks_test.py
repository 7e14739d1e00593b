import dataclasses

import keras
import numpy as np
import pytest

from ofa_aec_tf.deployment import export_checks
from ofa_aec_tf.deployment import tflite_converter
from ofa_aec_tf.deployment import tflite_inspection
from ofa_aec_tf.deployment.parity import Parity
from ofa_aec_tf.deployment.tflite_inspection import TensorSummary
from ofa_aec_tf.deployment.tflite_runner import TFLiteModel


def _check(network, summary, mode="float32"):
    export_checks.check_contents(summary, network, mode, 101, 64, 10)


@pytest.fixture
def summary(exported):
    return tflite_inspection.summarize(exported["float32"].content)


@pytest.mark.parametrize("mode", tflite_converter.QUANTIZATION_MODES)
def test_good_files_pass(network, exported, mode):
    _check(network, tflite_inspection.summarize(exported[mode].content), mode)
    export_checks.check_finite(exported[mode].runner, mode)


@pytest.mark.parametrize("name", ["CUSTOM:FlexConv2D", "RFFT2D"])
def test_operators_outside_the_list_are_refused(network, summary, name):
    operators = {**summary.operators, name: 1}
    with pytest.raises(ValueError, match=rf"operators that .*\['{name}'\]"):
        _check(network, dataclasses.replace(summary, operators=operators))


def test_second_subgraph_is_refused(network, summary):
    with pytest.raises(ValueError, match="one subgraph.*Received: 2"):
        _check(network, dataclasses.replace(summary, num_subgraphs=2))


@pytest.mark.parametrize(
    "inputs",
    [
        (TensorSummary("x", (-1, 101, 64), "float32"),),
        (TensorSummary("x", (1, 101, 64), "int8"),),
        (TensorSummary("x", (1, 501, 64), "float32"),),
        (),
    ],
)
def test_other_inputs_are_refused(network, summary, inputs):
    expected = r"one input, float32 of shape \(1, 101, 64\)"
    with pytest.raises(ValueError, match=expected):
        _check(network, dataclasses.replace(summary, inputs=inputs))


def test_other_outputs_are_refused(network, summary):
    outputs = (TensorSummary("y", (1, 9), "float32"),)
    with pytest.raises(ValueError, match=r"shape \(1, 10\).*\(1, 9\)"):
        _check(network, dataclasses.replace(summary, outputs=outputs))


def test_quantized_sigmoid_is_refused(network, exported):
    summary = tflite_inspection.summarize(exported["int8"].content)
    dtypes = {**summary.activation_dtypes, "LOGISTIC": ("int8",)}
    with pytest.raises(ValueError, match=r"sigmoid .* 1/512 .*\['int8'\]"):
        _check(
            network,
            dataclasses.replace(summary, activation_dtypes=dtypes),
            "int8",
        )


def test_file_without_its_weights_is_refused(network, summary):
    with pytest.raises(ValueError, match="Received: 900 bytes. Weights are"):
        _check(network, dataclasses.replace(summary, constant_bytes=900))


@pytest.mark.parametrize("mode", ["float16", "dynamic_range", "int8"])
def test_weights_left_in_float32_are_refused(network, summary, mode):
    with pytest.raises(ValueError, match="not stored in the format"):
        _check(network, summary, mode)


def test_bounds_of_the_constants_are_those_computed_by_hand():
    model = keras.Sequential([keras.Input((30,)), keras.layers.Dense(40)])
    bounds = export_checks.constant_bytes_bounds
    # 1200 weights, and beside them 40 biases of 4 bytes and 1 KiB.
    assert bounds(model, "float32") == (4800, 4800 + 160 + 1024)
    assert bounds(model, "float16") == (2400, 2400 + 160 + 1024)
    assert bounds(model, "dynamic_range") == (1200, 1200 + 160 + 1024)
    assert bounds(model, "int8") == (1200, 1200 + 160 + 1024)


def test_dynamic_range_may_keep_small_kernels_in_float32():
    model = keras.Sequential([keras.Input((10,)), keras.layers.Dense(40)])
    smallest, _ = export_checks.constant_bytes_bounds(model, "dynamic_range")
    assert smallest == 1600


@pytest.mark.parametrize(
    ("level_db", "name"), [(-100, "silence"), (40, "over")]
)
def test_scores_that_are_not_finite_are_refused(level_db, name):
    inputs = keras.Input((20, 4))
    # Not a number exactly at this level.
    distance = keras.layers.GlobalMaxPooling1D()(inputs) - level_db
    model = keras.Model(inputs, distance / distance)
    runner = TFLiteModel(tflite_converter.convert(model, 20, 4, "float32"))
    with pytest.raises(ValueError, match=f"4 of 4 scores .* on {name}"):
        export_checks.check_finite(runner, "float32")


@pytest.mark.parametrize("difference", [1e-5, 0.3, np.nan])
def test_float32_file_must_equal_the_keras_model(difference):
    parity = Parity(4, difference, 0.0, None)
    with pytest.raises(ValueError, match="must equal the Keras model"):
        export_checks.check_parity(parity, "float32")


def test_quantized_files_may_differ():
    export_checks.check_parity(Parity(4, 9e-6, 0.0, None), "float32")
    export_checks.check_parity(Parity(4, 0.05, 0.01, 25.0), "int8")
