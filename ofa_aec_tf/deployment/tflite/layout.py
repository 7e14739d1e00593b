"""How long a TFLite file is with constants of other sizes.

A flatbuffer is written from its end to its start. Before each vector come as
many zeros as its alignment takes, which depends on the length of all that
stands behind it. What lies between the vectors stays as it is.
"""

import dataclasses
from collections.abc import Sequence

import numpy as np

from ofa_aec_tf.deployment.tflite import flatbuffer as tflite_flatbuffer
from ofa_aec_tf.deployment.tflite import inspection

# The length before a vector, and offsets.
_WORD_BYTES = 4
# Offset of the root and identifier, at the start of the file.
_HEADER_BYTES = 8
# What the schema asks for the content of buffers; not every writer does it.
_BUFFER_ALIGNMENTS = (16, 8, 4)


@dataclasses.dataclass(frozen=True)
class Vector:
    """A vector of a file, of which the length may be another.

    Args:
        start: int. Position of its first byte in the file.
        shape: tuple of int. That of the tensor that it is the content of; the
            number of its items where it says how a tensor is quantized; empty
            for metadata.
        num_bytes: int. Of its items.
        alignment: int. What its position is a multiple of, in bytes.
    """

    start: int
    shape: tuple[int, ...]
    num_bytes: int
    alignment: int


def _start(content, items):
    """Position in `content` of an array that is a view of it."""
    whole = np.frombuffer(content, np.uint8)
    return (
        items.__array_interface__["data"][0]
        - whole.__array_interface__["data"][0]
    )


def _buffer_vectors(content, model):
    shapes = {}
    for graph in map(model.Subgraphs, range(model.SubgraphsLength())):
        for tensor in map(graph.Tensors, range(graph.TensorsLength())):
            shapes[tensor.Buffer()] = inspection.tensor_shape(tensor)
    arrays = {
        index: model.Buffers(index).DataAsNumpy()
        for index in range(model.BuffersLength())
        if not model.Buffers(index).DataIsNone()
    }
    starts = [_start(content, items) for items in arrays.values()]
    alignment = next(
        alignment
        for alignment in _BUFFER_ALIGNMENTS
        if not any(start % alignment for start in starts)
    )
    return [
        Vector(start, shapes.get(index, ()), items.size, alignment)
        for start, (index, items) in zip(starts, arrays.items())
    ]


def _quantization_vectors(content, model):
    vectors = []
    for graph in map(model.Subgraphs, range(model.SubgraphsLength())):
        for tensor in map(graph.Tensors, range(graph.TensorsLength())):
            quantization = tensor.Quantization()
            if quantization is None:
                continue
            for is_none, items in (
                (quantization.MinIsNone, quantization.MinAsNumpy),
                (quantization.MaxIsNone, quantization.MaxAsNumpy),
                (quantization.ScaleIsNone, quantization.ScaleAsNumpy),
                (quantization.ZeroPointIsNone, quantization.ZeroPointAsNumpy),
            ):
                if not is_none():
                    array = items()
                    vectors.append(
                        Vector(
                            _start(content, array),
                            (array.size,),
                            array.nbytes,
                            array.itemsize,
                        )
                    )
    return vectors


class TFLiteLayout:
    """Where the vectors of a TFLite file are.

    Attributes:
        vectors: tuple of Vector, from the end of the file to its start: the
            content of all buffers, and how tensors are quantized.

    Args:
        content: bytes of a flatbuffer, with nothing behind it.

    Raises:
        ValueError: if this is not a TFLite file.
    """

    def __init__(self, content: bytes):
        model = inspection.read_model(content)
        with tflite_flatbuffer.reading(content):
            vectors = _buffer_vectors(content, model)
            vectors += _quantization_vectors(content, model)
        self.vectors: tuple[Vector, ...] = tuple(
            sorted(vectors, key=lambda vector: -vector.start)
        )
        self._alignment = max(vector.alignment for vector in self.vectors)
        ends = [
            _next_object(content, vector.start + vector.num_bytes)
            for vector in self.vectors
        ]
        # What lies behind the first vector, between two, and before the last.
        limits = [len(content)] + [
            vector.start - _WORD_BYTES for vector in self.vectors
        ]
        ends.append(_next_object(content, _HEADER_BYTES))
        self._fixed = [limit - end for limit, end in zip(limits, ends)]
        received = self.num_bytes([v.num_bytes for v in self.vectors])
        if received != len(content):
            raise ValueError(
                f"This TFLite file of {len(content)} bytes would take "
                f"{received} if it were written from its end to its start, "
                "with its vectors aligned. Export the model again."
            )

    def num_bytes(self, vector_bytes: Sequence[int]) -> int:
        """Length of the file if its vectors had other lengths.

        Args:
            vector_bytes: sequence of int. Bytes of each of `vectors`.
        """
        position = self._fixed[0]
        for vector, num_bytes, fixed in zip(
            self.vectors, vector_bytes, self._fixed[1:]
        ):
            position += num_bytes
            position += -position % vector.alignment + _WORD_BYTES + fixed
        position += _HEADER_BYTES
        return position + -position % self._alignment


def _next_object(content, position):
    """Where the zeros end that an alignment takes.

    Objects start at even positions, and no table, table of fields or vector
    with items starts with two zeros.
    """
    position += position % 2
    while not any(content[position : position + 2]):
        position += 2
    return position
