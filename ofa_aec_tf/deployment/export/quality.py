"""Metrics of exported files, and how much quality they may lose."""

import dataclasses
from collections.abc import Callable

from ofa_aec_tf.checks import settings
from ofa_aec_tf.checks.settings import setting
from ofa_aec_tf.data import dataset_info
from ofa_aec_tf.data.dataset_info import DatasetInfo
from ofa_aec_tf.deployment import log_mel_windows
from ofa_aec_tf.deployment.export import fidelity_checks
from ofa_aec_tf.evaluation import evaluator
from ofa_aec_tf.evaluation import metrics

_DEFAULT_SPLIT = "test"
_BATCH_SIZE = 16


@dataclasses.dataclass(frozen=True)
class QualitySettings(settings.Settings):
    """Which clips an export is evaluated on, and the limit of its loss."""

    evaluate_dir: str | None = setting(
        None,
        "Preprocessed data to evaluate the Keras model and each file on; by "
        "default --data_dir where --evaluate_split is given.",
        is_path=True,
    )
    evaluate_split: str | None = setting(
        None,
        f"Its split; with --evaluate_dir {_DEFAULT_SPLIT}, else none.",
        choices=dataset_info.SPLITS,
    )
    max_map_drop: float = setting(
        0.02,
        "The export fails if a file loses more mAP than this on that split; "
        "0.01 is one point.",
        at_least=0,
    )

    @property
    def split(self) -> str | None:
        """The split to evaluate on; None if nothing is evaluated."""
        if self.evaluate_split is None and self.evaluate_dir is not None:
            return _DEFAULT_SPLIT
        return self.evaluate_split


class QualityCheck:
    """Evaluates networks, and refuses those that lost too much.

    Args:
        data: PreprocessedData.
        split: str.
        max_map_drop: float. How much lower the mAP of a file may be than that
            of the Keras model.
    """

    def __init__(self, data, split: str, max_map_drop: float):
        data.info.split(split)
        self._data = data
        self.split = split
        self._max_map_drop = max_map_drop

    @property
    def dataset(self) -> DatasetInfo:
        """DatasetInfo of the clips."""
        return self._data.info

    def metrics(self, score_fn: Callable, num_frames: int) -> dict:
        """Metrics of a model, without those of each class.

        Args:
            score_fn: function from log-mel spectrograms, float32 of shape
                (any, num_frames, num_mel_bins), to scores.
            num_frames: int. Frames that it takes.
        """
        results = evaluator.evaluate(
            lambda clips: metrics.scores_to_logits(
                log_mel_windows.score_clips(score_fn, clips, num_frames)
            ),
            self._data.batches(self.split, _BATCH_SIZE),
            self.dataset.class_map,
            self.dataset.label_type,
        )
        del results["per_class"]
        return results

    def checked(self, mode, file, num_frames: int, reference_metrics):
        """The file with its metrics.

        Args:
            mode: str. How it is quantized, for messages.
            file: ExportedFile on log-mel spectrograms.
            num_frames: int. Frames that it takes.
            reference_metrics: dict. Metrics of the Keras model.

        Raises:
            ValueError: if its mAP is lower than is allowed.
        """
        found = self.metrics(file.runner.predict, num_frames)
        fidelity_checks.check_quality(
            reference_metrics["mAP"], found["mAP"], self._max_map_drop, mode
        )
        return dataclasses.replace(file, metrics=found)
