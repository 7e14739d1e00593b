"""Files of untrained networks, of the same size as `export` would write."""

import dataclasses
import functools
import hashlib
import json
from collections.abc import Iterable
from collections.abc import Sequence

import keras
import numpy as np

from ofa_aec_tf.audio.frontend import FrontendConfig
from ofa_aec_tf.deployment.export import waveform_export
from ofa_aec_tf.deployment.tflite import chaining
from ofa_aec_tf.deployment.tflite import converter
from ofa_aec_tf.deployment.tflite import metadata
from ofa_aec_tf.families import networks
from ofa_aec_tf.models.precision import precision_scope
from ofa_aec_tf.search_space.space import Subnet

_SEED = 0


class NetworkFiles:
    """Files of the subnets of a family, with random weights.

    They take raw audio samples, or log-mel spectrograms where TFLite cannot
    compute the front end. The front end is converted once, when it is needed.

    Args:
        family: the family.
        config: FrontendConfig of the data.
        clip_seconds: float. Length of the windows that the files take.
        class_names: sequence of str, in the order of the outputs.
        stem: str. The name of the network in the metadata.

    Raises:
        ValueError: if a class name is not a single line of text.
    """

    def __init__(
        self,
        family,
        config: FrontendConfig,
        clip_seconds: float,
        class_names: Sequence[str],
        stem: str = "subnet",
    ):
        self.family = family
        self.config = config
        self._num_samples = config.num_samples(clip_seconds)
        self.num_frames = config.num_frames(self._num_samples)
        self._metadata = waveform_export.audio_metadata(
            stem, class_names, clip_seconds, config
        )

    @functools.cached_property
    def frontend(self) -> bytes | None:
        """The file of the front end; None where TFLite cannot compute it."""
        if not waveform_export.has_frontend(self.config):
            return None
        return waveform_export.convert_frontend(self.config, self._num_samples)

    def key(self, subnet: Subnet, mode: str) -> str:
        """A name for a file, equal for subnets that are the same network.

        Args:
            subnet: Subnet of the family's space.
            mode: one of `converter.QUANTIZATION_MODES`.
        """
        layers = self.family.layer_costs(subnet, self.num_frames)
        identity = [
            self.family.record(),
            self.config.to_json(),
            self._num_samples,
            self._metadata.labels,
            [dataclasses.astuple(layer) for layer in layers],
            mode,
        ]
        content = json.dumps(identity).encode("utf-8")
        return hashlib.sha256(content).hexdigest()[:16]

    def convert(
        self,
        subnet: Subnet,
        modes: Iterable[str],
        network: keras.Model | None = None,
    ) -> dict[str, bytes]:
        """Converts a subnet, which takes seconds.

        Args:
            subnet: Subnet of the family's space.
            modes: iterable of `converter.QUANTIZATION_MODES`.
            network: keras.Model of the subnet, from log-mel spectrograms to
                scores; None for one with random weights.

        Returns:
            dict from mode to the bytes of a `.tflite` file. Activations are
            quantized for a random clip: files of a trained network have the
            size of those that `export` writes, but not their scores.
        """
        rng = np.random.default_rng(_SEED)
        if network is None:
            network = self._random_network(subnet, rng)
        _, _, num_mel_bins = network.input_shape
        clips = rng.normal(-40, 15, (1, self.num_frames, num_mel_bins))
        return {
            mode: self._finished(
                converter.convert(
                    network, self.num_frames, num_mel_bins, mode, clips
                )
            )
            for mode in modes
        }

    def _random_network(self, subnet, rng):
        with precision_scope("float32"):
            network = networks.build_network(self.family, subnet)
        for layer in network.layers:
            # Equal constants would be stored only once.
            layer.set_weights(
                [
                    rng.uniform(0.5, 1.5, weight.shape)
                    if len(weight.shape) == 1
                    else rng.normal(0, 0.1, weight.shape)
                    for weight in layer.weights
                ]
            )
        return network

    def _finished(self, network):
        """The file with front end and metadata, as `export` writes it."""
        if self.frontend is None:
            return network
        return metadata.attach(
            chaining.chain(
                self.frontend,
                network,
                waveform_export.INPUT_NAME,
                waveform_export.OUTPUT_NAME,
            ),
            self._metadata,
        )
