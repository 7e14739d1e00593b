"""TFLite files with one fault each, made of sound ones."""

import copy

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from ofa_aec_tf.deployment.tflite import flatbuffer


def _changed(content, change):
    model = flatbuffer.unpack(content)
    change(model, model.subgraphs[0])
    return flatbuffer.pack(model) + _archive(content)


def _archive(content):
    start = content.find(b"PK\x03\x04")
    return b"" if start < 0 else content[start:]


def with_second_subgraph(content):
    """Runtimes run the first all the same."""

    def change(model, graph):
        model.subgraphs.append(copy.deepcopy(graph))

    return _changed(content, change)


def with_unused_nan(content):
    """A constant that no operator reads has a NaN."""

    def change(model, graph):
        buffer = schema.BufferT()
        buffer.data = np.float32([1, np.nan]).view(np.uint8)
        model.buffers.append(buffer)
        tensor = schema.TensorT()
        tensor.name = b"unused"
        tensor.shape = np.int32([2])
        tensor.type = schema.TensorType.FLOAT32
        tensor.buffer = len(model.buffers) - 1
        graph.tensors.append(tensor)

    return _changed(content, change)


def with_custom_operator(content):
    """Its first operator is one of TensorFlow."""

    def change(model, graph):
        code = model.operatorCodes[graph.operators[0].opcodeIndex]
        code.builtinCode = schema.BuiltinOperator.CUSTOM
        code.deprecatedBuiltinCode = schema.BuiltinOperator.CUSTOM
        code.customCode = b"FlexThing"

    return _changed(content, change)


def for_runtime(content, version):
    """It says that it needs this runtime."""

    def change(model, graph):
        flatbuffer.set_metadata_buffer(
            model, "min_runtime_version", version.encode()
        )

    return _changed(content, change)


def with_constants(content, is_meant, function):
    """Some of its float32 constants are others.

    Args:
        content: bytes of the file.
        is_meant: function of the values of a constant.
        function: function from them to others.
    """
    num_changed = 0

    def change(model, graph):
        nonlocal num_changed
        for tensor in graph.tensors:
            data = model.buffers[tensor.buffer].data
            if tensor.type != schema.TensorType.FLOAT32 or data is None:
                continue
            values = np.asarray(data, np.uint8).view(np.float32)
            if is_meant(values):
                values = np.float32(function(values))
                model.buffers[tensor.buffer].data = values.view(np.uint8)
                num_changed += 1

    changed = _changed(content, change)
    assert num_changed
    return changed
