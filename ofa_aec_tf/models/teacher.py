"""Loading a teacher."""

from ofa_aec_tf.models import registry
from ofa_aec_tf.models.keras_files import load_keras_file
from ofa_aec_tf.models.logits import logits_model
from ofa_aec_tf.models.training_twin import build_training_twin


def load_teacher(path, details):
    """Loads a trained network as a teacher.

    Args:
        path: path of a `.keras` file with a layer named `logits`.
        details: dict, the details of its ModelInfo. Where they name a family,
            the teacher runs as its fused twin, in the precision in scope.

    Returns:
        Callable from log-mel spectrograms, float32 of shape (batch,
        num_frames, num_mel_bins), to logits. It runs in inference mode.

    Raises:
        ValueError: if the network has no layer named `logits`.
    """
    teacher = load_keras_file(path)
    if "family" in details and "subnet" in details:
        family = registry.family_from_json(details["family"])
        twin = build_training_twin(family, details["subnet"])
        twin.set_weights(teacher.get_weights())
        teacher = twin
    logits = logits_model(teacher)
    logits.trainable = False
    return lambda log_mel: logits(log_mel, training=False)
