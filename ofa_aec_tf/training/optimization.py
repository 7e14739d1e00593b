"""The optimizer of a run and its learning rate.

A step is a batch everywhere: with accumulated gradients, the schedule goes on
with the steps between two updates.
"""

import dataclasses

import keras
import tensorflow as tf

from ofa_aec_tf.checks.argument_checks import check_at_least
from ofa_aec_tf.checks.argument_checks import check_below_one
from ofa_aec_tf.checks.argument_checks import check_choice
from ofa_aec_tf.checks.argument_checks import check_is_finite

CONSTANT = "constant"
COSINE = "cosine"
STEP = "step"
PLATEAU = "plateau"
SCHEDULES = (CONSTANT, COSINE, STEP, PLATEAU)


@dataclasses.dataclass(frozen=True)
class OptimizerConfig:
    """Settings of Adam.

    Args:
        learning_rate: float. Peak of the schedule.
        schedule: one of `SCHEDULES`, after the warm-up: constant; cosine;
            lower by a factor after some epochs and then after every few; or
            lower by a factor whenever the validation gets no better.
        warmup_steps: int. Linear warm-up from 0.
        decay_factor: float in (0, 1). Of `STEP` and `PLATEAU`.
        decay_start_epoch: int. `STEP` lowers the rate after so many epochs,
        decay_every_epochs: int. and again after every so many more.
        plateau_patience: int. `PLATEAU` lowers the rate after so many epochs
            that are no better than the best one.
        clip_norm: float. Largest global norm of the gradients; 0 is no limit.
        beta_1: float in [0, 1). Decay of Adam's mean of the gradients.
        weight_decay: float. So much of each weight is added to its gradient,
            as in the Adam of PyTorch; not decoupled, as in that of Keras.
        accumulation_steps: int. Steps whose mean gradient makes an update.
        ema_decay: float in [0, 1). Decay a step of the exponential moving
            average of the weights; 0 is none.
    """

    learning_rate: float = 1e-3
    schedule: str = CONSTANT
    warmup_steps: int = 0
    decay_factor: float = 0.5
    decay_start_epoch: int = 10
    decay_every_epochs: int = 5
    plateau_patience: int = 2
    clip_norm: float = 0.0
    beta_1: float = 0.9
    weight_decay: float = 0.0
    accumulation_steps: int = 1
    ema_decay: float = 0.0

    def __post_init__(self):
        check_choice("schedule", self.schedule, SCHEDULES)
        check_is_finite(self)
        check_at_least(
            self,
            {
                "warmup_steps": 0,
                "decay_start_epoch": 1,
                "decay_every_epochs": 1,
                "plateau_patience": 1,
                "clip_norm": 0,
                "weight_decay": 0,
                "accumulation_steps": 1,
            },
        )
        check_below_one(self, "beta_1", "ema_decay")
        if not 0 < self.decay_factor < 1:
            raise ValueError(
                "`decay_factor` must be between 0 and 1. "
                f"Received: decay_factor={self.decay_factor}"
            )
        if self.learning_rate <= 0:
            raise ValueError(
                "`learning_rate` must be positive. "
                f"Received: learning_rate={self.learning_rate}"
            )


def _warm_up_share(step, warmup_steps):
    """What grows from 0 to 1 over the first steps, and stays 1."""
    if not warmup_steps:
        return 1.0
    return tf.minimum(tf.cast(step, tf.float32) / warmup_steps, 1.0)


class _WarmUp(keras.optimizers.schedules.LearningRateSchedule):
    """Another schedule, whose first steps come after a start from 0.

    Args:
        schedule: LearningRateSchedule.
        warmup_steps: int.
    """

    def __init__(self, schedule, warmup_steps):
        super().__init__()
        self._schedule = schedule
        self._warmup_steps = warmup_steps

    def __call__(self, step):
        return self._schedule(step) * _warm_up_share(step, self._warmup_steps)


class AdjustableRate(keras.optimizers.schedules.LearningRateSchedule):
    """A learning rate that is set from outside, after a warm-up.

    Args:
        learning_rate: float. What it is at first.
        warmup_steps: int.

    Attributes:
        peak: tf.Variable. What it is from the end of the warm-up on.
    """

    def __init__(self, learning_rate, warmup_steps):
        super().__init__()
        self.peak = tf.Variable(learning_rate, trainable=False)
        self._warmup_steps = warmup_steps

    def __call__(self, step):
        return self.peak * _warm_up_share(step, self._warmup_steps)


def learning_rate(
    config: OptimizerConfig, num_steps: int, steps_per_epoch: int
):
    """The learning rate of a run: a number, or a schedule of the step.

    Args:
        config: OptimizerConfig.
        num_steps: int. Steps of the whole run.
        steps_per_epoch: int.
    """
    if config.schedule == PLATEAU:
        return AdjustableRate(config.learning_rate, config.warmup_steps)
    if config.schedule == STEP:
        return _WarmUp(
            _step_schedule(config, num_steps, steps_per_epoch),
            config.warmup_steps,
        )
    if config.schedule == CONSTANT and not config.warmup_steps:
        return config.learning_rate
    # With `alpha` 1 the cosine is a constant, which leaves the warm-up.
    decay_steps = max(num_steps - config.warmup_steps, 1)
    alpha = 1.0 if config.schedule == CONSTANT else 0.0
    if not config.warmup_steps:
        return keras.optimizers.schedules.CosineDecay(
            config.learning_rate, decay_steps, alpha=alpha
        )
    return keras.optimizers.schedules.CosineDecay(
        0.0,
        decay_steps,
        alpha=alpha,
        warmup_target=config.learning_rate,
        warmup_steps=config.warmup_steps,
    )


def _step_schedule(config, num_steps, steps_per_epoch):
    ends = range(
        config.decay_start_epoch * steps_per_epoch,
        num_steps,
        config.decay_every_epochs * steps_per_epoch,
    )
    return keras.optimizers.schedules.PiecewiseConstantDecay(
        # The last step before, which Keras counts to the piece that ends.
        [end - 1 for end in ends],
        [
            config.learning_rate * config.decay_factor**number
            for number in range(len(ends) + 1)
        ],
    )


class L2Adam(keras.optimizers.Adam):
    """Adam with a penalty on the squares of the weights in its gradients.

    Args:
        l2_penalty: float. So much of each weight is added to its gradient,
            after clipping.
        **kwargs: of keras.optimizers.Adam.
    """

    def __init__(self, *args, l2_penalty, **kwargs):
        super().__init__(*args, **kwargs)
        self.l2_penalty = l2_penalty

    def update_step(self, gradient, variable, learning_rate):
        """As that of Adam."""
        gradient = gradient + self.l2_penalty * tf.cast(
            variable, gradient.dtype
        )
        super().update_step(gradient, variable, learning_rate)


def make_optimizer(config: OptimizerConfig, rate) -> keras.optimizers.Optimizer:
    """The optimizer of a run.

    Args:
        config: OptimizerConfig.
        rate: what `learning_rate` returns.
    """
    options = {
        "beta_1": config.beta_1,
        "global_clipnorm": config.clip_norm or None,
        "use_ema": config.ema_decay > 0,
        "ema_momentum": config.ema_decay,
    }
    if config.accumulation_steps > 1:
        options["gradient_accumulation_steps"] = config.accumulation_steps
    if not config.weight_decay:
        return keras.optimizers.Adam(rate, **options)
    return L2Adam(rate, l2_penalty=config.weight_decay, **options)
