"""Short training of a quantization-aware network at a low learning rate."""

import dataclasses
from collections.abc import Callable
from collections.abc import Iterable

import numpy as np
import tensorflow as tf
from absl import logging

_LOG_EVERY_STEPS = 50


@dataclasses.dataclass(frozen=True)
class FineTuning:
    """How a quantized network is trained on.

    Args:
        batches: iterable of (log_mel, labels): float32 arrays of shapes
            (batch, num_frames, num_mel_bins), in dB, and (batch,
            num_classes). Only they can make a run differ from the last.
        loss_fn: function from `(log_mel, labels, logits)` to a scalar
            float32 tensor. It calls the teacher itself, if there is one.
        num_steps: int, at least 1. One batch each.
        learning_rate: float. Learning rate of Adam at the first step; it
            falls to 0 along a cosine.
    """

    batches: Iterable
    loss_fn: Callable
    num_steps: int
    learning_rate: float

    def __post_init__(self):
        if self.num_steps < 1 or not self.learning_rate > 0:
            raise ValueError(
                "Fine-tuning needs `num_steps` of at least 1 and a "
                "`learning_rate` above 0. Received: "
                f"num_steps={self.num_steps}, "
                f"learning_rate={self.learning_rate}"
            )


def fine_tune(quantized, fine_tuning, library):
    """Trains a quantization-aware network in place.

    Args:
        quantized: model of `library`, from log-mel spectrograms to logits.
        fine_tuning: FineTuning.
        library: module of the model, `keras` or `tf_keras`.

    Returns:
        list of float, the loss of each step before its update.

    Raises:
        ValueError: if there are fewer batches than steps, or a loss is not
            finite.
    """
    optimizer = library.optimizers.Adam(
        library.optimizers.schedules.CosineDecay(
            fine_tuning.learning_rate, fine_tuning.num_steps
        )
    )
    variables = quantized.trainable_variables
    optimizer.build(variables)

    @tf.function(reduce_retracing=True)
    def train_step(log_mel, labels):
        with tf.GradientTape() as tape:
            logits = quantized(log_mel, training=True)
            loss = fine_tuning.loss_fn(log_mel, labels, logits)
        gradients = tape.gradient(loss, variables)
        optimizer.apply_gradients(zip(gradients, variables))
        return loss

    losses = []
    for log_mel, labels in fine_tuning.batches:
        loss = float(train_step(tf.constant(log_mel), tf.constant(labels)))
        if not np.isfinite(loss):
            raise ValueError(
                f"The loss of fine-tuning step {len(losses) + 1} is {loss}. "
                "Lower the learning rate. Received: "
                f"learning_rate={fine_tuning.learning_rate}"
            )
        losses.append(loss)
        if len(losses) % _LOG_EVERY_STEPS == 0:
            logging.info(
                "quantization-aware step %d of %d: loss %.4f",
                len(losses),
                fine_tuning.num_steps,
                np.mean(losses[-_LOG_EVERY_STEPS:]),
            )
        if len(losses) == fine_tuning.num_steps:
            return losses
    raise ValueError(
        f"Fine-tuning needs a batch for each of its {fine_tuning.num_steps} "
        f"steps. Received: {len(losses)} batches"
    )
