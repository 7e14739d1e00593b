"""Costs of a TFLite model on any device, counted in its flatbuffer."""

import math

from ai_edge_litert import schema_py_generated as schema

from ofa_aec_tf.deployment.tflite import flatbuffer
from ofa_aec_tf.deployment.tflite import inspection

# Weights are the second input of each; each position of the output takes all of
# them.
_WEIGHTED_OPERATORS = ("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED")
_WEIGHTS = 1
# Multiplies two activations, as in attention.
_PRODUCT_OPERATOR = "BATCH_MATMUL"

_BITS = {
    schema.TensorType.BOOL: 8,
    schema.TensorType.INT4: 4,
    schema.TensorType.INT8: 8,
    schema.TensorType.UINT8: 8,
    schema.TensorType.INT16: 16,
    schema.TensorType.UINT16: 16,
    schema.TensorType.FLOAT16: 16,
    schema.TensorType.INT32: 32,
    schema.TensorType.UINT32: 32,
    schema.TensorType.FLOAT32: 32,
    schema.TensorType.INT64: 64,
    schema.TensorType.UINT64: 64,
    schema.TensorType.FLOAT64: 64,
    schema.TensorType.COMPLEX64: 64,
    schema.TensorType.COMPLEX128: 128,
}


def count_macs(model_bytes: bytes) -> int:
    """Multiply-accumulate operations of one run.

    Counted are convolutions, dense layers and the products of attention, as
    in `complexity`.

    Args:
        model_bytes: bytes of a `.tflite` file.

    Returns:
        int, for the first subgraph.

    Raises:
        ValueError: if this is not a TFLite file.
    """
    model = flatbuffer.unpack(model_bytes)
    graph = model.subgraphs[0]
    total = 0
    for operator in graph.operators or ():
        name = inspection.operator_name(model, operator)
        if name in _WEIGHTED_OPERATORS:
            weights = _shape(graph, operator.inputs[_WEIGHTS])
            output = _shape(graph, operator.outputs[0])
            total += math.prod(weights) * math.prod(output[:-1])
        elif name == _PRODUCT_OPERATOR:
            total += _product_macs(graph, operator)
    return total


def _shape(graph, index):
    return inspection.tensor_shape(graph.tensors[index])


def _product_macs(graph, operator):
    """Each element of the output is a sum over the shared dimension."""
    left, right = (_shape(graph, index) for index in operator.inputs[:2])
    output = _shape(graph, operator.outputs[0])
    # (..., m, k) by (..., k, n) is (..., m, n); factors may be transposed.
    rows, columns = output[-2:]
    inner = math.isqrt(
        math.prod(left[-2:]) * math.prod(right[-2:]) // (rows * columns)
    )
    return math.prod(output) * inner


def peak_live_bytes(model_bytes: bytes) -> int:
    """The most bytes that activations take at once.

    An activation is live from the operator that computes it to the last one
    that reads it. Inputs and outputs of the graph always are, because the
    runtime never overwrites them. Tensors computed from constants only count
    as constants. Runtimes need more, for buffers of operators and gaps between
    tensors.

    Args:
        model_bytes: bytes of a `.tflite` file.

    Returns:
        int, for the first subgraph.

    Raises:
        ValueError: if this is not a TFLite file.
    """
    model = flatbuffer.unpack(model_bytes)
    graph = model.subgraphs[0]
    operators = graph.operators or ()
    inputs = set(flatbuffer.indices(graph.inputs))
    outputs = set(flatbuffer.indices(graph.outputs))
    constant = {
        index
        for index, tensor in enumerate(graph.tensors)
        if model.buffers[tensor.buffer].data is not None
    } - inputs
    first_use = dict.fromkeys(inputs, 0)
    last_use = dict.fromkeys(inputs | outputs, len(operators))
    for position, operator in enumerate(operators):
        # -1 stands for an optional input that is absent.
        read = set(flatbuffer.indices(operator.inputs)) - {-1}
        made = set(flatbuffer.indices(operator.outputs))
        if read <= constant:
            constant |= made
            continue
        for index in made:
            first_use[index] = position
        for index in read | made:
            last_use[index] = max(position, last_use.get(index, 0))
    sizes = {
        index: _num_bytes(graph.tensors[index])
        for index in first_use
        if index not in constant
    }
    return max(
        (
            sum(
                size
                for index, size in sizes.items()
                if first_use[index] <= position <= last_use[index]
            )
            for position in range(len(operators))
        ),
        default=0,
    )


def _num_bytes(tensor):
    bits = _BITS.get(tensor.type, 0)
    return math.ceil(bits * math.prod(inspection.tensor_shape(tensor)) / 8)
