"""Teachers: functions from a batch to logits to learn from."""

import contextlib
import dataclasses
from collections.abc import Callable
from collections.abc import Mapping
from collections.abc import Sequence

import tensorflow as tf

from ofa_aec_tf.families import networks
from ofa_aec_tf.families import registry
from ofa_aec_tf.models.keras_files import load_keras_file
from ofa_aec_tf.models.logits import logits_model
from ofa_aec_tf.models.logits import score_activation
from ofa_aec_tf.models.precision import precision_scope
from ofa_aec_tf.models.precision import resolve_precision
from ofa_aec_tf.models.score_activations import SIGMOID


@dataclasses.dataclass(frozen=True)
class NetworkTeacher:
    """One or several networks that run on every batch.

    Args:
        networks: sequence of functions from log-mel spectrograms to logits,
            as `load_teacher` returns them.
    """

    networks: Sequence[Callable[[tf.Tensor], tf.Tensor]]
    knows_all = True

    def __call__(
        self, batch: Mapping[str, tf.Tensor]
    ) -> tuple[list[tf.Tensor], None]:
        """The logits of the networks.

        Args:
            batch: dict of tensors, of `make_train_dataset`.

        Returns:
            `(logits, None)`: for each network a tensor of shape (batch,
            num_classes).
        """
        return [network(batch["log_mel"]) for network in self.networks], None


@dataclasses.dataclass(frozen=True)
class StoredTeacher:
    """Teachers whose stored logits come with the batch."""

    knows_all = False

    def __call__(
        self, batch: Mapping[str, tf.Tensor]
    ) -> tuple[list[tf.Tensor], tf.Tensor]:
        """The stored logits.

        Args:
            batch: dict of tensors, of `make_train_dataset`.

        Returns:
            `(logits, is_taught)`: logits as those of NetworkTeacher, and a
            bool tensor of shape (batch,), False for clips without any.
        """
        return tf.unstack(batch["teacher_logits"], axis=1), batch["is_taught"]


Teacher = NetworkTeacher | StoredTeacher


def load_teacher(
    path, details, activation=SIGMOID, algorithm="auto", precision=None
):
    """Loads a trained network as a teacher.

    Args:
        path: path of a `.keras` file with a layer named `logits`.
        details: dict, the details of its ModelInfo. If they name a family,
            the teacher runs as its folded twin.
        activation: one of `SCORE_ACTIVATIONS`, the student's.
        algorithm: how convolutions of a known family compute, as in
            ElasticConv2D.
        precision: one of `PRECISIONS`, in which the twin computes; `auto`
            suits the teacher, not its student. None is the one in scope.

    Returns:
        Callable from log-mel spectrograms, float32 of shape (batch,
        num_frames, num_mel_bins), to logits. It runs in inference mode.

    Raises:
        ValueError: if the network has no layer named `logits`, or another
            activation behind it.
    """
    teacher = load_keras_file(path)
    if score_activation(teacher) != activation:
        raise ValueError(
            "The scores of a teacher and its student must come from the same "
            f"activation, here a {activation}. Received: {path}, which ends in "
            f"a {score_activation(teacher)}. Train either with the "
            "--score_activation of the other."
        )
    if "family" in details and "subnet" in details:
        family = registry.family_from_json(details["family"])
        with _precision_scope(precision, family, details["subnet"]):
            twin = logits_model(
                networks.builders(family).build_inference_twin(
                    details["subnet"], teacher, algorithm
                )
            )
        return lambda log_mel: _in_halves(twin, log_mel)
    logits = logits_model(teacher)
    logits.trainable = False
    return lambda log_mel: logits(log_mel, training=False)


def _precision_scope(precision, family, subnet):
    if precision is None:
        return contextlib.nullcontext()
    return precision_scope(
        resolve_precision(precision, family.fewest_filters(subnet or None))
    )


def _in_halves(network, log_mel):
    """The output of a network for a batch, which passes it in two halves.

    On a CPU they run side by side in a graph: while one waits for memory the
    other computes, which saves about 4 % of the time.
    """
    if tf.config.list_physical_devices("GPU"):
        return network(log_mel, training=False)
    num_clips = tf.shape(log_mel)[0]
    half = num_clips // 2
    # If odd, the middle clip is in both: no half may be empty.
    first = network(log_mel[: num_clips - half], training=False)
    second = network(log_mel[half:], training=False)
    return tf.concat([first[:half], second], axis=0)
