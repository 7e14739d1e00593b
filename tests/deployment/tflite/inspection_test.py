import pytest
import tensorflow as tf

from ofa_aec_tf.deployment.tflite import flatbuffer
from ofa_aec_tf.deployment.tflite import inspection
from tests.deployment import small_models
from tests.deployment.tflite.tflite_graphs import convert


def test_operators_are_counted_by_name():
    content = convert(lambda x: tf.tanh(x * 2.0) * 3.0, (1, 4))
    summary = inspection.summarize(content)
    assert summary.operators == {"MUL": 2, "TANH": 1}
    assert set(summary.operator_versions) == {"MUL", "TANH"}


def test_custom_operators_are_told_from_builtin_ones():
    content = convert(
        lambda x: tf.raw_ops.AudioSpectrogram(input=x, window_size=8, stride=4),
        (32, 1),
        custom=True,
    )
    summary = inspection.summarize(content)
    assert summary.operators == {"CUSTOM:AudioSpectrogram": 1}


def test_inputs_and_outputs_have_shapes_and_dtypes(exported):
    summary = inspection.summarize(exported["int8"].content)
    (first,), (last,) = summary.inputs, summary.outputs
    assert (first.dtype, first.shape) == ("float32", (1, 101, 64))
    assert (last.dtype, last.shape) == ("float32", (1, 10))
    assert summary.num_subgraphs == 1


def test_open_dimension_is_minus_one():
    summary = inspection.summarize(convert(tf.tanh, (None, 4)))
    assert summary.inputs[0].shape == (-1, 4)


def test_integer_input_is_reported_as_such():
    content = convert(lambda x: x + x, (1, 4), dtype=tf.int32)
    assert inspection.summarize(content).inputs[0].dtype == "int32"


def test_constants_hold_the_weights(exported):
    # Nothing but the 3x3 kernels and dense kernels is as large as this.
    channels = (1, 8, 8, 12, 12, 16, 16, 20)
    weights = sum(9 * a * b for a, b in zip(channels, channels[1:]))
    weights += 20 * 32 + 32 * small_models.NUM_CLASSES
    for mode, bytes_per_weight in (("float32", 4), ("float16", 2), ("int8", 1)):
        summary = inspection.summarize(exported[mode].content)
        other_bytes = summary.constant_bytes - weights * bytes_per_weight
        assert 0 < other_bytes < 2500


def test_other_bytes_are_refused():
    with pytest.raises(ValueError, match="TFL3.*13 bytes starting with b'PK"):
        inspection.summarize(b"PK\x03\x04 no model")


def test_float_constants_are_the_weights(network, exported):
    constants = inspection.float_constants(exported["float32"].content)
    sizes = sorted(v.size for _, v in constants if v.size > 500)
    kernels = [w.size for w in network.get_weights() if w.size > 500]
    assert sizes == sorted(kernels)


@pytest.mark.parametrize("num_bytes", [9, 100, 20_000])
def test_a_file_that_is_cut_off_is_refused(exported, num_bytes):
    content = exported["float32"].content[:num_bytes]
    with pytest.raises(ValueError, match=f"of {num_bytes} bytes is cut off"):
        inspection.summarize(content)


def test_the_oldest_runtime_is_that_of_the_newest_operator(exported):
    # Per-channel int8 is of TensorFlow 1.14; a float16 DEQUANTIZE came later.
    versions = {
        mode: inspection.summarize(file.content).min_runtime_version
        for mode, file in exported.items()
    }
    assert versions["float32"] == "1.14.0"
    assert versions["float16"] == "1.15.0"
    assert versions["dynamic_range"] == "2.4.0"


def test_operators_are_named_before_their_versions_are_read(exported):
    model = flatbuffer.unpack(exported["int8"].content)
    first = model.subgraphs[0].operators[0]
    assert inspection.operator_name(model, first) == "QUANTIZE"
