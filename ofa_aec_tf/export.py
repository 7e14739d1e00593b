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

If a file fails a check, nothing is written for its model. The other models are
exported all the same.
"""

import pathlib

from ofa_aec_tf.command_flags import command_line
from ofa_aec_tf.command_flags import flagfiles
from ofa_aec_tf.command_flags import path_flags
from ofa_aec_tf.command_flags import reading_flags
from ofa_aec_tf.command_flags import setting_flags
from ofa_aec_tf.data.model_info import EXPORT_REPORT
from ofa_aec_tf.data.model_info import ModelInfo
from ofa_aec_tf.data.preprocessed_data import PreprocessedData
from ofa_aec_tf.deployment.export import output_directory
from ofa_aec_tf.deployment.export.export_job import ExportJob
from ofa_aec_tf.deployment.export.export_job import ExportSettings
from ofa_aec_tf.deployment.export.quality import QualityCheck
from ofa_aec_tf.deployment.export.quality import QualitySettings
from ofa_aec_tf.deployment.qat.distillation import QatSettings
from ofa_aec_tf.deployment.tflite.converter import INT8_QAT
from ofa_aec_tf.reports import summary
from ofa_aec_tf.runs import several_models
from ofa_aec_tf.runs import workdir

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
_EXPORT = setting_flags.define(ExportSettings)
_QUALITY = setting_flags.define(QualitySettings)
_QAT = setting_flags.define(QatSettings)


def _settings():
    """The settings of all flags, which must go together."""
    config, quality, qat = _EXPORT.values(), _QUALITY.values(), _QAT.values()
    if not _MODEL.value or not config.all_modes:
        raise ValueError(
            "Name at least one model and one mode. Received: "
            f"--model={','.join(_MODEL.value)} "
            f"--modes={','.join(config.modes)} "
            f"--log_mel_modes={','.join(config.log_mel_modes)}"
        )
    if _QUALITY["max_map_drop"].present and quality.split is None:
        raise ValueError(
            "--max_map_drop goes with --evaluate_dir or --evaluate_split: "
            "without them no mAP is measured."
        )
    if _QAT.given() and INT8_QAT not in config.all_modes:
        raise ValueError(
            f"--{_QAT.given()[0]} is for mode {INT8_QAT}. Received: "
            f"modes {sorted(config.all_modes)}"
        )
    return config, quality, qat


def _quality_check(quality, info):
    if quality.split is None:
        return None
    data = PreprocessedData(
        quality.evaluate_dir or _DATA_DIR.value, _SKIP_CORRUPT.value
    )
    info.check_matches(data.info)
    return QualityCheck(data, quality.split, quality.max_map_drop)


def main(_):
    """Runs the command."""
    config, quality, qat = _settings()
    paths = [pathlib.Path(path) for path in _MODEL.value]
    output_dir = pathlib.Path(_OUTPUT_DIR.value)
    directories = dict(
        zip(paths, output_directory.directories(paths, output_dir))
    )
    for directory in directories.values():
        workdir.check_writable(directory / EXPORT_REPORT)
    data = PreprocessedData(_DATA_DIR.value, _SKIP_CORRUPT.value)
    infos = {path: ModelInfo.read(path) for path in paths}
    for info in infos.values():
        info.check_matches(data.info)
    quality_check = _quality_check(quality, infos[paths[0]])
    job = ExportJob(data, config, qat, quality_check)
    rows, skipped = several_models.for_each(
        paths, lambda path: job.export(path, infos[path], directories[path])
    )
    workdir.write_text(
        output_dir / workdir.RESOLVED_FLAGS, flagfiles.recorded()
    )
    if rows:
        print(f"\n{summary.export_table(sum(rows.values(), []))}")
    several_models.check_none_skipped(skipped, len(paths), "were not exported")


if __name__ == "__main__":
    command_line.run(main)
