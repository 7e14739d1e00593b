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


def read_model(model_bytes: bytes) -> schema.Model:
    """Opens a TFLite model.

    Args:
        model_bytes: bytes of a `.tflite` file.

    Returns:
        The root of the flatbuffer; it keeps `model_bytes`.

    Raises:
        ValueError: if this is not a TFLite file.
    """
    with flatbuffer.reading(model_bytes):
        return schema.Model.GetRootAs(model_bytes, 0)


def tensor_shape(tensor: schema.Tensor) -> tuple[int, ...]:
    """The shape of a tensor, empty for a scalar."""
    if tensor.ShapeIsNone():
        return ()
    return tuple(int(size) for size in tensor.ShapeAsNumpy())


def operator_name(model: schema.Model, operator: schema.Operator) -> str:
    """The name of an operator, as in `TFLiteSummary.operators`."""
    code = model.OperatorCodes(operator.OpcodeIndex())
    # Older files have the code in the narrow field.
    builtin = max(code.BuiltinCode(), code.DeprecatedBuiltinCode())
    if builtin == schema.BuiltinOperator.CUSTOM:
        name = (code.CustomCode() or b"").decode(errors="replace")
        return f"CUSTOM:{name}"
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
    with flatbuffer.reading(model_bytes):
        return _summarize(read_model(model_bytes))


def _summarize(model):
    graph = model.Subgraphs(0)
    operators = collections.Counter()
    versions = {}
    dtypes = collections.defaultdict(set)
    for index in range(graph.OperatorsLength()):
        operator = graph.Operators(index)
        name = operator_name(model, operator)
        version = model.OperatorCodes(operator.OpcodeIndex()).Version()
        operators[name] += 1
        versions[name] = max(version, versions.get(name, 0))
        if operator.InputsLength():
            tensor = graph.Tensors(operator.Inputs(0))
            dtypes[name].add(_tensor_summary(tensor).dtype)
    return TFLiteSummary(
        operators=dict(sorted(operators.items())),
        operator_versions=dict(sorted(versions.items())),
        activation_dtypes={n: tuple(sorted(d)) for n, d in dtypes.items()},
        min_runtime_version=_min_runtime_version(model),
        constant_bytes=_constant_bytes(model),
        num_subgraphs=model.SubgraphsLength(),
        inputs=tuple(
            _tensor_summary(graph.Tensors(graph.Inputs(i)))
            for i in range(graph.InputsLength())
        ),
        outputs=tuple(
            _tensor_summary(graph.Tensors(graph.Outputs(i)))
            for i in range(graph.OutputsLength())
        ),
    )


def _metadata(model):
    """Indices of the buffers of metadata, by name."""
    entries = (model.Metadata(i) for i in range(model.MetadataLength()))
    return {entry.Name(): entry.Buffer() for entry in entries}


def _min_runtime_version(model):
    index = _metadata(model).get(flatbuffer.MIN_RUNTIME_VERSION)
    if index is None or not model.Buffers(index).DataLength():
        return None
    text = model.Buffers(index).DataAsNumpy().tobytes()
    return text.rstrip(b"\0").decode(errors="replace") or None


def _constant_bytes(model):
    metadata = set(_metadata(model).values())
    buffers = (
        model.Buffers(i)
        for i in range(model.BuffersLength())
        if i not in metadata
    )
    # Files above 2 GB, and other quantizers, store constants after the
    # flatbuffer, and only their size in it.
    return sum(max(buffer.DataLength(), buffer.Size()) for buffer in buffers)


def _tensor_summary(tensor):
    dynamic = not tensor.ShapeSignatureIsNone()
    shape = tensor.ShapeSignatureAsNumpy() if dynamic else ()
    if not dynamic and not tensor.ShapeIsNone():
        shape = tensor.ShapeAsNumpy()
    dtype = _DTYPE_NAMES[tensor.Type()].lower()
    return TensorSummary(
        name=(tensor.Name() or b"").decode(errors="replace"),
        shape=tuple(int(size) for size in shape),
        dtype=dtype,
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
                    name = (tensor.name or b"").decode(errors="replace")
                    yield name, values
