"""Sizes of the files that `export` would write, from a few conversions."""

from collections.abc import Sequence

import keras
import numpy as np

from ofa_aec_tf.deployment import linear_fit
from ofa_aec_tf.deployment.network_files import NetworkFiles
from ofa_aec_tf.deployment.tflite import converter
from ofa_aec_tf.search_space.complexity import FILE_SIZE_NAMES
from ofa_aec_tf.search_space.complexity import LayerCost
from ofa_aec_tf.search_space.space import Subnet

_MODES = dict(zip(FILE_SIZE_NAMES, (converter.FLOAT32, converter.INT8)))
_FEATURES = ("constant", "kernel_parameter", "other_parameter", "layer")
_NUM_CONVERTED = 6
_NUM_DRAWS = 100
_SEED = 0


class FileSizes:
    """How many bytes the files of a family's subnets take.

    The smallest, the largest and some subnets between are converted, which
    takes seconds each. The sizes of the others are predicted: a constant, and
    a number of bytes for each parameter of layers with MACs, each other
    parameter (of batch normalization, which becomes a bias with its scales),
    and each layer with MACs. Predictions are off by what aligns the constants
    in a file, some bytes each; `error_bytes` says how much.

    Args:
        networks: NetworkFiles of the family.
    """

    def __init__(self, networks: NetworkFiles):
        self._networks = networks
        self._family = networks.family
        self._real: dict[Subnet, dict[str, int]] = {}
        fitted = self._subnets_to_convert()
        features = np.array(
            [self._features(subnet) for subnet in fitted], np.float64
        )
        self._coefficients, self.error_bytes = {}, {}
        sizes = [self.convert(subnet) for subnet in fitted]
        for name in FILE_SIZE_NAMES:
            values = np.array([size[name] for size in sizes], np.float64)
            self._coefficients[name] = linear_fit.fit(features, values)
            self.error_bytes[name] = 0
            if len(fitted) > 1:
                left_out = linear_fit.left_out_predictions(features, values)
                self.error_bytes[name] = int(
                    np.ceil(np.abs(left_out - values).max())
                )

    def _subnets_to_convert(self) -> list[Subnet]:
        """The smallest, the largest, and some far from these and each other."""
        space = self._family.search_space()
        rng = np.random.default_rng(_SEED)
        drawn = dict.fromkeys([space.smallest(), space.largest()])
        drawn.update((space.sample(rng), None) for _ in range(_NUM_DRAWS))
        subnets = list(drawn)
        features = np.array([self._features(s) for s in subnets], np.float64)
        features -= features.min(axis=0)
        features /= np.maximum(features.max(axis=0), 1)
        chosen = list(range(len(subnets)))[:2]
        while len(chosen) < min(_NUM_CONVERTED, len(subnets)):
            distances = np.linalg.norm(
                features[:, np.newaxis] - features[chosen], axis=2
            ).min(axis=1)
            # Those that are like others, or even chosen, come last.
            distances[chosen] = -1
            chosen.append(int(distances.argmax()))
        return [subnets[index] for index in chosen]

    def _features(self, subnet, layers=None) -> tuple[int, ...]:
        """What costs bytes, by `_FEATURES`."""
        if layers is None:
            layers = self._family.layer_costs(subnet, self._networks.num_frames)
        return (
            1,
            sum(layer.parameters for layer in layers if layer.macs),
            sum(layer.parameters for layer in layers if not layer.macs),
            sum(layer.macs > 0 for layer in layers),
        )

    def costs(
        self, subnet: Subnet, layers: Sequence[LayerCost] | None = None
    ) -> dict[str, int]:
        """Bytes of the files of a subnet: real ones if it was converted.

        The files are those from raw audio samples to scores, or, where TFLite
        cannot compute the front end, from log-mel spectrograms to scores.

        Args:
            subnet: Subnet of the family's space.
            layers: its layers, if they are known, to save time.

        Returns:
            dict from `complexity.FILE_SIZE_NAMES` to int.
        """
        if subnet in self._real:
            return self._real[subnet]
        features = self._features(subnet, layers)
        return {
            name: round(float(coefficients @ features))
            for name, coefficients in self._coefficients.items()
        }

    def convert(
        self, subnet: Subnet, network: keras.Model | None = None
    ) -> dict[str, int]:
        """Converts a subnet; `costs` returns its real sizes from now on.

        Args:
            subnet: Subnet of the family's space.
            network: keras.Model of the subnet; None for random weights. In
                rare cases trained weights take less: equal constants, such as
                biases of zero, are stored only once.

        Returns:
            dict from `complexity.FILE_SIZE_NAMES` to int.
        """
        files = self._networks.convert(subnet, _MODES.values(), network)
        self._real[subnet] = {
            name: len(files[mode]) for name, mode in _MODES.items()
        }
        return self._real[subnet]

    def is_real(self, subnet: Subnet) -> bool:
        """Whether the sizes of a subnet are those of its converted files."""
        return subnet in self._real

    def to_json(self) -> dict:
        """What the sizes rest on, as a dict of JSON types."""
        return {
            "converted_subnets": [dict(subnet) for subnet in self._real],
            "max_error_bytes": dict(self.error_bytes),
            "bytes_per": {
                name: dict(zip(_FEATURES, map(float, coefficients)))
                for name, coefficients in self._coefficients.items()
            },
        }
