"""Settings of a training run."""

import dataclasses

from ofa_aec_tf.checks.argument_checks import check_at_least
from ofa_aec_tf.checks.argument_checks import check_below_one
from ofa_aec_tf.checks.argument_checks import check_choice
from ofa_aec_tf.data.augmentation import AugmentationConfig
from ofa_aec_tf.data.sampling import SAMPLINGS
from ofa_aec_tf.layers.convolution import ALGORITHMS
from ofa_aec_tf.models.precision import PRECISIONS
from ofa_aec_tf.training.losses import LossConfig
from ofa_aec_tf.training.optimization import STEP
from ofa_aec_tf.training.optimization import OptimizerConfig
from ofa_aec_tf.training.subnet_sampler import FEWEST_SUBNETS
from ofa_aec_tf.training.subnet_sampler import SAMPLING_RULES

STAGES = ("teacher", "supernet", "kd", "scratch", "finetune")


@dataclasses.dataclass(frozen=True)
class TrainConfig:
    """Settings of a training run, validated.

    Args:
        stage: one of `STAGES`.
        seed: int. Of weights, data order, augmentation and subnets.
        num_steps: int. Batches that are trained on.
        steps_per_epoch: int. Between two validations and checkpoints.
        batch_size: int. Clips a step.
        optimizer: OptimizerConfig.
        loss: LossConfig.
        num_subnets: int. Subnets a step (supernet).
        sampling_rule: one of `SAMPLING_RULES` (supernet).
        largest_steps: int. Steps on the largest subnet alone (supernet).
        block_dropout: float. Dropout after blocks (not supernet).
        head_dropout: float. Dropout in the head (not supernet).
        precision: one of `PRECISIONS`.
        convolution: one of `ALGORITHMS`. How convolutions compute.
        num_validation_clips: int. Clips of a validation; 0 is all.
        num_calibration_clips: int. Training clips that estimate batch
            normalization statistics, at a validation of a supernet and by
            `calibrate_batch_norm`.
        calibrate_batch_norm: bool. Whether a network that is validated or
            saved gets batch normalization statistics of training clips as
            they are, instead of moving ones (not supernet).
        sampling: one of `SAMPLINGS`. How the clips of a step are drawn.
        skip_corrupt: bool. Whether damaged records are left out.
        average_from_epoch: int. The weights after this epoch, counted from 1,
            and after all later ones are averaged; 0 is no average.
        augmentation: AugmentationConfig.
    """

    stage: str
    seed: int
    num_steps: int
    steps_per_epoch: int
    batch_size: int
    optimizer: OptimizerConfig
    loss: LossConfig
    num_subnets: int
    sampling_rule: str
    largest_steps: int
    block_dropout: float
    head_dropout: float
    precision: str
    convolution: str
    num_validation_clips: int
    num_calibration_clips: int
    calibrate_batch_norm: bool
    sampling: str
    skip_corrupt: bool
    average_from_epoch: int
    augmentation: AugmentationConfig

    def __post_init__(self):
        for name, choices in (
            ("stage", STAGES),
            ("sampling_rule", SAMPLING_RULES),
            ("precision", PRECISIONS),
            ("convolution", ALGORITHMS),
            ("sampling", SAMPLINGS),
        ):
            check_choice(name, getattr(self, name), choices)
        check_at_least(
            self,
            {
                "num_steps": 1,
                "steps_per_epoch": 1,
                "batch_size": 1,
                "largest_steps": 0,
                "num_validation_clips": 0,
                "num_calibration_clips": 1,
                "average_from_epoch": 0,
                "seed": 0,
            },
        )
        fewest_subnets = FEWEST_SUBNETS[self.sampling_rule]
        if self.num_subnets < fewest_subnets:
            raise ValueError(
                f"The {self.sampling_rule} rule needs at least "
                f"{fewest_subnets} subnets a step. "
                f"Received: num_subnets={self.num_subnets}"
            )
        check_below_one(self, "block_dropout", "head_dropout")
        if self.num_steps % self.steps_per_epoch:
            raise ValueError(
                "`num_steps` must be a multiple of `steps_per_epoch`, after "
                "which the run is validated and saved. Received: "
                f"num_steps={self.num_steps}, "
                f"steps_per_epoch={self.steps_per_epoch}"
            )
        if self.optimizer.warmup_steps > self.num_steps:
            raise ValueError(
                f"`warmup_steps` must not exceed num_steps={self.num_steps}. "
                f"Received: warmup_steps={self.optimizer.warmup_steps}"
            )
        if self.largest_steps >= self.num_steps:
            raise ValueError(
                f"`largest_steps` must be less than num_steps={self.num_steps}"
                ": else no other subnet is ever trained. "
                f"Received: largest_steps={self.largest_steps}"
            )
        self._check_epochs()

    def _check_epochs(self):
        if self.steps_per_epoch % self.optimizer.accumulation_steps:
            raise ValueError(
                "`steps_per_epoch` must be a multiple of `accumulation_steps`, "
                "so that an epoch ends with an update. Received: "
                f"steps_per_epoch={self.steps_per_epoch}, "
                f"accumulation_steps={self.optimizer.accumulation_steps}"
            )
        if self.average_from_epoch > self.num_epochs:
            raise ValueError(
                "`average_from_epoch` must not exceed the number of epochs, "
                f"{self.num_epochs}. "
                f"Received: average_from_epoch={self.average_from_epoch}"
            )
        if self.average_from_epoch and self.optimizer.ema_decay:
            raise ValueError(
                "Weights have one average: the mean over epochs or the "
                "exponential one over steps. Received: "
                f"average_from_epoch={self.average_from_epoch}, "
                f"ema_decay={self.optimizer.ema_decay}"
            )
        if (
            self.optimizer.schedule == STEP
            and self.optimizer.decay_start_epoch >= self.num_epochs
        ):
            raise ValueError(
                "`decay_start_epoch` must be less than the number of epochs, "
                f"{self.num_epochs}: later, the learning rate matters no more. "
                "Received: "
                f"decay_start_epoch={self.optimizer.decay_start_epoch}"
            )

    @property
    def num_epochs(self) -> int:
        """Validations and checkpoints of the run."""
        return self.num_steps // self.steps_per_epoch

    def to_json(self) -> dict:
        """This configuration as a dict of JSON types."""
        return dataclasses.asdict(self)
