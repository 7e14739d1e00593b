"""Teachers: functions from a batch to what they say of it."""

from collections.abc import Callable
from collections.abc import Sequence

import tensorflow as tf

Teacher = Callable[
    [dict[str, tf.Tensor]], tuple[list[tf.Tensor], tf.Tensor | None]
]


def network_teacher(networks: Sequence[Callable]) -> Teacher:
    """A teacher that is one network or several.

    Args:
        networks: sequence of functions from log-mel spectrograms to logits,
            as `load_teacher` returns them.

    Returns:
        Function from a batch to `(logits, None)`, a list of tensors of shape
        (batch, num_classes), one a network.
    """
    return lambda batch: (
        [network(batch["log_mel"]) for network in networks],
        None,
    )
