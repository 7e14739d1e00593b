"""Files that take a waveform: the front end, and networks behind it."""

import dataclasses
from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Sequence

import keras
import numpy as np

from ofa_aec_tf import __version__
from ofa_aec_tf.audio.frontend import FrontendConfig
from ofa_aec_tf.audio.frontend import log_mel_spectrogram
from ofa_aec_tf.deployment import export_checks
from ofa_aec_tf.deployment import export_directory
from ofa_aec_tf.deployment import exporter
from ofa_aec_tf.deployment import file_checks
from ofa_aec_tf.deployment import waveforms
from ofa_aec_tf.deployment.latency import measurement
from ofa_aec_tf.deployment.tflite import chaining
from ofa_aec_tf.deployment.tflite import converter
from ofa_aec_tf.deployment.tflite import inspection
from ofa_aec_tf.deployment.tflite import metadata as tflite_metadata
from ofa_aec_tf.deployment.tflite import runner as tflite_runner
from ofa_aec_tf.layers import LogMelSpectrogram

INPUT_NAME = "waveform"
OUTPUT_NAME = "scores"

# What is that far below the loudest band of its frame, or below this level,
# has the rounding of loud sounds in it, which no two float32 transforms share.
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

    exported: exporter.ExportedFile
    config: FrontendConfig
    num_samples: int
    max_difference_db: float


def _difference_db(expected, received):
    """Largest difference where rounding does not drown a band.

    NaN if a value is.
    """
    loudest = expected.max(axis=-1, keepdims=True)
    audible = expected > np.maximum(loudest - _DYNAMIC_RANGE_DB, _QUIET_DB)
    difference_db = np.abs(received - expected)
    return float(np.where(audible, difference_db, 0 * received).max())


def audio_metadata(
    name: str,
    class_names: Sequence[str],
    window_seconds: float,
    config: FrontendConfig,
) -> tflite_metadata.AudioMetadata:
    """What the file of a network says of itself.

    Args:
        name: str. Of the network.
        class_names: sequence of str, in the order of the outputs.
        window_seconds: float. Length of a window.
        config: FrontendConfig.

    Raises:
        ValueError: if a class name is not a line of text.
    """
    return tflite_metadata.AudioMetadata(
        name=name,
        description=f"{len(class_names)} classes of sound events, in "
        f"windows of {window_seconds:g} s",
        version=__version__,
        sample_rate_hz=config.sample_rate_hz,
        num_channels=1,
        labels=tuple(class_names),
    )


def has_frontend(config: FrontendConfig) -> bool:
    """Whether TFLite has a Fourier transform of the size of a front end.

    Args:
        config: FrontendConfig.
    """
    return not config.window_samples & (config.window_samples - 1)


def convert_frontend(config: FrontendConfig, num_samples: int) -> bytes:
    """Converts the front end, in float32.

    Args:
        config: FrontendConfig.
        num_samples: int. Length of a window.

    Returns:
        bytes of a `.tflite` file, as of `export_frontend`.

    Raises:
        ValueError: if the transform is of a size that TFLite lacks.
    """
    if not has_frontend(config):
        raise ValueError(
            "The Fourier transform of TFLite takes windows of a power of two. "
            f"Received: window_samples={config.window_samples}. Preprocess the "
            "data with another --window_samples and train again, or export "
            "with --modes= for files on log-mel spectrograms only."
        )
    inputs = keras.Input((num_samples,))
    # Named, so that the file does not depend on what was made before.
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
    config: FrontendConfig, num_samples: int, num_latency_runs: int = 30
) -> FrontEndFile:
    """Converts the front end, in float32, and checks it.

    Args:
        config: FrontendConfig.
        num_samples: int. Length of a window.
        num_latency_runs: int. Runs that the latency is the median of.

    Returns:
        FrontEndFile, from (1, num_samples) samples at full scale 1 to
        (1, num_frames, num_mel_bins) dB.

    Raises:
        ValueError: if the transform is of a size that TFLite lacks, or the
            file fails a check.
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
    runner = tflite_runner.TFLiteModel(content)
    max_difference_db = 0.0
    for name, waveform in waveforms.probes(
        num_samples, config.sample_rate_hz
    ).items():
        difference_db = _difference_db(
            log_mel_spectrogram(waveform, config),
            runner.predict(waveform[np.newaxis])[0],
        )
        export_checks.check_frontend(difference_db, name)
        max_difference_db = max(max_difference_db, difference_db)
    return FrontEndFile(
        exporter.ExportedFile(
            content=content,
            runner=runner,
            parity=None,
            latency_ms=measurement.measure(
                content, measurement.Timing(num_latency_runs, turns=1)
            ).median_ms,
            summary=summary,
        ),
        config,
        num_samples,
        max_difference_db,
    )


def add_frontend(
    frontend: FrontEndFile,
    network: exporter.ExportedFile,
    mode: str,
    metadata: tflite_metadata.AudioMetadata,
    num_latency_runs: int = 30,
) -> exporter.ExportedFile:
    """Puts the front end before a network, and checks the result.

    Args:
        frontend: FrontEndFile.
        network: ExportedFile of a network on log-mel spectrograms.
        mode: str. How the network is quantized, for messages.
        metadata: AudioMetadata to attach.
        num_latency_runs: int. Runs that the latency is the median of.

    Returns:
        ExportedFile from (1, num_samples) samples to (1, num_classes) scores:
        those of the two files run one after the other, to the last bit.

    Raises:
        ValueError: if the file fails a check.
    """
    content = tflite_metadata.attach(
        chaining.chain(
            frontend.exported.content, network.content, INPUT_NAME, OUTPUT_NAME
        ),
        metadata,
    )
    runner, read_back = file_checks.check_waveform_file(
        content, f"{mode} waveform file"
    )
    if read_back != metadata:
        raise ValueError(
            "The metadata must be read back as they were written. Received: "
            f"{read_back}, expected {metadata}"
        )
    probes = waveforms.probes(
        frontend.num_samples, frontend.config.sample_rate_hz
    )
    together = np.stack(list(probes.values()))
    scores = runner.predict(together)
    apart = network.runner.predict(frontend.exported.runner.predict(together))
    export_checks.check_same_scores(scores, apart, mode)
    return exporter.ExportedFile(
        content=content,
        runner=runner,
        parity=network.parity,
        latency_ms=measurement.measure(
            content, measurement.Timing(num_latency_runs, turns=1)
        ).median_ms,
        summary=inspection.summarize(content),
        metrics=network.metrics,
    )


def export_files(
    networks: Iterable[tuple[str, exporter.ExportedFile]],
    frontend: FrontEndFile | None,
    metadata: tflite_metadata.AudioMetadata,
    waveform_modes: Sequence[str],
    log_mel_modes: Sequence[str],
) -> Iterator[tuple[str, exporter.ExportedFile]]:
    """The files of one model: behind the front end, without it, and that.

    Args:
        networks: iterable of modes and ExportedFile on log-mel spectrograms,
            as `exporter.export_modes` gives them.
        frontend: FrontEndFile, or None where there is no waveform mode.
        metadata: AudioMetadata to attach to files that take waveforms.
        waveform_modes: sequence of str. Modes to give with the front end.
        log_mel_modes: sequence of str. Modes to give without it; the front
            end is then a file of its own.

    Yields:
        tuple of the key of a file (see `export_directory.file_name`) and the
        ExportedFile.

    Raises:
        ValueError: if a file fails a check.
    """
    for mode, network in networks:
        if mode in log_mel_modes:
            yield f"{export_directory.LOG_MEL_PREFIX}{mode}", network
        if mode in waveform_modes:
            yield mode, add_frontend(frontend, network, mode, metadata)
    if log_mel_modes and frontend is not None:
        yield export_directory.FRONTEND, frontend.exported
