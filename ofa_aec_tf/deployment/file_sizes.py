"""Sizes of the files that `export` would write, without converting subnets."""

import itertools
import math
from collections.abc import Iterator
from collections.abc import Mapping

from ofa_aec_tf.deployment.network_files import NetworkFiles
from ofa_aec_tf.deployment.tflite import converter as tflite_converter
from ofa_aec_tf.deployment.tflite import metadata
from ofa_aec_tf.deployment.tflite.layout import TFLiteLayout
from ofa_aec_tf.search_space.complexity import FILE_SIZE_NAMES

_MODES = dict(
    zip(FILE_SIZE_NAMES, (tflite_converter.FLOAT32, tflite_converter.INT8))
)
# Larger than a kernel.
_FIRST_NUMBER = 11


class FileSizes:
    """How many bytes the files of a family's subnets take, as exported.

    For each structure that subnets have, whatever their filters, one network
    is converted whose numbers of filters are found again in the shapes of the
    file; it takes seconds. The sizes are exact for networks of which no two
    constants are the same: those of trained ones, but not of fresh ones, whose
    biases of zero are stored once.

    Args:
        networks: NetworkFiles of the family, which has `filters(subnet)`.
    """

    def __init__(self, networks: NetworkFiles):
        self._family = networks.family
        self._networks = networks
        self._avoided = set(_numbers(self._family.to_json()))
        if self._networks.frontend is not None:
            for vector in TFLiteLayout(self._networks.frontend).vectors:
                self._avoided.update(vector.shape)
        self._files = {}
        self._costs = {}

    def costs(self, subnet: Mapping[str, float]) -> dict[str, int]:
        """Bytes of the files of a subnet, from samples to scores.

        Where TFLite cannot compute the front end, those from log-mel
        spectrograms to scores.

        Args:
            subnet: Subnet of the family's space.

        Returns:
            dict from `complexity.FILE_SIZE_NAMES` to int.
        """
        filters = self._family.filters(subnet)
        if filters not in self._costs:
            structure = tuple(tuple(n == 1 for n in block) for block in filters)
            if structure not in self._files:
                self._files[structure] = self._convert(structure)
            flat = list(itertools.chain.from_iterable(filters))
            self._costs[filters] = {
                name: file.num_bytes(flat)
                for name, file in self._files[structure].items()
            }
        return dict(self._costs[filters])

    def _convert(self, structure):
        numbers = (
            n for n in itertools.count(_FIRST_NUMBER) if n not in self._avoided
        )
        # The converter leaves some things out where there is one channel.
        filters = tuple(
            tuple(1 if is_one else next(numbers) for is_one in block)
            for block in structure
        )
        contents = self._networks.convert(filters, _MODES.values())
        return {
            name: _File(
                contents[mode], list(itertools.chain.from_iterable(filters))
            )
            for name, mode in _MODES.items()
        }


class _File:
    """A file that tells how long it would be with other filters."""

    def __init__(self, content, filters):
        flatbuffer = metadata.without_labels(content)
        self._labels_bytes = len(content) - len(flatbuffer)
        self._layout = TFLiteLayout(flatbuffer)
        # For each vector its bytes where every filter is one, and which
        # filters are factors of its length.
        self._vectors = []
        for vector in self._layout.vectors:
            found = [filters.index(n) for n in vector.shape if n in filters]
            factor = math.prod(filters[index] for index in found)
            self._vectors.append((vector.num_bytes // factor, found))

    def num_bytes(self, filters):
        vector_bytes = []
        for num_bytes, found in self._vectors:
            for index in found:
                num_bytes *= filters[index]
            vector_bytes.append(num_bytes)
        return self._layout.num_bytes(vector_bytes) + self._labels_bytes


def _numbers(values) -> Iterator[int]:
    """All whole numbers in nested JSON types."""
    if isinstance(values, Mapping):
        values = list(values.values())
    if isinstance(values, list | tuple):
        for value in values:
            yield from _numbers(value)
    elif isinstance(values, int):
        yield values
