r"""Command: metrics of models on a split, whatever their format.

python -m ofa_aec_tf.evaluate --model=subnet.keras,subnet_int8.tflite \
    --data_dir=data --split=test --output=metrics.json

A `.tflite` that takes samples needs the recordings, with --audio_dir; other
models then get the log-mel spectrograms of these as well, so that all hear the
same.
"""

import os
import pathlib

from ofa_aec_tf.command_flags import command_line
from ofa_aec_tf.command_flags import flagfiles
from ofa_aec_tf.command_flags import path_flags
from ofa_aec_tf.command_flags import reading_flags
from ofa_aec_tf.command_flags import setting_flags
from ofa_aec_tf.data.preprocessed_data import PreprocessedData
from ofa_aec_tf.deployment import model_evaluation
from ofa_aec_tf.deployment.model_evaluation import EvaluationSettings
from ofa_aec_tf.deployment.model_evaluation import ModelEvaluation
from ofa_aec_tf.evaluation import metrics
from ofa_aec_tf.runs import run_record
from ofa_aec_tf.runs import several_models
from ofa_aec_tf.runs import text_tables
from ofa_aec_tf.runs import workdir

_METRICS_FILE = "metrics.json"
_COLUMNS = {
    "mAP": "mAP",
    "mAUC": "mAUC",
    "d_prime": "d'",
    "accuracy": "accuracy",
}

_MODEL = path_flags.define_paths(
    "model",
    None,
    "`.keras` and `.tflite` files, with commas between them.",
    required=True,
)
_DATA_DIR = path_flags.define_path(
    "data_dir", None, "Directory of data_pipeline.preprocess.", required=True
)
_SKIP_CORRUPT = reading_flags.define_skip_corrupt()
_OUTPUT = path_flags.define_path(
    "output", None, "JSON file for the metrics, those of each class too."
)
_WORKDIR = path_flags.define_path(
    "workdir",
    None,
    f"Where the run records itself, and writes {_METRICS_FILE}.",
)
_EVALUATION = setting_flags.define(EvaluationSettings)


def _start_run(config, info):
    """Records the run in its work directory."""
    values = config.to_json()
    audio_dir = config.audio_dir and os.path.abspath(config.audio_dir)
    run_record.start_run(
        _WORKDIR.value,
        {
            "models": [workdir.file_digest(path) for path in _MODEL.value],
            "data_fingerprint": info.fingerprint,
            "skip_corrupt": _SKIP_CORRUPT.value,
            **values.pop("calibration"),
            **values,
            "audio_dir": audio_dir,
        },
        flagfiles.recorded(),
    )


def _table(results):
    rows = [("model", "mAP", "mAUC", "d'", "accuracy", "clips")]
    for path, values in results.items():
        numbers = (values[name] for name in _COLUMNS)
        cells = ("-" if n is None else f"{n:.4f}" for n in numbers)
        rows.append((path, *cells, values["num_clips"]))
    return text_tables.aligned(rows)


def main(_):
    """Runs the command."""
    config = _EVALUATION.values()
    if not _MODEL.value:
        raise ValueError("Name at least one model. Received: --model=")
    data = PreprocessedData(_DATA_DIR.value, _SKIP_CORRUPT.value)
    data.info.split(config.split)
    outputs = [_OUTPUT.value] if _OUTPUT.value is not None else []
    if _WORKDIR.value is not None:
        outputs.append(pathlib.Path(_WORKDIR.value) / _METRICS_FILE)
    for output in outputs:
        workdir.check_writable(output)
    models = model_evaluation.load_models(_MODEL.value, data.info, config)
    if _WORKDIR.value is not None:
        _start_run(config, data.info)

    def write(results):
        for output in outputs:
            workdir.write_json(output, results)

    results, skipped = ModelEvaluation(data, config, write).evaluate(models)
    if results:
        print(_table(results))
        # The clips are the same for all models.
        for note in metrics.coverage_notes(
            next(iter(results.values())), config.split
        ):
            print(note)
        for output in outputs:
            print(f"wrote {output}")
    several_models.check_none_skipped(
        skipped, len(models), "could not be evaluated"
    )


if __name__ == "__main__":
    command_line.run(main)
