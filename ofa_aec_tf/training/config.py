"""Settings of a training run, which need no TensorFlow."""

import dataclasses

from ofa_aec_tf.checks.settings import REQUIRED
from ofa_aec_tf.checks.settings import Settings
from ofa_aec_tf.checks.settings import setting
from ofa_aec_tf.data.augmentation_config import AugmentationConfig
from ofa_aec_tf.data.sampling import SAMPLINGS
from ofa_aec_tf.data.sampling import UNIFORM
from ofa_aec_tf.runs.compute_options import ALGORITHMS
from ofa_aec_tf.runs.compute_options import PRECISIONS
from ofa_aec_tf.training.stages import STAGES
from ofa_aec_tf.training.stages import stages_that

CONSTANT = "constant"
COSINE = "cosine"
STEP = "step"
PLATEAU = "plateau"

_FEWEST_SUBNETS = {"uniform": 1, "sandwich": 2}
SAMPLING_RULES = tuple(_FEWEST_SUBNETS)

_SUPERNETS = {"stage": stages_that(is_supernet=True)}
_NETWORKS = {"stage": stages_that(is_supernet=False)}


@dataclasses.dataclass(frozen=True)
class OptimizerConfig(Settings):
    """Settings of Adam."""

    learning_rate: float = setting(
        1e-3, "Learning rate of Adam, the peak of the schedule.", above=0
    )
    schedule: str = setting(
        CONSTANT,
        "Learning rate after the warm-up. `step` lowers it at set epochs, "
        "`plateau` when the validation mAP stops improving; for a supernet, "
        "the mean mAP of its smallest and its largest subnet.",
        choices=(CONSTANT, COSINE, STEP, PLATEAU),
    )
    warmup_steps: int = setting(
        0, "Steps of linear learning-rate warm-up.", at_least=0
    )
    decay_factor: float = setting(
        0.5,
        "What --schedule=step and plateau multiply the learning rate by.",
        above=0,
        below=1,
        when={"schedule": (STEP, PLATEAU)},
    )
    decay_start_epoch: int = setting(
        10,
        "Epochs after which --schedule=step first lowers the learning rate.",
        at_least=1,
        when={"schedule": (STEP,)},
    )
    decay_every_epochs: int = setting(
        5,
        "Epochs from then on after which --schedule=step lowers it again.",
        at_least=1,
        when={"schedule": (STEP,)},
    )
    plateau_patience: int = setting(
        2,
        "Epochs without a better validation mAP after which "
        "--schedule=plateau lowers the learning rate. Keras counts the same "
        "way; PyTorch waits for one epoch more.",
        at_least=1,
        when={"schedule": (PLATEAU,)},
    )
    clip_norm: float = setting(
        0.0, "Largest global norm of the gradients; 0 is no limit.", at_least=0
    )
    beta_1: float = setting(
        0.9,
        "Decay of Adam's running mean of the gradients.",
        at_least=0,
        below=1,
        flag="adam_beta_1",
    )
    weight_decay: float = setting(
        0.0,
        "L2 penalty: this share of each weight is added to its gradient, as in "
        "PyTorch's Adam. It is not decoupled, as Keras's is.",
        at_least=0,
    )
    accumulation_steps: int = setting(
        1,
        "Batches whose mean gradient makes one update, where memory is too "
        "small for a larger --batch_size. Batch normalization sees each alone.",
        at_least=1,
    )
    ema_decay: float = setting(
        0.0,
        "Save the exponential moving average of the weights, with this decay "
        "per step, such as 0.999; 0 is no average.",
        at_least=0,
        below=1,
    )


@dataclasses.dataclass(frozen=True)
class LossConfig(Settings):
    """What a network learns from: labels, a teacher, or both."""

    label_weight: float = setting(
        1.0,
        "Weight of the labels in the loss; the teacher has the rest. By "
        "default 0 if there is a teacher, else 1.",
        at_least=0,
        at_most=1,
    )
    temperature: float = setting(
        1.0,
        "Divides the logits of the teacher, and of the teacher only.",
        above=0,
    )
    label_smoothing: float = setting(
        0.0,
        "How far labels are moved towards one half, or with a softmax towards "
        "equal shares of the classes.",
        at_least=0,
        below=1,
    )


LABELS_ONLY = LossConfig()
TEACHER_ONLY = LossConfig(label_weight=0.0)


@dataclasses.dataclass(frozen=True)
class TrainConfig(Settings):
    """Settings of a training run."""

    stage: str = setting(
        REQUIRED,
        "What to train: a teacher on labels; a supernet; one subnet with a "
        "teacher (kd) or on labels alone (scratch); or a saved network further "
        "(finetune).",
        choices=tuple(STAGES),
    )
    seed: int = setting(
        0,
        "Seed of weights, data order, augmentation and subnets.",
        at_least=0,
        at_most=2**31 - 1,
    )
    num_steps: int = setting(
        1000, "Batches to train on, those of the warm-up included.", at_least=1
    )
    steps_per_epoch: int = setting(
        100, "Steps between two validations and checkpoints.", at_least=1
    )
    batch_size: int = setting(64, "Clips per step.", at_least=1)
    sampling: str = setting(
        UNIFORM,
        "How training clips are drawn: each once per pass; or every class "
        "equally often, as PANNs does; or with replacement, by weights that "
        "are larger for rarer classes, as PSLA does.",
        choices=SAMPLINGS,
    )
    optimizer: OptimizerConfig = OptimizerConfig()
    loss: LossConfig = LABELS_ONLY
    augmentation: AugmentationConfig = AugmentationConfig()
    average_from_epoch: int = setting(
        0,
        "Save the mean of the weights after this epoch, counted from 1, and "
        "after all later ones; 0 is no average.",
        at_least=0,
    )
    num_subnets: int = setting(
        4, "Subnets per step.", at_least=1, when=_SUPERNETS
    )
    sampling_rule: str = setting(
        "uniform",
        "How the subnets of a step are drawn: all at random; or the largest, "
        "the smallest and others at random (sandwich).",
        choices=SAMPLING_RULES,
        when=_SUPERNETS,
    )
    largest_steps: int = setting(
        0,
        "First steps, which train the largest subnet alone.",
        at_least=0,
        when=_SUPERNETS,
    )
    block_dropout: float = setting(
        0.0, "Dropout after each block.", at_least=0, below=1, when=_NETWORKS
    )
    head_dropout: float = setting(
        0.0, "Dropout in the head.", at_least=0, below=1, when=_NETWORKS
    )
    precision: str = setting(
        "auto",
        "Compute type. `auto` is what the machine multiplies fastest at the "
        "network's widths.",
        choices=PRECISIONS,
    )
    convolution: str = setting(
        "auto",
        "How the convolutions of CNN10s compute. `auto` is Winograd's "
        "algorithm, which multiplies less, where that is faster.",
        choices=ALGORITHMS,
    )
    num_validation_clips: int = setting(
        0, "Clips per validation, at most; 0 is all.", at_least=0
    )
    num_calibration_clips: int = setting(
        256,
        "Training clips, at most, that estimate batch normalization "
        "statistics: of the subnets that are validated, and of a network with "
        "--calibrate_batch_norm.",
        at_least=1,
    )
    calibrate_batch_norm: bool = setting(
        False,
        "Validate and save a network with batch normalization statistics of "
        "training clips without augmentation: its moving statistics are of "
        "augmented clips. The subnets of a supernet always have such.",
        when=_NETWORKS,
    )
    skip_corrupt: bool = False

    def __post_init__(self):
        super().__post_init__()
        check_num_subnets(self.sampling_rule, self.num_subnets)
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
                ": otherwise no other subnet is ever trained. "
                f"Received: largest_steps={self.largest_steps}"
            )
        self._check_loss()
        self._check_epochs()

    def _check_loss(self):
        weight = self.loss.label_weight
        for name, matters in (
            ("temperature", weight < 1),
            ("label_smoothing", weight > 0),
        ):
            value = getattr(self.loss, name)
            if value != getattr(LABELS_ONLY, name) and not matters:
                raise ValueError(
                    f"--{name} has no part in a loss with a label weight of "
                    f"{weight:g}. Change --label_weight, or leave it out. "
                    f"Received: --{name}={value}"
                )

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
                "A run has one average of its weights: the mean over epochs or "
                "the exponential one over steps. Received: "
                f"average_from_epoch={self.average_from_epoch}, "
                f"ema_decay={self.optimizer.ema_decay}"
            )
        if (
            self.optimizer.schedule == STEP
            and self.optimizer.decay_start_epoch >= self.num_epochs
        ):
            raise ValueError(
                "`decay_start_epoch` must be less than the number of epochs, "
                f"{self.num_epochs}: later, no step uses the lower learning "
                "rate. Received: "
                f"decay_start_epoch={self.optimizer.decay_start_epoch}"
            )

    @property
    def num_epochs(self) -> int:
        """Validations and checkpoints of the run."""
        return self.num_steps // self.steps_per_epoch


def check_num_subnets(sampling_rule: str, num_subnets: int) -> None:
    """Refuses too few subnets for a rule.

    Args:
        sampling_rule: one of `SAMPLING_RULES`.
        num_subnets: int. Subnets per step.

    Raises:
        ValueError: if the rule needs more.
    """
    fewest = _FEWEST_SUBNETS[sampling_rule]
    if num_subnets < fewest:
        raise ValueError(
            f"The {sampling_rule} rule needs at least {fewest} subnets per "
            f"step. Received: num_subnets={num_subnets}"
        )
