"""Exports trained models to TFLite, checked and measured.

python -m ofa_aec_tf.export --model=runs/phone/subnet.keras --data_dir=data \
    --output_dir=exported

Writes, for each model:

- `<stem>_<mode>.tflite`, from samples to scores, with the metadata and labels
  that MediaPipe needs;
- `<stem>_log_mel_<mode>.tflite`, from log-mel spectrograms to scores, and
  `frontend.tflite`, from samples to these, for apps with a buffer of their own;
- `labels.txt`, one class a line, and, last, `export.json` with sizes, parity,
  latency and operators.

Nothing is written for a model of which a file fails a check; the others are
exported all the same.
"""

import dataclasses
import importlib.metadata
import pathlib
import sys

import numpy as np
from absl import flags

from ofa_aec_tf import __version__
from ofa_aec_tf.checks import argument_checks
from ofa_aec_tf.command_flags import command_line
from ofa_aec_tf.command_flags import flagfiles
from ofa_aec_tf.command_flags import path_flags
from ofa_aec_tf.command_flags import reading_flags
from ofa_aec_tf.data import dataset_info
from ofa_aec_tf.data import input_pipeline
from ofa_aec_tf.data.model_info import EXPORT_REPORT
from ofa_aec_tf.data.model_info import ModelInfo
from ofa_aec_tf.deployment import export_directory
from ofa_aec_tf.deployment import export_evaluation
from ofa_aec_tf.deployment import exporter
from ofa_aec_tf.deployment import keras_models
from ofa_aec_tf.deployment import log_mel_windows
from ofa_aec_tf.deployment import waveform_exporter
from ofa_aec_tf.deployment.qat import export_qat
from ofa_aec_tf.deployment.tflite import converter
from ofa_aec_tf.reports import summary
from ofa_aec_tf.runs import workdir

_CALIBRATION_SPLIT = "train"
_PARITY_SPLIT = "validation"
_MIN_WINDOW_SECONDS, _MAX_WINDOW_SECONDS = 1.0, 10.0
_PACKAGES = ("tensorflow", "keras", "ai-edge-litert", "numpy")

_MODEL = path_flags.define_paths(
    "model", None, "Models to export: .keras files.", required=True
)
_DATA_DIR = path_flags.define_path(
    "data_dir",
    None,
    "Preprocessed data: calibration clips come from its training split, "
    "parity clips from its validation split.",
    required=True,
)
_SKIP_CORRUPT = reading_flags.define_skip_corrupt()
_OUTPUT_DIR = path_flags.define_path(
    "output_dir",
    None,
    "Where to write. The files of one model go to the sub-directory named "
    "after its file; those of several each to one named after the directory "
    "that the model is in.",
    required=True,
)
_MODES = flags.DEFINE_list(
    "modes",
    [
        converter.FLOAT32,
        converter.FLOAT16,
        converter.INT8,
    ],
    f"Which of {', '.join(exporter.MODES)} to write as files that take "
    "samples.",
)
_LOG_MEL_MODES = flags.DEFINE_list(
    "log_mel_modes",
    [converter.INT8],
    "Which of them to write as files that take log-mel spectrograms.",
)
_WINDOW_SECONDS = flags.DEFINE_float(
    "window_seconds",
    None,
    "Seconds of sound that a file takes; by default those of the clips of the "
    "data. No longer than these.",
    lower_bound=_MIN_WINDOW_SECONDS,
    upper_bound=_MAX_WINDOW_SECONDS,
)
_RUNTIME = flags.DEFINE_enum(
    "runtime",
    converter.ANY_RUNTIME,
    converter.RUNTIMES,
    "Keep to what TFLite runtimes of several years have, or only the current "
    "one.",
)
_NUM_CALIBRATION_CLIPS = flags.DEFINE_integer(
    "num_calibration_clips",
    128,
    "Training clips that give int8 its ranges.",
    lower_bound=1,
)
_NUM_PARITY_CLIPS = flags.DEFINE_integer(
    "num_parity_clips",
    64,
    "Validation clips to compare each file with its Keras model on.",
    lower_bound=1,
)
_SEED = flags.DEFINE_integer(
    "seed", 0, "Seed of the choice of calibration and parity clips."
)


@dataclasses.dataclass(frozen=True)
class _Job:
    """What all models of one run share."""

    dataset: dataset_info.DatasetInfo
    calibration_clips: np.ndarray | None
    parity_clips: np.ndarray
    frontend: waveform_exporter.FrontEndFile | None
    evaluation: export_evaluation.Evaluation | None

    @classmethod
    def from_flags(cls, dataset):
        """Reads the clips and converts the front end."""
        config = dataset.frontend
        seconds = _WINDOW_SECONDS.value or dataset.clip_seconds
        num_samples = config.num_samples(seconds)
        num_frames = config.num_frames(num_samples)
        evaluation = export_evaluation.Evaluation.from_flags(
            _DATA_DIR.value, _SKIP_CORRUPT.value
        )
        calibration_clips = None
        modes = {*_MODES.value, *_LOG_MEL_MODES.value}
        if modes & {converter.INT8, converter.INT8_QAT}:
            calibration_clips = _load_windows(
                dataset,
                _CALIBRATION_SPLIT,
                _NUM_CALIBRATION_CLIPS.value,
                num_frames,
            )
        parity_clips = _load_windows(
            dataset, _PARITY_SPLIT, _NUM_PARITY_CLIPS.value, num_frames
        )
        frontend = None
        if _MODES.value or waveform_exporter.has_frontend(config):
            frontend = waveform_exporter.export_frontend(config, num_samples)
        return cls(
            dataset, calibration_clips, parity_clips, frontend, evaluation
        )

    @property
    def num_frames(self):
        """Frames that the files take."""
        return self.parity_clips.shape[1]

    def report(self, modes):
        """What all models of the run have in common."""
        has_qat = converter.INT8_QAT in modes
        num_calibration_clips = 0
        if self.calibration_clips is not None:
            num_calibration_clips = len(self.calibration_clips)
        evaluation = self.evaluation
        return {
            "runtime": _RUNTIME.value,
            "frontend_max_difference_db": self.frontend
            and self.frontend.max_difference_db,
            "qat": export_qat.report() if has_qat else None,
            "data": {
                "fingerprint": self.dataset.fingerprint,
                "calibration_split": _CALIBRATION_SPLIT,
                "num_calibration_clips": num_calibration_clips,
                "parity_split": _PARITY_SPLIT,
                "num_parity_clips": len(self.parity_clips),
                "evaluate_split": evaluation and evaluation.split,
                "evaluate_fingerprint": evaluation
                and evaluation.dataset.fingerprint,
                "seed": _SEED.value,
            },
            "versions": {
                "ofa_aec_tf": __version__,
                **{n: importlib.metadata.version(n) for n in _PACKAGES},
            },
        }


def _load_windows(dataset, split, max_clips, num_frames):
    clips, _, _ = input_pipeline.load_split(
        _DATA_DIR.value,
        dataset,
        split,
        max_clips=max_clips,
        seed=_SEED.value,
        skip_corrupt=_SKIP_CORRUPT.value,
    )
    return log_mel_windows.random_windows(clips, num_frames, _SEED.value)


def _networks(network, modes, job):
    """Modes and files of a network on log-mel spectrograms."""
    yield from exporter.export_modes(
        network,
        [mode for mode in modes if mode != converter.INT8_QAT],
        job.calibration_clips,
        job.parity_clips,
        _RUNTIME.value,
    )
    if converter.INT8_QAT in modes:
        source = export_qat.Source(
            _DATA_DIR.value,
            job.dataset,
            job.num_frames,
            _SEED.value,
            _SKIP_CORRUPT.value,
        )
        network = converter.float32_model(network)
        yield (
            converter.INT8_QAT,
            exporter.check_quantized(
                export_qat.quantize(network, job.calibration_clips, source),
                network,
                job.parity_clips,
                _RUNTIME.value,
            ),
        )


def _metadata(path, info):
    return waveform_exporter.audio_metadata(
        path.stem,
        info.class_map.names,
        _WINDOW_SECONDS.value or info.clip_seconds,
        info.frontend,
    )


def _export_model(path, info, directory, job):
    """Exports one model; returns the rows of the summary."""
    network = keras_models.load_network(path)
    if network.output_shape[-1] != len(info.class_map):
        raise ValueError(
            f"{path} has {network.output_shape[-1]} outputs, but its record "
            f"names {len(info.class_map)} classes. Put the record that was "
            "written with the model beside it."
        )
    modes, log_mel_modes = _MODES.value, _LOG_MEL_MODES.value
    all_modes = list(dict.fromkeys([*modes, *log_mel_modes]))
    networks = _networks(network, all_modes, job)
    reference = {"file": str(path), "num_bytes": path.stat().st_size}
    comparison = {}
    if job.evaluation is not None:
        reference["metrics"] = job.evaluation.metrics(
            network.predict_on_batch, job.num_frames
        )
        networks = job.evaluation.checked(
            networks, job.num_frames, reference["metrics"]
        )
        if job.calibration_clips is not None:
            runner, parity = exporter.int8_sigmoid(
                network, job.calibration_clips, job.parity_clips
            )
            comparison[converter.INT8_SIGMOID] = {
                "parity": parity.to_json(),
                "metrics": job.evaluation.metrics(
                    runner.predict, job.num_frames
                ),
            }
    contents, files = {}, {}
    for key, exported in waveform_exporter.export_files(
        networks,
        job.frontend,
        _metadata(path, info),
        modes,
        log_mel_modes,
    ):
        file_name = export_directory.file_name(path.stem, key)
        contents[file_name] = exported.content
        files[key] = exported.report(file_name)
        print(f"converted and checked {directory / file_name}", flush=True)
    report = {
        "model": info.to_json(),
        "reference": reference,
        "files": files,
        "not_written": comparison,
        **job.report(all_modes),
    }
    kept = export_directory.write(
        directory, EXPORT_REPORT, report, contents, info.class_map.names
    )
    if kept:
        print(
            f"warning: the last {directory / EXPORT_REPORT} named what is no "
            f"file of that export, and is left alone: {kept}",
            file=sys.stderr,
        )
    return [
        (str(path), reference),
        *((str(directory / file["file"]), file) for file in files.values()),
    ]


def main(_):
    """Runs the command."""
    modes = [*_MODES.value, *_LOG_MEL_MODES.value]
    for mode in modes:
        argument_checks.check_choice("mode", mode, exporter.MODES)
    paths = [pathlib.Path(path) for path in _MODEL.value]
    if not paths or not modes:
        raise ValueError(
            "Name at least one model and one mode. Received: "
            f"--model={_MODEL.value} --modes={_MODES.value} "
            f"--log_mel_modes={_LOG_MEL_MODES.value}"
        )
    directories = export_directory.directories(
        paths, pathlib.Path(_OUTPUT_DIR.value)
    )
    for directory in directories:
        workdir.check_writable(directory / EXPORT_REPORT)
    dataset = dataset_info.DatasetInfo.read(_DATA_DIR.value)
    infos = [ModelInfo.read(path) for path in paths]
    for info in infos:
        info.check_matches(dataset)
    export_qat.check_flags(dataset, modes)
    job = _Job.from_flags(dataset)
    if job.evaluation is not None:
        infos[0].check_matches(job.evaluation.dataset)
    rows, faults = [], []
    for path, info, directory in zip(paths, infos, directories):
        try:
            rows += _export_model(path, info, directory, job)
        except ValueError as error:
            if len(paths) == 1:
                raise
            print(f"warning: skipped {path}: {error}", file=sys.stderr)
            faults.append(str(path))
    workdir.write_text(
        pathlib.Path(_OUTPUT_DIR.value) / workdir.RESOLVED_FLAGS,
        flagfiles.recorded(),
    )
    if rows:
        print(f"\n{summary.export_table(rows)}")
    if faults:
        raise ValueError(
            f"{len(faults)} of {len(paths)} models were not exported; the "
            f"warnings above say why: {faults}"
        )


if __name__ == "__main__":
    command_line.run(main)
