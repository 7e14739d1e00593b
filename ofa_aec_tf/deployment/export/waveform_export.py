"""Files that take samples: the front end, and networks behind it."""

import dataclasses
from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Sequence

import keras
import numpy as np

from ofa_aec_tf import __version__
from ofa_aec_tf.audio.frontend import FrontendConfig
from ofa_aec_tf.audio.frontend import log_mel_spectrogram
from ofa_aec_tf.deployment.export import fidelity_checks
from ofa_aec_tf.deployment.export import output_directory
from ofa_aec_tf.deployment.export.network_export import ExportedFile
from ofa_aec_tf.deployment.tflite import chaining
from ofa_aec_tf.deployment.tflite import converter
from ofa_aec_tf.deployment.tflite import file_checks
from ofa_aec_tf.deployment.tflite import inspection
from ofa_aec_tf.deployment.tflite import metadata
from ofa_aec_tf.deployment.tflite import probe_waveforms
from ofa_aec_tf.deployment.tflite.metadata import AudioMetadata
from ofa_aec_tf.deployment.tflite.runner import TFLiteModel
from ofa_aec_tf.layers import LogMelSpectrogram

INPUT_NAME = "waveform"
OUTPUT_NAME = "scores"

# Bands that are this far below the loudest of their frame, or below this
# level, hold the rounding errors of loud sounds. These differ between any two
# Fourier transforms in float32.
_DYNAMIC_RANGE_DB = 60.0
_QUIET_DB = -60.0


@dataclasses.dataclass(frozen=True)
class FrontEndFile:
    """The front end as a TFLite file, for windows of one length.

    Args:
        exported: ExportedFile, without parity.
        config: FrontendConfig.
        num_samples: int. Length of a window.
        max_difference_db: float. Largest difference from the definition in
            NumPy over the probes, in bands above -60 dB and within 60 dB of
            the loudest of their frame.
    """

    exported: ExportedFile
    config: FrontendConfig
    num_samples: int
    max_difference_db: float


def _difference_db(expected, received):
    """Largest difference over the audible bands; NaN if a value is NaN."""
    loudest = expected.max(axis=-1, keepdims=True)
    audible = expected > np.maximum(loudest - _DYNAMIC_RANGE_DB, _QUIET_DB)
    difference_db = np.abs(received - expected)
    return float(np.where(audible, difference_db, 0 * received).max())


def audio_metadata(
    name: str,
    class_names: Sequence[str],
    window_seconds: float,
    config: FrontendConfig,
) -> AudioMetadata:
    """The metadata of the file of a network.

    Args:
        name: str. Name of the network.
        class_names: sequence of str, in the order of the outputs.
        window_seconds: float. Length of a window.
        config: FrontendConfig.

    Raises:
        ValueError: if a class name is not a line of text.
    """
    return AudioMetadata(
        name=name,
        description=f"{len(class_names)} classes of sound events, in "
        f"windows of {window_seconds:g} s",
        version=__version__,
        sample_rate_hz=config.sample_rate_hz,
        num_channels=1,
        labels=tuple(class_names),
    )


def has_frontend(config: FrontendConfig) -> bool:
    """Whether TFLite has a Fourier transform of this front end's size."""
    return not config.window_samples & (config.window_samples - 1)


def convert_frontend(config: FrontendConfig, num_samples: int) -> bytes:
    """Converts the front end, in float32.

    Args:
        config: FrontendConfig.
        num_samples: int. Length of a window.

    Returns:
        bytes of a `.tflite` file from (1, num_samples) samples to a log-mel
        spectrogram of shape (1, num_frames, num_mel_bins), in dB.

    Raises:
        ValueError: if TFLite has no Fourier transform of this size.
    """
    if not has_frontend(config):
        raise ValueError(
            "The Fourier transform of TFLite takes windows of a power of two. "
            f"Received: window_samples={config.window_samples}. Preprocess the "
            "data with another --window_samples and train again, or export "
            "with --modes= for files on log-mel spectrograms only."
        )
    inputs = keras.Input((num_samples,))
    # A fixed name, so that the file is the same whatever was built before.
    layer = LogMelSpectrogram(
        config, transform_dtype="float32", name="log_mel_spectrogram"
    )
    model = keras.Model(inputs, layer(inputs), name="frontend")
    return converter.convert_float32(
        model,
        keras.InputSpec(
            shape=(1, num_samples), dtype="float32", name=INPUT_NAME
        ),
    )


def export_frontend(
    config: FrontendConfig, num_samples: int, **options
) -> FrontEndFile:
    """Converts the front end, in float32, and checks it.

    Args:
        config: FrontendConfig.
        num_samples: int. Length of a window.
        **options: further arguments of `ExportedFile.measure`.

    Raises:
        ValueError: as `convert_frontend` does, or if the file fails a check.
    """
    content = convert_frontend(config, num_samples)
    summary = inspection.summarize(content)
    file_checks.check_interface(
        summary,
        "front end",
        (1, num_samples),
        (1, config.num_frames(num_samples), config.num_mel_bins),
    )
    file_checks.check_operators(
        summary, "front end", file_checks.FRONTEND_OPERATORS
    )
    runner = TFLiteModel(content)
    max_difference_db = 0.0
    for name, waveform in probe_waveforms.probes(
        num_samples, config.sample_rate_hz
    ).items():
        difference_db = _difference_db(
            log_mel_spectrogram(waveform, config),
            runner.predict(waveform[np.newaxis])[0],
        )
        fidelity_checks.check_frontend(difference_db, name)
        max_difference_db = max(max_difference_db, difference_db)
    return FrontEndFile(
        ExportedFile.measure(content, runner, **options),
        config,
        num_samples,
        max_difference_db,
    )


def add_frontend(
    frontend: FrontEndFile,
    network: ExportedFile,
    mode: str,
    described: AudioMetadata,
    **options,
) -> ExportedFile:
    """Puts the front end before a network, and checks the result.

    Args:
        frontend: FrontEndFile.
        network: ExportedFile of a network on log-mel spectrograms.
        mode: str. How the network is quantized, for messages.
        described: AudioMetadata to attach.
        **options: further arguments of `ExportedFile.measure`.

    Returns:
        ExportedFile from (1, num_samples) samples to (1, num_classes) scores,
        which equal those of the two files run one after the other, bit for
        bit.

    Raises:
        ValueError: if the file fails a check.
    """
    content = metadata.attach(
        chaining.chain(
            frontend.exported.content, network.content, INPUT_NAME, OUTPUT_NAME
        ),
        described,
    )
    runner, read_back = file_checks.check_waveform_file(
        content, f"{mode} waveform file"
    )
    if read_back != described:
        raise ValueError(
            "The metadata must be read back as they were written. Received: "
            f"{read_back}, expected {described}"
        )
    probes = probe_waveforms.probes(
        frontend.num_samples, frontend.config.sample_rate_hz
    )
    together = np.stack(list(probes.values()))
    fidelity_checks.check_same_scores(
        runner.predict(together),
        network.runner.predict(frontend.exported.runner.predict(together)),
        mode,
    )
    return ExportedFile.measure(
        content, runner, network.parity, network.metrics, **options
    )


def export_files(
    networks: Iterable[tuple[str, ExportedFile]],
    frontend: FrontEndFile | None,
    described: AudioMetadata,
    waveform_modes: Sequence[str],
    log_mel_modes: Sequence[str],
) -> Iterator[tuple[str, ExportedFile]]:
    """All files of one model: networks with and without the front end.

    Args:
        networks: iterable of modes and ExportedFile on log-mel spectrograms.
        frontend: FrontEndFile. None only where there is no waveform mode.
        described: AudioMetadata to attach to files that take samples.
        waveform_modes: sequence of str. Modes to give with the front end.
        log_mel_modes: sequence of str. Modes to give without it; the front
            end is then a file of its own.

    Yields:
        tuple of the key of a file (see `output_directory.file_name`) and the
        ExportedFile.

    Raises:
        ValueError: if a file fails a check.
    """
    for mode, network in networks:
        if mode in log_mel_modes:
            yield f"{output_directory.LOG_MEL_PREFIX}{mode}", network
        if mode in waveform_modes:
            yield mode, add_frontend(frontend, network, mode, described)
    if log_mel_modes and frontend is not None:
        yield output_directory.FRONTEND, frontend.exported
