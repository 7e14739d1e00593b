"""Files as `export` would write them, of networks that nobody trained."""

import functools
import hashlib
import json
from collections.abc import Iterable
from collections.abc import Sequence

import numpy as np

from ofa_aec_tf.audio.frontend import FrontendConfig
from ofa_aec_tf.deployment.export import waveform_export
from ofa_aec_tf.deployment.tflite import chaining
from ofa_aec_tf.deployment.tflite import converter
from ofa_aec_tf.deployment.tflite import metadata
from ofa_aec_tf.families import networks
from ofa_aec_tf.models.precision import precision_scope

_SEED = 0

Filters = Sequence[Sequence[int]]


class NetworkFiles:
    """Files of networks of a family, with random weights.

    They take samples; where TFLite cannot compute the front end, log-mel
    spectrograms. The front end is converted once, when it is first needed.

    Args:
        family: the family.
        config: FrontendConfig of the data.
        clip_seconds: float. Length of the windows that the files take.
        class_names: sequence of str, in the order of the outputs.
        stem: str. Of the file of the Keras model, which names the network.

    Raises:
        ValueError: if a class name is not a line of text.
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
        """The front end as a file; None where TFLite cannot compute it."""
        if not waveform_export.has_frontend(self.config):
            return None
        return waveform_export.convert_frontend(self.config, self._num_samples)

    def key(self, filters: Filters, mode: str) -> str:
        """A name for a file, that no other file has.

        Args:
            filters: as for `convert`.
            mode: one of `converter.QUANTIZATION_MODES`.
        """
        identity = [
            self.family.record(),
            self.config.to_json(),
            self._num_samples,
            self._metadata.labels,
            filters,
            mode,
        ]
        content = json.dumps(identity).encode("utf-8")
        return hashlib.sha256(content).hexdigest()[:16]

    def convert(
        self, filters: Filters, modes: Iterable[str]
    ) -> dict[str, bytes]:
        """Converts the network with some filters; it takes seconds.

        Args:
            filters: nested sequences of int, as `family.filters` gives them
                for a subnet; of any number.
            modes: iterable of `converter.QUANTIZATION_MODES`.

        Returns:
            dict from mode to the bytes of a `.tflite` file.
        """
        rng = np.random.default_rng(_SEED)
        with precision_scope("float32"):
            network = networks.builders(self.family).build_network_with_filters(
                filters
            )
        for layer in network.layers:
            # All constants must differ: equal ones are stored once.
            layer.set_weights(
                [
                    rng.uniform(0.5, 1.5, weight.shape)
                    if len(weight.shape) == 1
                    else rng.normal(0, 0.1, weight.shape)
                    for weight in layer.weights
                ]
            )
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

    def _finished(self, network):
        """The file of a network, as `export` finishes it."""
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
