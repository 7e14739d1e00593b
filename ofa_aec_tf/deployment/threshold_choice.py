"""Chooses the thresholds of a model on the validation split."""

import pathlib

from ofa_aec_tf.data.dataset_info import DatasetInfo
from ofa_aec_tf.data.model_info import EXPORT_REPORT
from ofa_aec_tf.data.model_info import ModelInfo
from ofa_aec_tf.deployment import log_mel_windows
from ofa_aec_tf.deployment.export import output_directory
from ofa_aec_tf.deployment.prediction import scorers
from ofa_aec_tf.deployment.prediction.scorers import Scorer
from ofa_aec_tf.evaluation import evaluator
from ofa_aec_tf.evaluation import thresholds
from ofa_aec_tf.evaluation.thresholds import ThresholdChoice
from ofa_aec_tf.evaluation.thresholds import ThresholdSettings

SPLIT = "validation"


def load(path, dataset: DatasetInfo) -> tuple[pathlib.Path, Scorer]:
    """Loads a model that can score stored clips.

    Args:
        path: path of a `.keras` file of a network, or of a `.tflite` file.
            For one that takes samples, its counterpart on log-mel
            spectrograms is loaded, which gives the same scores.
        dataset: DatasetInfo of the clips.

    Returns:
        tuple of the path of the file that was loaded and of its Scorer.

    Raises:
        ValueError: if the model does not fit the data, or takes samples and
            has no counterpart.
    """
    path = pathlib.Path(path)
    info = ModelInfo.read(path)
    info.check_matches(dataset)
    scorer = scorers.load_scorer(
        path, info.frontend, info.clip_seconds, len(info.class_map)
    )
    if scorer.num_frames is not None:
        return path, scorer
    counterpart = output_directory.counterpart(path)
    if counterpart is None:
        raise ValueError(
            f"{path} takes waveforms, and the data have log-mel spectrograms, "
            f"as has no file of this mode in the {EXPORT_REPORT} beside it. "
            "Export this mode with --log_mel_modes too, or choose the "
            "thresholds of the `.keras`, and name them with "
            "`predict --thresholds=FILE`."
        )
    return load(counterpart, dataset)


def choose(
    scorer: Scorer, data, batch_size: int, config: ThresholdSettings
) -> tuple[tuple[ThresholdChoice, ...], dict]:
    """Chooses thresholds on the validation split.

    Args:
        scorer: Scorer of a model that takes log-mel spectrograms.
        data: PreprocessedData.
        batch_size: int. Clips in a batch.
        config: ThresholdSettings.

    Returns:
        tuple of the choice for each class, and of a dict of JSON types: how
        they were made, and what they reach.
    """
    scores, labels = evaluator.predict_batches(
        lambda clips: log_mel_windows.score_clips(
            scorer.score_log_mel, clips, scorer.num_frames
        ),
        data.batches(SPLIT, batch_size),
    )
    choices = thresholds.choose_thresholds(scores, labels, config)
    return choices, {
        **config.to_json(),
        "split": SPLIT,
        "num_clips": len(labels),
        "data_fingerprint": data.info.fingerprint,
        **thresholds.report(choices, data.info.class_map),
    }
