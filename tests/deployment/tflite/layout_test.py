"""Lengths against files that are packed anew with other constants."""

import flatbuffers
import numpy as np
import pytest

from ofa_aec_tf.deployment.tflite import flatbuffer as tflite_flatbuffer
from ofa_aec_tf.deployment.tflite.layout import TFLiteLayout


class _AligningBuilder(flatbuffers.Builder):
    """Writes the content of buffers where the schema wants it."""

    def StartVector(self, elemSize, numElems, alignment):  # noqa: N802, N803
        if elemSize == 1:
            alignment = 16
        return super().StartVector(elemSize, numElems, alignment)


def _pack_aligned(model):
    builder = _AligningBuilder(1 << 20)
    builder.Finish(model.Pack(builder), tflite_flatbuffer.FILE_IDENTIFIER)
    return bytes(builder.Output())


def _resize(model, rng):
    """Gives constants and what quantizes them random lengths."""
    for buffer in model.buffers:
        if buffer.data is not None:
            buffer.data = np.ones(rng.integers(1, 300), np.uint8)
    for graph in model.subgraphs:
        for tensor in graph.tensors:
            quantization = tensor.quantization
            if quantization is not None and quantization.scale is not None:
                size = rng.integers(1, 40)
                quantization.scale = np.ones(size, np.float32)
                quantization.zeroPoint = np.zeros(size, np.int64)


@pytest.mark.parametrize("pack", [tflite_flatbuffer.pack, _pack_aligned])
@pytest.mark.parametrize("mode", ["float32", "int8"])
def test_a_file_with_other_constants_is_as_long_as_foretold(
    exported, mode, pack
):
    rng = np.random.default_rng(0)
    model = tflite_flatbuffer.unpack(exported[mode].content)
    layout = TFLiteLayout(pack(model))
    for _ in range(20):
        _resize(model, rng)
        content = pack(model)
        vectors = TFLiteLayout(content).vectors
        assert layout.num_bytes([v.num_bytes for v in vectors]) == len(content)


@pytest.mark.parametrize("mode", ["float32", "int8"])
def test_files_of_the_converter_and_of_ours_are_understood(
    exported, waveform_files, mode
):
    network = exported[mode].content
    layout = TFLiteLayout(network)
    shapes = [vector.shape for vector in layout.vectors]
    # The first convolution of the second block.
    assert shapes.count((12, 3, 3, 8)) == 1
    assert sum(vector.num_bytes for vector in layout.vectors) < len(network)
    flatbuffer = waveform_files[mode].content.partition(b"PK\3\4")[0]
    assert len(TFLiteLayout(flatbuffer).vectors) > len(layout.vectors)


def test_what_stands_behind_a_flatbuffer_is_not_taken_for_it(exported):
    content = exported["float32"].content
    with pytest.raises(ValueError, match=f"{len(content) + 2} bytes would"):
        TFLiteLayout(content + b"PK")


def test_other_bytes_are_refused():
    with pytest.raises(ValueError, match="TFL3.*4 bytes"):
        TFLiteLayout(b"none")
