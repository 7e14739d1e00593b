"""Files that are damaged on purpose are refused for what is wrong."""

import dataclasses
import io
import zipfile

import keras
import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema

from ofa_aec_tf.deployment.tflite import chaining
from ofa_aec_tf.deployment.tflite import converter
from ofa_aec_tf.deployment.tflite import file_checks
from ofa_aec_tf.deployment.tflite import flatbuffer
from ofa_aec_tf.deployment.tflite import metadata
from ofa_aec_tf.deployment.tflite.inspection import TensorSummary
from ofa_aec_tf.deployment.tflite.runner import TFLiteModel
from tests.deployment import small_models


@pytest.fixture
def summary(exported):
    return exported["float32"].summary


def _check_interface(summary):
    file_checks.check_interface(summary, "file", (1, 101, 64), (1, 10))


def _check_operators(summary):
    file_checks.check_operators(summary, "file", file_checks.NETWORK_OPERATORS)


@pytest.mark.parametrize("mode", converter.QUANTIZATION_MODES)
def test_good_networks_pass(exported, mode):
    file = exported[mode]
    _check_operators(file.summary)
    _check_interface(file.summary)
    file_checks.check_sigmoid(file.summary, mode)
    file_checks.check_constants_are_finite(file.content, mode)
    file_checks.check_runtime(file.summary, mode)
    file_checks.check_finite(file.runner, mode)


@pytest.mark.parametrize("name", ["CUSTOM:FlexConv2D", "RFFT2D"])
def test_operators_outside_the_list_are_refused(summary, name):
    operators = {**summary.operators, name: 1}
    with pytest.raises(ValueError, match=rf"operators that .*\['{name}'\]"):
        _check_operators(dataclasses.replace(summary, operators=operators))


def test_second_subgraph_is_refused(summary):
    with pytest.raises(ValueError, match="one subgraph.*Received: 2"):
        _check_interface(dataclasses.replace(summary, num_subgraphs=2))


@pytest.mark.parametrize(
    "inputs",
    [
        (TensorSummary("x", (-1, 101, 64), "float32"),),
        (TensorSummary("x", (1, 101, 64), "int8"),),
        (TensorSummary("x", (1, 501, 64), "float32"),),
        (),
    ],
)
def test_other_inputs_are_refused(summary, inputs):
    expected = r"one input, float32 of shape \(1, 101, 64\)"
    with pytest.raises(ValueError, match=expected):
        _check_interface(dataclasses.replace(summary, inputs=inputs))


def test_other_outputs_are_refused(summary):
    outputs = (TensorSummary("y", (1, 9), "float32"),)
    with pytest.raises(ValueError, match=r"shape \(1, 10\).*\(1, 9\)"):
        _check_interface(dataclasses.replace(summary, outputs=outputs))


@pytest.mark.parametrize("operator", ["LOGISTIC", "SOFTMAX"])
def test_quantized_sigmoid_is_refused(exported, operator):
    summary = exported["int8"].summary
    dtypes = {**summary.activation_dtypes, operator: ("int8",)}
    with pytest.raises(ValueError, match=r"sigmoid .* 1/512 .*\['int8'\]"):
        file_checks.check_sigmoid(
            dataclasses.replace(summary, activation_dtypes=dtypes), "file"
        )


@pytest.mark.parametrize("version", ["2.17.0", "2.5.1", None])
def test_operators_that_old_runtimes_lack_are_refused(summary, version):
    newer = dataclasses.replace(summary, min_runtime_version=version)
    with pytest.raises(ValueError, match=f"runtime {version}.*=current"):
        file_checks.check_runtime(newer, "file")


@pytest.mark.parametrize(
    ("level_db", "name"), [(-100, "silence"), (40, "over")]
)
def test_scores_that_are_not_finite_are_refused(level_db, name):
    inputs = keras.Input((20, 4))
    # Not a number exactly at this level.
    distance = keras.layers.GlobalMaxPooling1D()(inputs) - level_db
    model = keras.Model(inputs, distance / distance)
    runner = TFLiteModel(converter.convert(model, 20, 4, "float32"))
    with pytest.raises(ValueError, match=f"4 of 4 scores .* on {name}"):
        file_checks.check_finite(runner, "float32")


@pytest.mark.parametrize("mode", converter.QUANTIZATION_MODES)
def test_good_files_on_waveforms_pass(waveform_files, mode):
    runner, described = file_checks.check_waveform_file(
        waveform_files[mode].content, mode
    )
    assert runner.input_shape == (1, 32_000)
    assert described == small_models.METADATA


def _refused(content, match):
    with pytest.raises(ValueError, match=match):
        file_checks.check_waveform_file(content, "shipped file")


def test_a_file_without_metadata_is_refused(waveform_files):
    model = flatbuffer.unpack(waveform_files["int8"].content)
    flatbuffer.remove_metadata(model)
    _refused(flatbuffer.pack(model), "has no TFLite Model Metadata")


def test_a_file_that_lost_its_labels_is_refused(waveform_files):
    content = waveform_files["int8"].content
    start = content.index(b"PK\x03\x04")
    _refused(content[:start], "'labels.txt', but no such file is packed")
    # Another archive, as a tool that unpacks and packs may leave it.
    file = io.BytesIO(content[:start])
    file.seek(0, io.SEEK_END)
    with zipfile.ZipFile(file, "a") as archive:
        archive.writestr("classes.txt", "a\n")
    _refused(file.getvalue(), "'labels.txt', but no such file is packed")


def test_a_file_with_too_few_labels_is_refused(waveform_files):
    fewer = dataclasses.replace(
        small_models.METADATA, labels=small_models.METADATA.labels[:-1]
    )
    content = metadata.attach(waveform_files["int8"].content, fewer)
    _refused(content, "label for each of its 10 scores. Received: 9 labels")


def test_a_file_on_log_mel_spectrograms_is_refused(exported):
    content = metadata.attach(exported["int8"].content, small_models.METADATA)
    _refused(content, r"\(1, 101, 64\), \(1, 10\)\]. A file on log-mel")


def test_a_file_with_a_flex_operator_is_refused(waveform_files):
    model = flatbuffer.unpack(waveform_files["float32"].content)
    (code,) = (
        code
        for code in model.operatorCodes
        if code.builtinCode == schema.BuiltinOperator.RFFT2D
    )
    code.builtinCode = code.deprecatedBuiltinCode = (
        schema.BuiltinOperator.CUSTOM
    )
    code.customCode = b"FlexRFFT2D"
    _refused(flatbuffer.pack(model), r"\['CUSTOM:FlexRFFT2D'\]")


@pytest.mark.parametrize("mode", ["float32", "float16"])
def test_weights_that_are_not_finite_are_refused(waveform_files, mode):
    model = flatbuffer.unpack(waveform_files[mode].content)
    (graph,) = model.subgraphs
    dtype = {"float32": np.float32, "float16": np.float16}[mode]
    kernel = next(
        tensor
        for tensor in graph.tensors
        if len(tensor.shape) == 4
        and model.buffers[tensor.buffer].data is not None
    )
    values = np.array(model.buffers[kernel.buffer].data).view(dtype)
    values[7] = np.nan
    model.buffers[kernel.buffer].data = values.view(np.uint8)
    match = f"1 of {values.size} values of the constant .*NaN or infinite"
    _refused(flatbuffer.pack(model), match)


def test_what_is_no_tflite_file_is_refused(waveform_files):
    _refused(b"<html>not found</html>", "identifier 'TFL3'")
    _refused(b"", "Received: 0 bytes")
    content = waveform_files["int8"].content
    _refused(content[:4] + b"TFL2" + content[8:], "identifier 'TFL3'")


def test_a_quantized_sigmoid_behind_a_front_end_is_refused(
    network, frontend_file
):
    content = chaining.chain(
        frontend_file.exported.content,
        converter.convert(
            network,
            small_models.NUM_FRAMES,
            small_models.NUM_MEL_BINS,
            converter.INT8_SIGMOID,
            small_models.make_clips(8, seed=3),
        ),
        "waveform",
        "scores",
    )
    _refused(
        metadata.attach(content, small_models.METADATA),
        r"LOGISTIC of \['int8'\]",
    )


def test_a_file_of_which_the_end_is_missing_is_refused(waveform_files):
    content = waveform_files["float32"].content
    _refused(content[: len(content) // 2], "cut off or damaged")
