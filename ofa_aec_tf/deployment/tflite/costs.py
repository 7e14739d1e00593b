"""Costs of a TFLite model on any device, counted in its flatbuffer."""

import math

from ai_edge_litert import schema_py_generated as schema

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
    model = inspection.read_model(model_bytes)
    graph = model.Subgraphs(0)
    total = 0
    for index in range(graph.OperatorsLength()):
        operator = graph.Operators(index)
        name = inspection.operator_name(model, operator)
        if name in _WEIGHTED_OPERATORS:
            weights = inspection.tensor_shape(
                graph.Tensors(operator.Inputs(_WEIGHTS))
            )
            output = inspection.tensor_shape(graph.Tensors(operator.Outputs(0)))
            total += math.prod(weights) * math.prod(output[:-1])
        elif name == _PRODUCT_OPERATOR:
            total += _product_macs(graph, operator)
    return total


def _product_macs(graph, operator):
    """Each element of the output is a sum over the shared dimension."""
    left, right = (
        inspection.tensor_shape(graph.Tensors(operator.Inputs(i)))
        for i in range(2)
    )
    output = inspection.tensor_shape(graph.Tensors(operator.Outputs(0)))
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
    model = inspection.read_model(model_bytes)
    graph = model.Subgraphs(0)
    num_operators = graph.OperatorsLength()
    inputs = {graph.Inputs(i) for i in range(graph.InputsLength())}
    outputs = {graph.Outputs(i) for i in range(graph.OutputsLength())}
    constant = {
        index
        for index in range(graph.TensorsLength())
        if _is_constant(model, graph.Tensors(index))
    } - inputs
    first_use = dict.fromkeys(inputs, 0)
    last_use = dict.fromkeys(inputs | outputs, num_operators)
    for position in range(num_operators):
        operator = graph.Operators(position)
        # -1 stands for an optional input that is absent.
        read = {operator.Inputs(i) for i in range(operator.InputsLength())} - {
            -1
        }
        made = {operator.Outputs(i) for i in range(operator.OutputsLength())}
        if read <= constant:
            constant |= made
            continue
        for index in made:
            first_use[index] = position
        for index in read | made:
            last_use[index] = max(position, last_use.get(index, 0))
    sizes = {
        index: _num_bytes(graph.Tensors(index))
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
            for position in range(num_operators)
        ),
        default=0,
    )


def _is_constant(model, tensor):
    buffer = model.Buffers(tensor.Buffer())
    return bool(buffer.DataLength() or buffer.Size())


def _num_bytes(tensor):
    bits = _BITS.get(tensor.Type(), 0)
    return math.ceil(bits * math.prod(inspection.tensor_shape(tensor)) / 8)
