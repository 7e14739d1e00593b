"""Metrics of model files of every kind on the same clips."""

import dataclasses
import pathlib
from collections.abc import Callable
from collections.abc import Mapping

import numpy as np

from ofa_aec_tf.checks import settings
from ofa_aec_tf.checks.settings import setting
from ofa_aec_tf.data import dataset_info
from ofa_aec_tf.data.dataset_info import DatasetInfo
from ofa_aec_tf.data.model_info import ModelInfo
from ofa_aec_tf.deployment import log_mel_windows
from ofa_aec_tf.deployment.prediction import scorers
from ofa_aec_tf.deployment.prediction.scorers import Scorer
from ofa_aec_tf.deployment.tflite import runner
from ofa_aec_tf.deployment.tflite.runner import TFLiteModel
from ofa_aec_tf.evaluation import evaluator
from ofa_aec_tf.evaluation import keras_models
from ofa_aec_tf.evaluation import metrics
from ofa_aec_tf.evaluation.batch_norm_calibration import CalibrationSettings
from ofa_aec_tf.families import networks
from ofa_aec_tf.runs import several_models

# No model has this name: models have a suffix.
ENSEMBLE = "ensemble"
_CALIBRATION_SPLIT = "train"


@dataclasses.dataclass(frozen=True)
class EvaluationSettings(settings.Settings):
    """What models are evaluated on."""

    split: str = setting(
        "test", "The clips to evaluate on.", choices=dataset_info.SPLITS
    )
    audio_dir: str | None = setting(
        None,
        "Evaluate on the recordings themselves, from this directory. For data "
        "whose clip ids are file names, and whose clips begin where the files "
        "do.",
        is_path=True,
    )
    ensemble: bool = setting(
        False, "Evaluate the mean of the models' scores, too."
    )
    subnet: str | None = setting(
        None,
        "Which subnet of a supernet: `largest` (the default), `smallest`, "
        "choices such as `width=0.8,depth=2`, or a JSON object of them.",
    )
    calibration: CalibrationSettings = CalibrationSettings()


def load_models(
    paths, dataset: DatasetInfo, config: EvaluationSettings
) -> dict[str, object]:
    """Loads all models, so that a wrong path shows before the first is run.

    Args:
        paths: sequence of str.
        dataset: DatasetInfo of the clips.
        config: EvaluationSettings.

    Returns:
        dict from path to model.

    Raises:
        ValueError: if a model does not fit the data or the settings.
    """
    if config.ensemble and len(set(paths)) < 2:
        raise ValueError(
            "--ensemble needs at least two models, with commas between them. "
            f"Received: --model={','.join(paths)}"
        )
    models = {path: _load(path, dataset, config.audio_dir) for path in paths}
    has_supernet = any(map(keras_models.is_supernet, models.values()))
    if config.subnet is not None and not has_supernet:
        raise ValueError(
            "--subnet goes with a supernet. "
            f"Received: --subnet={config.subnet} with {list(models)}"
        )
    return models


def _load(path, dataset, audio_dir):
    ModelInfo.read(path).check_matches(dataset)
    if audio_dir is not None:
        return scorers.load_scorer(
            path,
            dataset.frontend,
            dataset.clip_seconds,
            len(dataset.class_map),
        )
    suffix = pathlib.Path(path).suffix
    if suffix == ".keras":
        return networks.load_model(path)
    if suffix != ".tflite":
        raise ValueError(
            f"Expected a `.keras` or a `.tflite` file. Received: --model={path}"
        )
    model = runner.load_untrusted(path)
    if len(model.input_shape) == 2:
        raise ValueError(
            f"{path} takes samples, and the data have log-mel spectrograms. "
            "Name the recordings with --audio_dir, or the file on log-mel "
            "spectrograms that export wrote beside it."
        )
    return model


class ModelEvaluation:
    """Evaluates loaded models on one split.

    Args:
        data: PreprocessedData.
        config: EvaluationSettings.
        on_results: function that is given the results after each model.
    """

    def __init__(
        self,
        data,
        config: EvaluationSettings,
        on_results: Callable[[dict], object] = lambda results: None,
    ):
        self._data = data
        self._config = config
        self._on_results = on_results

    def evaluate(
        self, models: Mapping[str, object]
    ) -> tuple[dict[str, dict], list[str]]:
        """Metrics of each model, and of their ensemble if it is asked for.

        Args:
            models: dict from path to model, as `load_models` returns it.

        Returns:
            tuple of a dict from path to metrics, and of the paths of models
            that could not be evaluated, of which the user was warned. With
            any of these there is no ensemble.

        Raises:
            ValueError: if the only model cannot be evaluated.
        """
        results, all_logits = {}, []

        def evaluate_one(path):
            subnet = self._subnet(models[path])
            logits, labels = self._predict(models[path], subnet)
            results[path] = self._metrics(logits, labels, subnet)
            self._on_results(results)
            all_logits.append(logits)
            return labels

        labels, skipped = several_models.for_each(models, evaluate_one)
        if self._config.ensemble and not skipped:
            results[ENSEMBLE] = self._metrics(
                metrics.logits_of_mean_scores(all_logits),
                next(iter(labels.values())),
            )
            self._on_results(results)
        return results, skipped

    def _subnet(self, model):
        """The subnet of a supernet that is evaluated; None for other models."""
        if not keras_models.is_supernet(model):
            return None
        return model.family.search_space().parse(
            self._config.subnet or "largest"
        )

    def _metrics(self, logits, labels, subnet=None):
        info = self._data.info
        return {
            "split": self._config.split,
            "subnet": None if subnet is None else dict(subnet),
            **evaluator.evaluate_scores(
                logits, labels, info.class_map, info.label_type
            ),
        }

    def _predict(self, model, subnet):
        """Logits and labels of all clips of the split."""
        config = self._config
        if isinstance(model, Scorer):
            return evaluator.predict_batches(
                lambda waveforms: _score_recordings(model, waveforms),
                self._data.recordings(config.split, config.audio_dir),
            )
        return evaluator.predict_batches(
            self._predictor(model, subnet),
            self._data.batches(config.split, config.calibration.batch_size),
        )

    def _predictor(self, model, subnet):
        """The function from clips to logits."""
        if isinstance(model, TFLiteModel):
            return lambda clips: metrics.scores_to_logits(
                log_mel_windows.score_clips(
                    model.predict, clips, model.input_shape[1]
                )
            )
        if subnet is None:
            return keras_models.network_predictor(model)
        calibration = self._config.calibration
        return keras_models.subnet_predictor(
            model,
            subnet,
            self._data.load(
                _CALIBRATION_SPLIT,
                calibration.num_calibration_clips,
                calibration.seed,
            ),
            calibration.batch_size,
        )


def _score_recordings(scorer, waveforms):
    """For each class, the highest score over windows that cover a clip."""
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
