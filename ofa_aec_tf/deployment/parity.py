"""How far the scores of an exported model are from those of the original."""

import dataclasses

import numpy as np

from ofa_aec_tf.evaluation.metrics import scores_to_logits

MAX_COPY_DIFFERENCE = 1e-5
# A float32 score of larger logits is 1. There a difference of logits would
# show the rounding of the last bit, not a difference of the models.
_MAX_ABSOLUTE_LOGIT = 16.0


@dataclasses.dataclass(frozen=True)
class Parity:
    """Difference between the scores of two models on the same clips.

    Args:
        num_clips: int.
        max_score_difference: float. Largest absolute difference.
        mean_score_difference: float. Mean absolute difference.
        logit_snr_db: float or None. Power of the reference's logits over the
            power of the difference, in dB. Unlike differences of scores, it
            weighs rare classes, whose scores are small, like all others.
            Logits are clipped to -16...16. None if all are equal, or if those
            of the reference are all 0.
    """

    num_clips: int
    max_score_difference: float
    mean_score_difference: float
    logit_snr_db: float | None

    def to_json(self) -> dict:
        """The differences as a dict of JSON types."""
        return dataclasses.asdict(self)


def compare(reference_scores, scores) -> Parity:
    """Measures how far `scores` are from `reference_scores`.

    Args:
        reference_scores: float array of shape (num_clips, num_classes), in
            [0, 1], of the Keras model.
        scores: float array of the same shape, of the exported model.

    Returns:
        Parity.

    Raises:
        ValueError: if the shapes differ, if there are no clips, or if a score
            is not finite.
    """
    reference_scores = np.asarray(reference_scores, np.float64)
    scores = np.asarray(scores, np.float64)
    if reference_scores.shape != scores.shape or not scores.size:
        raise ValueError(
            "Parity needs two score arrays of one shape (num_clips, "
            "num_classes), with at least one clip. Received: shapes "
            f"{reference_scores.shape} and {scores.shape}"
        )
    for name, values in (("reference", reference_scores), ("new", scores)):
        if not np.isfinite(values).all():
            raise ValueError(
                f"{np.sum(~np.isfinite(values))} of {values.size} {name} "
                "scores are not finite."
            )
    difference = np.abs(scores - reference_scores)
    reference_logits, logits = (
        scores_to_logits(values).clip(-_MAX_ABSOLUTE_LOGIT, _MAX_ABSOLUTE_LOGIT)
        for values in (reference_scores, scores)
    )
    signal_power = np.sum(reference_logits**2)
    noise_power = np.sum((logits - reference_logits) ** 2)
    logit_snr_db = None
    if signal_power and noise_power:
        logit_snr_db = float(10 * np.log10(signal_power / noise_power))
    return Parity(
        num_clips=len(scores),
        max_score_difference=float(difference.max()),
        mean_score_difference=float(difference.mean()),
        logit_snr_db=logit_snr_db,
    )


def check_copy(reference_scores, scores, copy_name):
    """Checks that a copy of a network gives the scores of the network.

    Args:
        reference_scores: float array of shape (num_clips, num_classes).
        scores: float array of the same shape, of the copy.
        copy_name: str. What to call the copy in the message.

    Raises:
        ValueError: if scores differ by 1e-5 or more.
    """
    difference = compare(reference_scores, scores).max_score_difference
    if not difference < MAX_COPY_DIFFERENCE:
        raise ValueError(
            f"{copy_name} must give the scores of the network within "
            f"{MAX_COPY_DIFFERENCE:g}. Received: scores that differ by "
            f"{difference:.2g}. Build the network of stock Keras layers."
        )
