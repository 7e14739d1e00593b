"""A chained file computes what its parts do, one after the other."""

import keras
import numpy as np
import pytest

from ofa_aec_tf.deployment.tflite import chaining
from ofa_aec_tf.deployment.tflite import converter
from ofa_aec_tf.deployment.tflite import flatbuffer
from ofa_aec_tf.deployment.tflite import inspection
from ofa_aec_tf.deployment.tflite.runner import TFLiteModel


def _dense(num_inputs, num_outputs, activation=None, seed=0):
    keras.utils.set_random_seed(seed)
    model = keras.Sequential(
        [
            keras.Input((num_inputs,)),
            keras.layers.Dense(
                num_outputs, activation, bias_initializer="ones"
            ),
        ]
    )
    signature = keras.InputSpec(
        shape=(1, num_inputs), dtype="float32", name="x"
    )
    return model, converter.convert_float32(model, signature)


def test_two_dense_layers_by_hand():
    first, first_file = _dense(3, 5, "tanh")
    second, second_file = _dense(5, 2, seed=1)
    content = chaining.chain(first_file, second_file, "sound", "scores")
    values = np.random.default_rng(0).normal(size=(4, 3)).astype(np.float32)
    (kernel1, bias1), (kernel2, bias2) = (
        first.get_weights(),
        second.get_weights(),
    )
    expected = np.tanh(values @ kernel1 + bias1) @ kernel2 + bias2
    np.testing.assert_allclose(
        TFLiteModel(content).predict(values), expected, atol=1e-6
    )
    summary = inspection.summarize(content)
    assert summary.operators == {"FULLY_CONNECTED": 2, "TANH": 1}
    assert [t.name for t in summary.inputs] == ["sound"]
    assert [t.name for t in summary.outputs] == ["scores"]


def test_an_operator_of_both_is_listed_once():
    _, file = _dense(4, 4)
    model = flatbuffer.unpack(chaining.chain(file, file, "a", "b"))
    assert len(model.operatorCodes) == 1
    (signature,) = model.signatureDefs
    assert signature.signatureKey == b"serving_default"
    assert [m.name for m in signature.inputs] == [b"a"]
    assert [m.name for m in signature.outputs] == [b"b"]


def test_the_newer_of_the_runtimes_is_needed(frontend_file, exported):
    files = frontend_file.exported.content, exported["int8"].content
    versions = [
        inspection.summarize(file).min_runtime_version for file in files
    ]
    assert versions == ["2.5.0", "1.14.0"]
    content = chaining.chain(*files, "a", "b")
    summary = inspection.summarize(content)
    assert summary.min_runtime_version == "2.5.0"


def test_constants_are_those_of_both(frontend_file, exported):
    files = frontend_file.exported.content, exported["float16"].content
    content = chaining.chain(*files, "a", "b")
    sizes = [
        inspection.summarize(file).constant_bytes for file in (*files, content)
    ]
    assert sizes[2] == sizes[0] + sizes[1]


def test_files_that_do_not_fit_are_refused():
    _, first = _dense(3, 5)
    _, second = _dense(4, 2)
    with pytest.raises(ValueError, match=r"\(1, 5\).*\(1, 4\)"):
        chaining.chain(first, second, "a", "b")


def test_a_file_of_two_inputs_is_refused():
    inputs = [keras.Input((3,)), keras.Input((3,))]
    model = keras.Model(inputs, keras.layers.Add()(inputs))
    signature = [
        keras.InputSpec(shape=(1, 3), dtype="float32", name=name)
        for name in "ab"
    ]
    two = converter.convert_float32(model, signature)
    _, one = _dense(3, 3)
    with pytest.raises(ValueError, match=r"\[\(2, 1\)\] of .* the second file"):
        chaining.chain(one, two, "a", "b")
