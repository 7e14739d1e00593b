"""Evaluation for `export`: its flags, the clips, and the limit of a loss."""

import dataclasses
import math
from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Mapping

from absl import flags

from ofa_aec_tf.command_flags import path_flags
from ofa_aec_tf.data import dataset_info
from ofa_aec_tf.data import input_pipeline
from ofa_aec_tf.deployment import export_checks
from ofa_aec_tf.deployment import log_mel_windows
from ofa_aec_tf.deployment.exporter import ExportedFile
from ofa_aec_tf.evaluation import evaluator
from ofa_aec_tf.evaluation import metrics

_DEFAULT_SPLIT = "test"
_BATCH_SIZE = 16

_EVALUATE_DIR = path_flags.define_path(
    "evaluate_dir",
    None,
    "Preprocessed data to evaluate the Keras model and each file on; by "
    "default --data_dir where --evaluate_split is given.",
)
_EVALUATE_SPLIT = flags.DEFINE_enum(
    "evaluate_split",
    None,
    dataset_info.SPLITS,
    f"Its split; with --evaluate_dir {_DEFAULT_SPLIT}, else none.",
)
_MAX_MAP_DROP = flags.DEFINE_float(
    "max_map_drop",
    0.02,
    "The export fails if a file loses more mAP than this on that split; 0.01 "
    "is one point.",
    lower_bound=0.0,
)


@dataclasses.dataclass(frozen=True)
class Evaluation:
    """Clips to evaluate on.

    Args:
        data_dir: path of preprocessed data.
        dataset: DatasetInfo of it.
        split: str.
        skip_corrupt: bool. As in RandomAccessReader.
    """

    data_dir: str
    dataset: dataset_info.DatasetInfo
    split: str
    skip_corrupt: bool

    @classmethod
    def from_flags(cls, data_dir, skip_corrupt: bool) -> "Evaluation | None":
        """As the flags say, or None where they ask for none.

        Args:
            data_dir: path of the data to take by default.
            skip_corrupt: bool.

        Raises:
            ValueError: if there is no such data or split, or a limit is given
                and nothing to hold against it.
        """
        if not math.isfinite(_MAX_MAP_DROP.value):
            raise ValueError(
                "--max_map_drop must be a finite number. Received: "
                f"{_MAX_MAP_DROP.value}"
            )
        if _EVALUATE_DIR.value is None and _EVALUATE_SPLIT.value is None:
            if _MAX_MAP_DROP.present:
                raise ValueError(
                    "--max_map_drop goes with --evaluate_dir or "
                    "--evaluate_split: without them no mAP is measured."
                )
            return None
        data_dir = _EVALUATE_DIR.value or data_dir
        dataset = dataset_info.DatasetInfo.read(data_dir)
        split = _EVALUATE_SPLIT.value or _DEFAULT_SPLIT
        dataset.split(split)
        return cls(data_dir, dataset, split, skip_corrupt)

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
            input_pipeline.eval_batches(
                self.data_dir,
                self.dataset,
                self.split,
                _BATCH_SIZE,
                self.skip_corrupt,
            ),
            self.dataset.class_map,
            self.dataset.label_type,
        )
        return {name: v for name, v in results.items() if name != "per_class"}

    def checked(
        self,
        networks: Iterable[tuple[str, ExportedFile]],
        num_frames: int,
        reference_metrics: Mapping,
    ) -> Iterator[tuple[str, ExportedFile]]:
        """The same networks with their metrics.

        Args:
            networks: iterable of modes and files on log-mel spectrograms.
            num_frames: int. Frames that they take.
            reference_metrics: dict, those of the Keras model.

        Raises:
            ValueError: if one is worse than the flags allow.
        """
        for mode, network in networks:
            found = self.metrics(network.runner.predict, num_frames)
            export_checks.check_quality(
                reference_metrics["mAP"],
                found["mAP"],
                _MAX_MAP_DROP.value,
                mode,
            )
            yield mode, dataclasses.replace(network, metrics=found)
