"""Loading a teacher."""

from ofa_aec_tf.models import registry
from ofa_aec_tf.models.inference_twin import build_inference_twin
from ofa_aec_tf.models.keras_files import load_keras_file
from ofa_aec_tf.models.logits import logits_model


def load_teacher(path, details, algorithm="auto"):
    """Loads a trained network as a teacher.

    Args:
        path: path of a `.keras` file with a layer named `logits`.
        details: dict, the details of its ModelInfo. Where they name a family,
            the teacher runs as its folded twin, in the precision in scope.
        algorithm: how convolutions of a known family compute, as in
            ElasticConv2D.

    Returns:
        Callable from log-mel spectrograms, float32 of shape (batch,
        num_frames, num_mel_bins), to logits. It runs in inference mode.

    Raises:
        ValueError: if the network has no layer named `logits`.
    """
    teacher = load_keras_file(path)
    if "family" in details and "subnet" in details:
        family = registry.family_from_json(details["family"])
        teacher = build_inference_twin(
            family, details["subnet"], teacher, algorithm
        )
    logits = logits_model(teacher)
    logits.trainable = False
    return lambda log_mel: logits(log_mel, training=False)
