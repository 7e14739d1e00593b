"""Teachers: functions from a batch to what they say of it."""

import dataclasses
from collections.abc import Callable
from collections.abc import Mapping
from collections.abc import Sequence

import tensorflow as tf


@dataclasses.dataclass(frozen=True)
class NetworkTeacher:
    """One network or several that listen to every batch.

    Args:
        networks: sequence of functions from log-mel spectrograms to logits,
            as `load_teacher` returns them.
    """

    networks: Sequence[Callable[[tf.Tensor], tf.Tensor]]
    knows_all = True

    def __call__(
        self, batch: Mapping[str, tf.Tensor]
    ) -> tuple[list[tf.Tensor], None]:
        """What the networks say of a batch.

        Args:
            batch: dict of tensors, of `make_train_dataset`.

        Returns:
            `(logits, None)`, a list of tensors of shape (batch, num_classes),
            one a network.
        """
        return [network(batch["log_mel"]) for network in self.networks], None


@dataclasses.dataclass(frozen=True)
class StoredTeacher:
    """Teachers whose logits come with the batch, where they are known."""

    knows_all = False

    def __call__(
        self, batch: Mapping[str, tf.Tensor]
    ) -> tuple[list[tf.Tensor], tf.Tensor]:
        """What is known of a batch.

        Args:
            batch: dict of tensors, of `make_train_dataset`.

        Returns:
            `(logits, is_taught)`: logits as those of NetworkTeacher, and a
            bool tensor of shape (batch,).
        """
        return tf.unstack(batch["teacher_logits"], axis=1), batch["is_taught"]


Teacher = NetworkTeacher | StoredTeacher
