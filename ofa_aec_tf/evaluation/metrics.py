"""Ranking metrics of audio tagging, from logits and labels.

Average precision and ROC AUC are computed by scikit-learn, from logits: scores
of a sigmoid in float32 have ties that logits do not have.
"""

import dataclasses
import math

import numpy as np
import scipy.special
import sklearn.metrics

from ofa_aec_tf.checks.finite import NotFiniteError


@dataclasses.dataclass(frozen=True)
class RankingMetrics:
    """Metrics of one set of clips.

    Args:
        average_precision: tuple, one a class. None without positives.
        auc: tuple, one a class. Area under the ROC curve; None without
            positives or without negatives.
        num_positives: tuple of int, one a class.
        num_clips: int.
    """

    average_precision: tuple[float | None, ...]
    auc: tuple[float | None, ...]
    num_positives: tuple[int, ...]
    num_clips: int

    @property
    def mean_average_precision(self) -> float | None:
        """Macro mAP over the classes that have it; None if none has."""
        return mean_of_known(self.average_precision)

    @property
    def mean_auc(self) -> float | None:
        """Macro AUC over the classes that have it; None if none has."""
        return mean_of_known(self.auc)

    @property
    def d_prime(self) -> float | None:
        """Sensitivity index of the macro AUC; None where it is infinite."""
        return d_prime(self.mean_auc)


def mean_of_known(values) -> float | None:
    """The mean of the values that are not None; None if all are."""
    known = [value for value in values if value is not None]
    return float(np.mean(known)) if known else None


def check_scores(logits, labels) -> tuple[np.ndarray, np.ndarray]:
    """Refuses scores that cannot be ranked, and labels other than 0 and 1.

    Args:
        logits: float array of shape (num_clips, num_classes). Any scores that
            rank the clips of a class.
        labels: array of 0 and 1 of the same shape.

    Returns:
        tuple of both as arrays, the labels of bool.

    Raises:
        ValueError: for other shapes, scores that are not finite, or labels
            other than 0 and 1.
    """
    logits, labels = np.asarray(logits), np.asarray(labels)
    if logits.ndim != 2 or logits.shape != labels.shape or not logits.size:
        raise ValueError(
            "`logits` and `labels` must both have the shape (num_clips, "
            f"num_classes) with at least one clip. Received: logits of shape "
            f"{logits.shape}, labels of shape {labels.shape}"
        )
    finite = np.isfinite(logits)
    if not finite.all():
        raise NotFiniteError(
            "`logits` must be finite, because NaN has no rank. Received: "
            f"{int((~finite).sum())} values that are not, in "
            f"{int((~finite).any(axis=1).sum())} of {len(logits)} clips. "
            "The model diverged or lacks batch normalization statistics."
        )
    if not np.isin(labels, (0, 1)).all():
        wrong = labels[~np.isin(labels, (0, 1))]
        raise ValueError(
            "`labels` must be 0 or 1; soft or mixed labels have no ranking "
            f"metrics. Received: {wrong.size} other values, such as "
            f"{float(wrong.flat[0])}"
        )
    return logits, labels.astype(bool)


def ranking_metrics(logits, labels) -> RankingMetrics:
    """Average precision and ROC AUC of every class.

    Args:
        logits: float array of shape (num_clips, num_classes). Any scores that
            rank the clips of a class.
        labels: array of 0 and 1 of the same shape.

    Returns:
        RankingMetrics.

    Raises:
        ValueError: for other shapes, scores that are not finite, or labels
            other than 0 and 1.
    """
    logits, labels = check_scores(logits, labels)
    num_clips = len(labels)
    average_precision, auc, num_positives = [], [], []
    for scores, targets in zip(logits.T, labels.T):
        positives = int(targets.sum())
        num_positives.append(positives)
        average_precision.append(
            float(sklearn.metrics.average_precision_score(targets, scores))
            if positives
            else None
        )
        auc.append(
            float(sklearn.metrics.roc_auc_score(targets, scores))
            if 0 < positives < num_clips
            else None
        )
    return RankingMetrics(
        tuple(average_precision), tuple(auc), tuple(num_positives), num_clips
    )


def coverage(num_positives, num_clips, class_names) -> dict:
    """The clips and classes that means over classes are based on.

    Args:
        num_positives: sequence of int, one a class.
        num_clips: int.
        class_names: sequence of str.

    Returns:
        dict of JSON types: `num_clips`, `num_classes`, `num_scored_classes`
        (classes with positives, over which the mAP is the mean),
        `classes_without_positives` and `classes_without_negatives` (names).
    """
    pairs = list(zip(class_names, num_positives, strict=True))
    without_positives = [name for name, count in pairs if count == 0]
    return {
        "num_clips": num_clips,
        "num_classes": len(pairs),
        "num_scored_classes": len(pairs) - len(without_positives),
        "classes_without_positives": without_positives,
        "classes_without_negatives": [
            name for name, count in pairs if count == num_clips
        ],
    }


def coverage_notes(values, split) -> list[str]:
    """Caveats of a mAP, for its readers.

    Args:
        values: mapping with the entries of `coverage`; lists of names may be
            missing.
        split: str. The split of the clips.

    Returns:
        list of str, one line each; empty if there is none.
    """
    if values.get("num_classes") is None:
        # Written by an earlier version, which did not count them.
        return []
    notes = []
    num_scored, num_classes = (
        values["num_scored_classes"],
        values["num_classes"],
    )
    if num_scored < num_classes:
        names = values.get("classes_without_positives")
        missing = f", without {some_names(names)}" if names else ""
        notes.append(
            f"{split} split: mAP over {num_scored} of {num_classes} "
            f"classes{missing}"
        )
    if everywhere := values.get("classes_without_negatives"):
        notes.append(
            f"{split} split: the average precision of {some_names(everywhere)} "
            "is 1 whatever the scores, as every clip has that class (clips: "
            f"{values['num_clips']})"
        )
    return notes


def some_names(names, number=3) -> str:
    """The first names for a line of text, and the number of the others.

    Args:
        names: sequence of str; they may contain commas.
        number: int. At most so many are listed.
    """
    listed = ", ".join(repr(name) for name in names[:number])
    num_more = len(names) - number
    return f"{listed} and {num_more} more" if num_more > 0 else listed


def d_prime(mean_auc: float | None) -> float | None:
    """Sensitivity index: sqrt(2) times the normal quantile of the AUC.

    Args:
        mean_auc: float in [0, 1], or None.

    Returns:
        float; None for an AUC of None, 0 or 1, where the index is infinite:
        JSON has no infinity.
    """
    if mean_auc is None or mean_auc <= 0 or mean_auc >= 1:
        return None
    return float(math.sqrt(2) * scipy.special.ndtri(mean_auc))


def single_label_accuracy(logits, labels) -> float:
    """The fraction of clips whose class has the highest score.

    Args:
        logits: float array of shape (num_clips, num_classes).
        labels: array of 0 and 1 of the same shape, one 1 a clip.

    Returns:
        float in [0, 1].

    Raises:
        ValueError: as `ranking_metrics`, or if a clip does not have one class.
    """
    logits, labels = check_scores(logits, labels)
    classes_per_clip = labels.sum(axis=1)
    if (classes_per_clip != 1).any():
        clip = int(np.argmax(classes_per_clip != 1))
        raise ValueError(
            "Accuracy needs exactly one class a clip. Received: "
            f"{int(classes_per_clip[clip])} classes for clip {clip}. "
            "Use the label type `multi_label` for such data."
        )
    return float(np.mean(logits.argmax(axis=1) == labels.argmax(axis=1)))


def logits_of_mean_scores(logits) -> np.ndarray:
    """The logits behind the mean of the sigmoid scores of several models.

    They are computed from logits directly: scores near 1 would all round to 1.

    Args:
        logits: sequence of float arrays of one shape, one a model.

    Returns:
        float64 array of that shape.
    """
    logits = np.asarray(logits, np.float64)
    # log(p / (1 - p)) of the mean p. The number of models cancels out.
    return scipy.special.logsumexp(
        scipy.special.log_expit(logits), axis=0
    ) - scipy.special.logsumexp(scipy.special.log_expit(-logits), axis=0)


def scores_to_logits(scores) -> np.ndarray:
    """The logits of sigmoid scores, which rank clips alike.

    Args:
        scores: float array of any shape, in [0, 1].

    Returns:
        float64 array of the same shape, finite even for scores of 0 and 1.

    Raises:
        ValueError: if a score is outside [0, 1] or NaN.
    """
    scores = np.asarray(scores, np.float64)
    legal = (scores >= 0) & (scores <= 1)
    if not legal.all():
        raise ValueError(
            "Scores must be in [0, 1]; pass logits on as they are. Received: "
            f"{int((~legal).sum())} others, such as {scores[~legal].flat[0]}"
        )
    # Clips to the outermost float64 numbers inside (0, 1), which changes only 0
    # and 1.
    inside = np.clip(scores, np.nextafter(0.0, 1.0), np.nextafter(1.0, 0.0))
    return scipy.special.logit(inside)
