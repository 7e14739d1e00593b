r"""Command: metrics of models on a split, whatever their format.

python -m ofa_aec_tf.evaluate --model=subnet.keras,subnet_int8.tflite \
    --data_dir=data --split=test --output=metrics.json

A `.tflite` that takes samples needs the recordings, with --audio_dir; other
models then get the log-mel spectrograms of these as well, so that all hear the
same.
"""

import os
import pathlib
import sys

import numpy as np
from absl import flags

from ofa_aec_tf import audio
from ofa_aec_tf.command_flags import command_line
from ofa_aec_tf.command_flags import flagfiles
from ofa_aec_tf.command_flags import path_flags
from ofa_aec_tf.command_flags import reading_flags
from ofa_aec_tf.command_flags import setting_flags
from ofa_aec_tf.data import dataset_info
from ofa_aec_tf.data import input_pipeline
from ofa_aec_tf.data.model_info import ModelInfo
from ofa_aec_tf.deployment import log_mel_windows
from ofa_aec_tf.deployment.prediction import scorers
from ofa_aec_tf.deployment.tflite import runner
from ofa_aec_tf.deployment.tflite.runner import TFLiteModel
from ofa_aec_tf.evaluation import evaluator
from ofa_aec_tf.evaluation import keras_predictor
from ofa_aec_tf.evaluation import metrics
from ofa_aec_tf.evaluation.batch_norm_calibration import CalibrationSettings
from ofa_aec_tf.runs import quiet_tensorflow  # noqa: F401
from ofa_aec_tf.runs import run_record
from ofa_aec_tf.runs import text_tables
from ofa_aec_tf.runs import workdir

_METRICS_FILE = "metrics.json"
# Among the models, which all have a suffix.
_ENSEMBLE_NAME = "ensemble"

_MODEL = path_flags.define_paths(
    "model",
    None,
    "`.keras` and `.tflite` files, with commas between them.",
    required=True,
)
_ENSEMBLE = flags.DEFINE_bool(
    "ensemble", False, "Evaluate the mean of the models' scores, too."
)
_DATA_DIR = path_flags.define_path(
    "data_dir", None, "Directory of data_pipeline.preprocess.", required=True
)
_SKIP_CORRUPT = reading_flags.define_skip_corrupt()
_SPLIT = flags.DEFINE_enum(
    "split", "test", dataset_info.SPLITS, "The clips to evaluate on."
)
_AUDIO_DIR = path_flags.define_path(
    "audio_dir",
    None,
    "Evaluate on the recordings themselves, from this directory. For data of "
    "which the clip ids are names of files, and the clips begin with them.",
)
_OUTPUT = path_flags.define_path(
    "output", None, "JSON file for the metrics, those of each class too."
)
_WORKDIR = path_flags.define_path(
    "workdir",
    None,
    f"Where the run records itself, and writes {_METRICS_FILE}.",
)
_SUBNET = flags.DEFINE_string(
    "subnet",
    None,
    "Which subnet of a supernet: `largest` (the default), `smallest`, choices "
    "such as `width=0.8,depth=2`, or a JSON object of them.",
)
_CALIBRATION = setting_flags.define(CalibrationSettings)


def _load(path, dataset):
    ModelInfo.read(path).check_matches(dataset)
    if _AUDIO_DIR.value is not None:
        return scorers.load_scorer(
            path,
            dataset.frontend,
            dataset.clip_seconds,
            len(dataset.class_map),
        )
    if pathlib.Path(path).suffix == ".tflite":
        model = runner.load_untrusted(path)
        if len(model.input_shape) == 2:
            raise ValueError(
                f"{path} takes samples, and the data have log-mel "
                "spectrograms. Name the recordings with --audio_dir, or the "
                "file on log-mel spectrograms that export wrote beside it."
            )
        return model
    if pathlib.Path(path).suffix == ".keras":
        return keras_predictor.load_keras_model(path)
    raise ValueError(
        f"Expected a `.keras` or a `.tflite` file. Received: --model={path}"
    )


def _predict_fn(model, subnet, dataset):
    """The function from clips to logits; ranks need logits, not scores."""
    if isinstance(model, TFLiteModel):
        return lambda clips: metrics.scores_to_logits(
            log_mel_windows.score_clips(
                model.predict, clips, model.input_shape[1]
            )
        )
    if not keras_predictor.is_supernet(model):
        return keras_predictor.network_predictor(model)
    calibration = _CALIBRATION.values()
    calibration_clips, _, _ = input_pipeline.load_split(
        _DATA_DIR.value,
        dataset,
        "train",
        max_clips=calibration.num_calibration_clips,
        seed=calibration.seed,
        skip_corrupt=_SKIP_CORRUPT.value,
    )
    return keras_predictor.subnet_predictor(
        model, subnet, calibration_clips, calibration.batch_size
    )


def _recorded_clips(dataset):
    """Batches of one recording: its samples and its labels."""
    rate_hz = dataset.frontend.sample_rate_hz
    directory = pathlib.Path(_AUDIO_DIR.value)
    clips = input_pipeline.make_eval_dataset(
        _DATA_DIR.value,
        dataset,
        _SPLIT.value,
        batch_size=1,
        skip_corrupt=_SKIP_CORRUPT.value,
    )
    with input_pipeline.reading_errors():
        for clip in clips:
            path = directory / clip["id"].numpy()[0].decode()
            try:
                waveform = audio.load_audio(path, rate_hz, dataset.clip_seconds)
            except audio.AudioError as error:
                raise ValueError(
                    f"The recording of a clip cannot be read. {error}. "
                    "--audio_dir must have the files that the clip ids name."
                ) from error
            num_samples = dataset.frontend.num_samples(dataset.clip_seconds)
            waveform = audio.fit_length(waveform, num_samples)
            yield waveform[np.newaxis], clip["labels"].numpy()


def _score_recordings(scorer, waveforms):
    """Of each class, the highest score over windows that cover a clip."""
    return metrics.scores_to_logits(
        np.stack(
            [
                scorer.score(
                    [
                        waveform[start : start + scorer.window_samples]
                        for start in log_mel_windows.window_starts(
                            len(waveform), scorer.window_samples
                        )
                    ]
                ).max(axis=0)
                for waveform in waveforms
            ]
        )
    )


def _chosen_subnet(model):
    """The subnet of a supernet that is evaluated, None of other models."""
    if isinstance(model, scorers.Scorer):
        return None
    if not keras_predictor.is_supernet(model):
        return None
    return model.family.search_space().parse(_SUBNET.value or "largest")


def _predict(model, subnet, dataset):
    """Logits and labels of all clips of the split."""
    if isinstance(model, scorers.Scorer):
        return evaluator.predict_batches(
            lambda waveforms: _score_recordings(model, waveforms),
            _recorded_clips(dataset),
        )
    return evaluator.predict_batches(
        _predict_fn(model, subnet, dataset),
        input_pipeline.eval_batches(
            _DATA_DIR.value,
            dataset,
            _SPLIT.value,
            _CALIBRATION.values().batch_size,
            _SKIP_CORRUPT.value,
        ),
    )


def _result(logits, labels, subnet, dataset):
    return {
        "split": _SPLIT.value,
        "subnet": None if subnet is None else dict(subnet),
        **evaluator.evaluate_scores(
            logits, labels, dataset.class_map, dataset.label_type
        ),
    }


def _evaluate(models, dataset, outputs):
    """The metrics of each model, and of their ensemble if asked for.

    They are written after each model; one that cannot be evaluated leaves
    those of the others as they are.
    """
    results, all_logits, skipped = {}, [], []
    for path, model in models.items():
        try:
            subnet = _chosen_subnet(model)
            logits, labels = _predict(model, subnet, dataset)
            results[path] = _result(logits, labels, subnet, dataset)
        except ValueError as error:
            if len(models) == 1:
                raise
            print(f"warning: skipped {path}: {error}", file=sys.stderr)
            skipped.append(path)
            continue
        _write(results, outputs)
        if _ENSEMBLE.value:
            all_logits.append(logits)
    if _ENSEMBLE.value and not skipped:
        ensemble = metrics.logits_of_mean_scores(all_logits)
        results[_ENSEMBLE_NAME] = _result(ensemble, labels, None, dataset)
        _write(results, outputs)
    return results, skipped


def _write(results, outputs):
    for output in outputs:
        workdir.write_json(output, results)


def _table(results):
    rows = [("model", "mAP", "mAUC", "d'", "accuracy", "clips")]
    for path, values in results.items():
        numbers = (
            values[name] for name in ("mAP", "mAUC", "d_prime", "accuracy")
        )
        rows.append(
            (
                path,
                *("-" if n is None else f"{n:.4f}" for n in numbers),
                str(values["num_clips"]),
            )
        )
    return text_tables.aligned(rows)


def main(unused_arguments):
    """Runs the command."""
    dataset = dataset_info.DatasetInfo.read(_DATA_DIR.value)
    dataset.split(_SPLIT.value)
    if not _MODEL.value:
        raise ValueError("Name at least one model. Received: --model=")
    if _ENSEMBLE.value and len(set(_MODEL.value)) < 2:
        raise ValueError(
            "--ensemble needs at least two models, with commas between them. "
            f"Received: --model={','.join(_MODEL.value)}"
        )
    outputs = [_OUTPUT.value] if _OUTPUT.value is not None else []
    if _WORKDIR.value is not None:
        outputs.append(pathlib.Path(_WORKDIR.value) / _METRICS_FILE)
    for output in outputs:
        workdir.check_writable(output)
    # All before the first evaluation: a wrong path shows at once.
    models = {path: _load(path, dataset) for path in _MODEL.value}
    has_supernet = any(map(keras_predictor.is_supernet, models.values()))
    if _SUBNET.value is not None and not has_supernet:
        raise ValueError(
            "--subnet goes with a supernet. "
            f"Received: --subnet={_SUBNET.value} with {_MODEL.value}"
        )
    if _WORKDIR.value is not None:
        run_record.start_run(
            _WORKDIR.value,
            {
                "models": [workdir.file_digest(path) for path in models],
                "data_fingerprint": dataset.fingerprint,
                "split": _SPLIT.value,
                "ensemble": _ENSEMBLE.value,
                "subnet": _SUBNET.value,
                **_CALIBRATION.values().to_json(),
                "skip_corrupt": _SKIP_CORRUPT.value,
                "audio_dir": _AUDIO_DIR.value
                and os.path.abspath(_AUDIO_DIR.value),
            },
            flagfiles.recorded(),
        )
    results, skipped = _evaluate(models, dataset, outputs)
    if results:
        print(_table(results))
        # The clips are the same for all models.
        for note in metrics.coverage_notes(
            next(iter(results.values())), _SPLIT.value
        ):
            print(note)
        for output in outputs:
            print(f"wrote {output}")
    if skipped:
        raise ValueError(
            f"{len(skipped)} of {len(models)} models could not be evaluated; "
            f"the warnings above say why: {skipped}"
        )


if __name__ == "__main__":
    command_line.run(main)
