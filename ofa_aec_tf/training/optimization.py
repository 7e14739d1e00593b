"""The optimizer of a run and its learning rate."""

import dataclasses

import keras

from ofa_aec_tf.choices import check_choice

SCHEDULES = ("constant", "cosine")


@dataclasses.dataclass(frozen=True)
class OptimizerConfig:
    """Settings of Adam.

    Args:
        learning_rate: float. Peak of the schedule.
        schedule: one of `SCHEDULES`, after the warm-up.
        warmup_steps: int. Linear warm-up from 0.
        clip_norm: float. Largest global norm of the gradients; 0 is no limit.
    """

    learning_rate: float = 1e-3
    schedule: str = "constant"
    warmup_steps: int = 0
    clip_norm: float = 0.0

    def __post_init__(self):
        check_choice("schedule", self.schedule, SCHEDULES)
        for name in ("warmup_steps", "clip_norm"):
            if getattr(self, name) < 0:
                raise ValueError(
                    f"`{name}` must be at least 0. "
                    f"Received: {name}={getattr(self, name)}"
                )
        if self.learning_rate <= 0:
            raise ValueError(
                "`learning_rate` must be positive. "
                f"Received: learning_rate={self.learning_rate}"
            )


def learning_rate(config: OptimizerConfig, num_steps: int):
    """The learning rate of a run: a number, or a schedule of the step.

    Args:
        config: OptimizerConfig.
        num_steps: int. Steps of the whole run.
    """
    if config.schedule == "constant" and not config.warmup_steps:
        return config.learning_rate
    # With `alpha` 1 the cosine is a constant, which leaves the warm-up.
    decay_steps = max(num_steps - config.warmup_steps, 1)
    alpha = 1.0 if config.schedule == "constant" else 0.0
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


def make_optimizer(
    config: OptimizerConfig, num_steps: int
) -> keras.optimizers.Optimizer:
    """The optimizer of a run.

    Args:
        config: OptimizerConfig.
        num_steps: int. Steps of the whole run.
    """
    return keras.optimizers.Adam(
        learning_rate(config, num_steps),
        global_clipnorm=config.clip_norm or None,
    )
