"""Chains two TFLite files: the output of the first feeds the second."""

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from ofa_aec_tf.deployment.tflite import flatbuffer

_SIGNATURE_KEY = b"serving_default"


def _only_graph(model, which):
    graphs = model.subgraphs
    inputs_and_outputs = [(len(g.inputs), len(g.outputs)) for g in graphs]
    if inputs_and_outputs != [(1, 1)]:
        raise ValueError(
            f"Only files of one subgraph with one input and one output can be "
            f"chained. Received: inputs and outputs {inputs_and_outputs} of "
            f"the subgraphs of the {which} file"
        )
    return graphs[0]


def _check_fit(output, given):
    pairs = [
        (tuple(map(int, tensor.shape)), tensor.type)
        for tensor in (output, given)
    ]
    if pairs[0] != pairs[1]:
        raise ValueError(
            "The output of the first file must be the input of the second, in "
            f"shape and type. Received: {pairs[0]} and {pairs[1]}"
        )


def _code_key(code):
    builtin = max(code.builtinCode, code.deprecatedBuiltinCode)
    return builtin, code.version, code.customCode


def _append_codes(codes, more):
    """Adds missing operator codes; returns the indices of all of `more`."""
    known = {_code_key(code): index for index, code in enumerate(codes)}
    indices = []
    for code in more:
        index = known.setdefault(_code_key(code), len(codes))
        if index == len(codes):
            codes.append(code)
        indices.append(index)
    return indices


def _tensor_map(name, tensor_index):
    tensor_map = schema.TensorMapT()
    tensor_map.name = name.encode()
    tensor_map.tensorIndex = int(tensor_index)
    return tensor_map


def _signature(graph, input_name, output_name):
    signature = schema.SignatureDefT()
    signature.signatureKey = _SIGNATURE_KEY
    signature.subgraphIndex = 0
    signature.inputs = [_tensor_map(input_name, graph.inputs[0])]
    signature.outputs = [_tensor_map(output_name, graph.outputs[0])]
    return signature


def chain(
    first: bytes, second: bytes, input_name: str, output_name: str
) -> bytes:
    """Chains two files into one.

    The operators are not changed, so the scores equal those of the two files
    run one after the other, bit for bit.

    Args:
        first: bytes of a TFLite file of one subgraph with one input and one
            output.
        second: bytes of such a file, whose input has the shape and type of
            the output of the first.
        input_name: str. Name of the input in the signature.
        output_name: str. Name of the output in the signature.

    Returns:
        bytes of a TFLite file of one subgraph.

    Raises:
        ValueError: if the files do not fit.
    """
    model = flatbuffer.unpack(first)
    added = flatbuffer.unpack(second)
    graph = _only_graph(model, "first")
    added_graph = _only_graph(added, "second")
    between, replaced = int(graph.outputs[0]), int(added_graph.inputs[0])
    _check_fit(graph.tensors[between], added_graph.tensors[replaced])
    versions = [
        version
        for version in map(flatbuffer.min_runtime_version, (model, added))
        if version is not None
    ]
    for each in (model, added):
        flatbuffer.remove_metadata(each)
    num_tensors, num_buffers = len(graph.tensors), len(model.buffers)
    code_indices = _append_codes(model.operatorCodes, added.operatorCodes)

    def moved(indices):
        return np.array(
            [
                # A negative index is an optional input that is missing.
                i if i < 0 else between if i == replaced else i + num_tensors
                for i in indices
            ],
            np.int32,
        )

    for tensor in added_graph.tensors:
        tensor.buffer += num_buffers
    for operator in added_graph.operators:
        operator.opcodeIndex = code_indices[operator.opcodeIndex]
        operator.inputs = moved(operator.inputs)
        operator.outputs = moved(operator.outputs)
        if operator.intermediates is not None:
            operator.intermediates = moved(operator.intermediates)
    model.buffers += added.buffers
    graph.tensors += added_graph.tensors
    graph.operators += added_graph.operators
    graph.outputs = moved(added_graph.outputs)
    graph.tensors[graph.inputs[0]].name = input_name.encode()
    graph.tensors[graph.outputs[0]].name = output_name.encode()
    model.signatureDefs = [_signature(graph, input_name, output_name)]
    if versions:
        newest = max(versions, key=flatbuffer.version_number)
        flatbuffer.set_metadata_buffer(
            model,
            flatbuffer.MIN_RUNTIME_VERSION.decode(),
            newest.encode(),
        )
    return flatbuffer.pack(model)
