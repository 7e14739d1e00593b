"""The optimizer of a run and its learning rate.

A step is a batch everywhere: with accumulated gradients, the schedule advances
between updates too.
"""

import keras
import tensorflow as tf

from ofa_aec_tf.training.config import CONSTANT
from ofa_aec_tf.training.config import PLATEAU
from ofa_aec_tf.training.config import STEP
from ofa_aec_tf.training.config import OptimizerConfig


def _warm_up_share(step, warmup_steps):
    """The factor of a warm-up: from 0 to 1 over the first steps, then 1."""
    if not warmup_steps:
        return 1.0
    return tf.minimum(tf.cast(step, tf.float32) / warmup_steps, 1.0)


class _WarmUp(keras.optimizers.schedules.LearningRateSchedule):
    """Another schedule, with a linear warm-up from 0.

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
    """A learning rate that is set from outside, with a linear warm-up.

    Args:
        learning_rate: float. The initial peak.
        warmup_steps: int.

    Attributes:
        peak: tf.Variable. The rate after the warm-up.
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
        # Keras counts a boundary to the piece that it ends.
        [end - 1 for end in ends],
        [
            config.learning_rate * config.decay_factor**number
            for number in range(len(ends) + 1)
        ],
    )


class L2Adam(keras.optimizers.Adam):
    """Adam with an L2 penalty, which is not decoupled.

    Args:
        l2_penalty: float. The share of each weight that is added to its
            gradient, after clipping.
        **kwargs: arguments of keras.optimizers.Adam.
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
