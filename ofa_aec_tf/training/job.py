"""What a run is asked to do: its settings, data, network and inputs."""

import dataclasses
from collections.abc import Mapping

import tensorflow as tf

from ofa_aec_tf.data import input_pipeline
from ofa_aec_tf.data.dataset_info import DatasetInfo
from ofa_aec_tf.data.model_info import ModelInfo
from ofa_aec_tf.data.stored_logits import StoredLogits
from ofa_aec_tf.evaluation.batch_norm_calibration import split_into_batches
from ofa_aec_tf.families.family import Family
from ofa_aec_tf.models.precision import resolve_precision
from ofa_aec_tf.search_space.space import Subnet
from ofa_aec_tf.training import teachers
from ofa_aec_tf.training.config import TrainConfig
from ofa_aec_tf.training.inputs import VALIDATION_SPLIT
from ofa_aec_tf.training.inputs import TrainInputs
from ofa_aec_tf.training.stages import STAGES
from ofa_aec_tf.training.stages import Stage


@dataclasses.dataclass(frozen=True)
class TrainingJob:
    """A training, described: everything that decides its result.

    Args:
        config: TrainConfig.
        inputs: TrainInputs, whose models have passed `check_model`.
        data_dir: directory with `dataset.json`.
        dataset: DatasetInfo of that directory.
        family: the model family.
        subnet: Subnet to train; None for a supernet.
        network_options: mapping. Further arguments of the family's builder.
        deterministic: bool. Whether the result is repeatable bit for bit.

    Raises:
        ValueError: if the clips are too short for the network, or the stored
            logits do not fit.
    """

    config: TrainConfig
    inputs: TrainInputs
    data_dir: str
    dataset: DatasetInfo
    family: Family
    subnet: Subnet | None
    network_options: Mapping = dataclasses.field(default_factory=dict)
    deterministic: bool = False
    stored: StoredLogits | None = dataclasses.field(init=False, default=None)

    def __post_init__(self):
        self.family.complexity(self.subnet, self.dataset.num_frames)
        if self.inputs.stored_logits is not None:
            stored = StoredLogits(self.inputs.stored_logits)
            stored.check(
                self.dataset,
                self.config.augmentation,
                self.family.score_activation,
            )
            object.__setattr__(self, "stored", stored)

    @property
    def stage(self) -> Stage:
        """The stage of training."""
        return STAGES[self.config.stage]

    @property
    def precision(self) -> str:
        """The compute type, as `resolve_precision` returns it."""
        return resolve_precision(
            self.config.precision, self.family.fewest_filters(self.subnet)
        )

    def identity(self) -> dict:
        """What decides the result, for the record of the run."""
        return {
            "config": self.config.to_json(),
            "family": self.family.record(),
            "subnet": None if self.subnet is None else dict(self.subnet),
            "data_fingerprint": self.dataset.fingerprint,
            **self.inputs.identity(),
            **self.network_options,
            "deterministic": self.deterministic,
            "precision": self.precision,
        }

    def teacher(self) -> teachers.Teacher | None:
        """The teacher to learn from, loaded; None to learn from labels."""
        if not self.inputs.has_teacher:
            return None
        if self.stored is not None:
            return teachers.StoredTeacher()
        return teachers.NetworkTeacher(
            [
                teachers.load_teacher(
                    path,
                    ModelInfo.read(path).details,
                    self.family.score_activation,
                    self.config.convolution,
                    self.config.precision,
                )
                for path in self.inputs.teacher
            ]
        )

    def train_batches(self, first_step: int) -> tf.data.Dataset:
        """The batches from a step on, of `make_train_dataset`.

        Args:
            first_step: int.
        """
        return input_pipeline.make_train_dataset(
            self.data_dir,
            self.dataset,
            self.config.batch_size,
            first_step,
            self.config.num_steps,
            self.config.seed,
            self.config.augmentation,
            sampling=self.config.sampling,
            skip_corrupt=self.config.skip_corrupt,
            stored=self.stored,
        )

    @property
    def has_validation(self) -> bool:
        """Whether there are clips to validate on."""
        return self.dataset.has_split(VALIDATION_SPLIT)

    def validation_batches(self) -> tf.data.Dataset:
        """The clips to validate on, of `make_eval_dataset`."""
        return input_pipeline.make_eval_dataset(
            self.data_dir,
            self.dataset,
            VALIDATION_SPLIT,
            self.config.batch_size,
            self.config.num_validation_clips or None,
            skip_corrupt=self.config.skip_corrupt,
        )

    def calibration_batches(self) -> list:
        """Training clips that estimate batch normalization statistics.

        Returns:
            list of float32 arrays of shape (batch, num_frames, num_mel_bins).
        """
        log_mel, _, _ = input_pipeline.load_split(
            self.data_dir,
            self.dataset,
            "train",
            max_clips=self.config.num_calibration_clips,
            seed=self.config.seed,
            skip_corrupt=self.config.skip_corrupt,
        )
        return split_into_batches(log_mel, self.config.batch_size)
