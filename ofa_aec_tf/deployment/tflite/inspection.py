"""Reads what is in a TFLite file, without running it."""

import collections
import dataclasses
from collections.abc import Iterator
from collections.abc import Mapping

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from ofa_aec_tf.deployment.tflite import flatbuffer


def _names(enumeration: type) -> dict[int, str]:
    return {
        value: name
        for name, value in vars(enumeration).items()
        if isinstance(value, int)
    }


_BUILTIN_NAMES = _names(schema.BuiltinOperator)
# Without these, which stand for operators that are named elsewhere.
BUILTIN_OPERATORS = frozenset(_BUILTIN_NAMES.values()) - {
    "CUSTOM",
    "DELEGATE",
    "PLACEHOLDER_FOR_GREATER_OP_CODES",
}
_DTYPE_NAMES = _names(schema.TensorType)


@dataclasses.dataclass(frozen=True)
class TensorSummary:
    """One input or output.

    Args:
        name: str.
        shape: tuple of int; -1 for a dimension that is not fixed.
        dtype: str. Name in the TFLite schema in lower case, as `"float32"`.
    """

    name: str
    shape: tuple[int, ...]
    dtype: str


@dataclasses.dataclass(frozen=True)
class TFLiteSummary:
    """The contents of a TFLite file.

    Args:
        operators: dict from operator name to its number of occurrences.
            Custom ones are named `CUSTOM:<code>`; `CUSTOM:Flex...` are of
            TensorFlow.
        operator_versions: dict from operator name to its highest version. A
            runtime refuses versions that are newer than it is.
        activation_dtypes: dict from operator name to the sorted dtypes of the
            first input of those operators.
        min_runtime_version: str or None. The oldest runtime that has all of
            them, as the converter states it.
        constant_bytes: int. Bytes of all constants: weights, shapes, indices.
        num_subgraphs: int.
        inputs: tuple of TensorSummary.
        outputs: tuple of TensorSummary.
    """

    operators: Mapping[str, int]
    operator_versions: Mapping[str, int]
    activation_dtypes: Mapping[str, tuple[str, ...]]
    min_runtime_version: str | None
    constant_bytes: int
    num_subgraphs: int
    inputs: tuple[TensorSummary, ...]
    outputs: tuple[TensorSummary, ...]


def tensor_shape(tensor: schema.TensorT) -> tuple[int, ...]:
    """The shape of a tensor, empty for a scalar."""
    return () if tensor.shape is None else tuple(map(int, tensor.shape))


def operator_name(model: schema.ModelT, operator: schema.OperatorT) -> str:
    """The name of an operator, as in `TFLiteSummary.operators`."""
    code = model.operatorCodes[operator.opcodeIndex]
    # Older files have the code in the narrow field.
    builtin = max(code.builtinCode, code.deprecatedBuiltinCode)
    if builtin == schema.BuiltinOperator.CUSTOM:
        return f"CUSTOM:{flatbuffer.text(code.customCode)}"
    return _BUILTIN_NAMES.get(builtin, f"UNKNOWN:{builtin}")


def summarize(model_bytes: bytes) -> TFLiteSummary:
    """Reads the operators, constants, inputs and outputs of a TFLite model.

    Args:
        model_bytes: bytes of a `.tflite` file.

    Returns:
        TFLiteSummary. Of several subgraphs it is that of the first.

    Raises:
        ValueError: if this is not a TFLite file, or not a whole one.
    """
    model = flatbuffer.unpack(model_bytes)
    with flatbuffer.reading(model_bytes):
        return _summarize(model)


def _summarize(model):
    graph = model.subgraphs[0]
    operators = collections.Counter()
    versions = collections.defaultdict(int)
    dtypes = collections.defaultdict(set)
    for operator in graph.operators or ():
        name = operator_name(model, operator)
        version = model.operatorCodes[operator.opcodeIndex].version
        operators[name] += 1
        versions[name] = max(version, versions[name])
        for index in flatbuffer.indices(operator.inputs)[:1]:
            dtypes[name].add(_tensor_summary(graph.tensors[index]).dtype)
    inputs, outputs = (
        tuple(
            _tensor_summary(graph.tensors[index])
            for index in flatbuffer.indices(indices)
        )
        for indices in (graph.inputs, graph.outputs)
    )
    return TFLiteSummary(
        operators=dict(sorted(operators.items())),
        operator_versions=dict(sorted(versions.items())),
        activation_dtypes={n: tuple(sorted(d)) for n, d in dtypes.items()},
        min_runtime_version=flatbuffer.min_runtime_version(model),
        constant_bytes=_constant_bytes(model),
        num_subgraphs=len(model.subgraphs),
        inputs=inputs,
        outputs=outputs,
    )


def _constant_bytes(model):
    of_metadata = {entry.buffer for entry in model.metadata or ()}
    return sum(
        len(buffer.data)
        for index, buffer in enumerate(model.buffers)
        if index not in of_metadata and buffer.data is not None
    )


def _tensor_summary(tensor):
    shape = tensor_shape(tensor)
    if tensor.shapeSignature is not None:
        shape = tuple(map(int, tensor.shapeSignature))
    return TensorSummary(
        name=flatbuffer.text(tensor.name),
        shape=shape,
        dtype=_DTYPE_NAMES[tensor.type].lower(),
    )


_FLOAT_DTYPES = {
    schema.TensorType.FLOAT32: np.float32,
    schema.TensorType.FLOAT16: np.float16,
}


def float_constants(model_bytes: bytes) -> Iterator[tuple[str, np.ndarray]]:
    """The floating-point constants of a file.

    Args:
        model_bytes: bytes of a `.tflite` file.

    Yields:
        tuple of the name of the tensor and its values, in one dimension.

    Raises:
        ValueError: if this is not a TFLite file.
    """
    model = flatbuffer.unpack(model_bytes)
    with flatbuffer.reading(model_bytes):
        for graph in model.subgraphs:
            for tensor in graph.tensors:
                dtype = _FLOAT_DTYPES.get(tensor.type)
                data = model.buffers[tensor.buffer].data
                if dtype is not None and data is not None:
                    values = np.asarray(data, np.uint8).view(dtype)
                    yield flatbuffer.text(tensor.name), values
