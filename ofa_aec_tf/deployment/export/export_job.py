"""Exports models that share their data, their settings and their front end."""

import dataclasses
import importlib.metadata
import pathlib
import sys

from ofa_aec_tf import __version__
from ofa_aec_tf.checks import settings
from ofa_aec_tf.checks.settings import setting
from ofa_aec_tf.data.model_info import EXPORT_REPORT
from ofa_aec_tf.data.model_info import ModelInfo
from ofa_aec_tf.deployment import log_mel_windows
from ofa_aec_tf.deployment.export import network_export
from ofa_aec_tf.deployment.export import output_directory
from ofa_aec_tf.deployment.export import waveform_export
from ofa_aec_tf.deployment.export.network_export import NetworkExporter
from ofa_aec_tf.deployment.export.quality import QualityCheck
from ofa_aec_tf.deployment.qat import distillation
from ofa_aec_tf.deployment.qat.distillation import QatSettings
from ofa_aec_tf.deployment.tflite import converter
from ofa_aec_tf.evaluation import keras_models

_CALIBRATION_SPLIT = "train"
_PARITY_SPLIT = "validation"
_PACKAGES = ("tensorflow", "keras", "ai-edge-litert", "numpy")


@dataclasses.dataclass(frozen=True)
class ExportSettings(settings.Settings):
    """Which files an export writes, and the clips it converts them with."""

    modes: tuple[str, ...] = setting(
        (converter.FLOAT32, converter.FLOAT16, converter.INT8),
        f"Which of {', '.join(network_export.MODES)} to write as files that "
        "take samples.",
        choices=network_export.MODES,
    )
    log_mel_modes: tuple[str, ...] = setting(
        (converter.INT8,),
        "Which of them to write as files that take log-mel spectrograms.",
        choices=network_export.MODES,
    )
    window_seconds: float | None = setting(
        None,
        "Seconds of sound that a file takes, at most those of the clips of "
        "the data, which are the default.",
        at_least=1.0,
        at_most=10.0,
    )
    runtime: str = setting(
        converter.ANY_RUNTIME,
        "Write files for TFLite runtimes of the last years, or only for the "
        "current one.",
        choices=converter.RUNTIMES,
    )
    num_calibration_clips: int = setting(
        128, "Training clips that int8 takes its ranges from.", at_least=1
    )
    num_parity_clips: int = setting(
        64,
        "Validation clips to compare each file with its Keras model on.",
        at_least=1,
    )
    seed: int = setting(
        0, "Seed of the choice of calibration and parity clips.", at_least=0
    )

    @property
    def all_modes(self) -> tuple[str, ...]:
        """Modes to convert to, each once."""
        return tuple(dict.fromkeys((*self.modes, *self.log_mel_modes)))


class ExportJob:
    """Reads the clips and converts the front end, for any number of models.

    Args:
        data: PreprocessedData.
        config: ExportSettings.
        qat: QatSettings.
        quality: QualityCheck, or None to evaluate nothing.

    Raises:
        ValueError: if the clips cannot be read or are shorter than a window,
            or if the front end fails a check.
    """

    def __init__(
        self,
        data,
        config: ExportSettings,
        qat: QatSettings,
        quality: QualityCheck | None = None,
    ):
        self._data = data
        self._config = config
        self._qat = qat
        self._quality = quality
        self._has_qat = converter.INT8_QAT in config.all_modes
        if self._has_qat:
            distillation.check_can_train(qat, data.info)
        frontend = data.info.frontend
        num_samples = frontend.num_samples(
            config.window_seconds or data.info.clip_seconds
        )
        self._num_frames = frontend.num_frames(num_samples)
        self._calibration_clips = None
        if self._has_qat or converter.INT8 in config.all_modes:
            self._calibration_clips = self._windows(
                _CALIBRATION_SPLIT, config.num_calibration_clips
            )
        self._parity_clips = self._windows(
            _PARITY_SPLIT, config.num_parity_clips
        )
        self._frontend = None
        if config.modes or waveform_export.has_frontend(frontend):
            self._frontend = waveform_export.export_frontend(
                frontend, num_samples
            )

    def _windows(self, split, max_clips):
        seed = self._config.seed
        clips = self._data.load(split, max_clips, seed)
        return log_mel_windows.random_windows(clips, self._num_frames, seed)

    def export(
        self, path: pathlib.Path, info: ModelInfo, directory: pathlib.Path
    ) -> list[tuple[str, dict]]:
        """Exports one model.

        Args:
            path: path of a `.keras` file of a network.
            info: ModelInfo of it.
            directory: path. Where its files go.

        Returns:
            list of a path and its entry in the report: the model first, then
            each file.

        Raises:
            ValueError: if the model does not fit its record, or if a file
                fails a check. Nothing is written then.
        """
        network = keras_models.load_network(path)
        if network.output_shape[-1] != len(info.class_map):
            raise ValueError(
                f"{path} has {network.output_shape[-1]} outputs, but its "
                f"record names {len(info.class_map)} classes. Put the record "
                "that was written with the model beside it."
            )
        exporter = NetworkExporter(
            network,
            self._parity_clips,
            self._calibration_clips,
            self._config.runtime,
        )
        reference = {"file": str(path), "num_bytes": path.stat().st_size}
        if self._quality is not None:
            reference["metrics"] = self._quality.metrics(
                network.predict_on_batch, self._num_frames
            )
        not_written = self._int8_sigmoid(exporter)
        contents, files = {}, {}
        for key, exported in waveform_export.export_files(
            self._networks(exporter, reference.get("metrics")),
            self._frontend,
            waveform_export.audio_metadata(
                path.stem,
                info.class_map.names,
                self._config.window_seconds or info.clip_seconds,
                info.frontend,
            ),
            self._config.modes,
            self._config.log_mel_modes,
        ):
            file_name = output_directory.file_name(path.stem, key)
            contents[file_name] = exported.content
            files[key] = exported.report(file_name)
            print(f"converted and checked {directory / file_name}", flush=True)
        report = {
            "model": info.to_json(),
            "reference": reference,
            "files": files,
            "not_written": not_written,
            **self._common_report(),
        }
        kept = output_directory.write(
            directory, report, contents, info.class_map.names
        )
        if kept:
            print(
                f"warning: the last {directory / EXPORT_REPORT} names what "
                f"that export did not write; it is left alone: {kept}",
                file=sys.stderr,
            )
        return [
            (str(path), reference),
            *((str(directory / f["file"]), f) for f in files.values()),
        ]

    def _networks(self, exporter, reference_metrics):
        """Modes and files of a network on log-mel spectrograms."""
        for mode in self._config.all_modes:
            if mode != converter.INT8_QAT:
                yield self._checked(
                    mode, exporter.export(mode), reference_metrics
                )
        if self._has_qat:
            seed = self._config.seed
            quantized = distillation.quantize(
                exporter.model,
                self._calibration_clips,
                self._data.training_batches(
                    self._qat.batch_size, self._qat.steps, seed
                ),
                self._qat,
                seed,
            )
            yield self._checked(
                converter.INT8_QAT,
                exporter.check_quantized(quantized),
                reference_metrics,
            )

    def _checked(self, mode, file, reference_metrics):
        if self._quality is not None:
            file = self._quality.checked(
                mode, file, self._num_frames, reference_metrics
            )
        return mode, file

    def _int8_sigmoid(self, exporter):
        """What int8 would be with the sigmoid in int8, for comparison."""
        if self._quality is None or self._calibration_clips is None:
            return {}
        runner, parity = exporter.int8_sigmoid()
        return {
            converter.INT8_SIGMOID: {
                "parity": parity.to_json(),
                "metrics": self._quality.metrics(
                    runner.predict, self._num_frames
                ),
            }
        }

    def _common_report(self):
        """The part of the report that all models of the run share."""
        quality, frontend = self._quality, self._frontend
        clips = self._calibration_clips
        return {
            "runtime": self._config.runtime,
            "frontend_max_difference_db": frontend
            and frontend.max_difference_db,
            "qat": self._qat.to_json() if self._has_qat else None,
            "data": {
                "fingerprint": self._data.info.fingerprint,
                "calibration_split": _CALIBRATION_SPLIT,
                "num_calibration_clips": 0 if clips is None else len(clips),
                "parity_split": _PARITY_SPLIT,
                "num_parity_clips": len(self._parity_clips),
                "evaluate_split": quality and quality.split,
                "evaluate_fingerprint": quality and quality.dataset.fingerprint,
                "seed": self._config.seed,
            },
            "versions": {
                "ofa_aec_tf": __version__,
                **{n: importlib.metadata.version(n) for n in _PACKAGES},
            },
        }
