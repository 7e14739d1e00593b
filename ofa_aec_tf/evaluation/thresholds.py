"""Per-class thresholds from the scores of a validation split."""

import dataclasses

import numpy as np

from ofa_aec_tf.data.class_map import ClassMap
from ofa_aec_tf.evaluation import metrics

F1 = "f1"
PRECISION = "precision"
METHODS = (F1, PRECISION)


@dataclasses.dataclass(frozen=True)
class ThresholdChoice:
    """The threshold of a class, and what it reaches where it was chosen.

    Args:
        threshold: float, the lowest score that is reported; None if the class
            is never to be reported.
        precision: float, or None if nothing is reported.
        recall: float, or None without positives.
        f1: float, or None without positives.
        num_positives: int.
    """

    threshold: float | None
    precision: float | None
    recall: float | None
    f1: float | None
    num_positives: int


def check_method(method: str, target_precision: float | None) -> None:
    """Refuses what `choose_thresholds` does not know.

    Args:
        method: str.
        target_precision: float or None.

    Raises:
        ValueError: for an unknown method, or a target that is missing, out of
            range or given to another method.
    """
    if method not in METHODS:
        raise ValueError(
            f"The methods are {list(METHODS)}. Received: {method!r}"
        )
    if (target_precision is not None) != (method == PRECISION):
        raise ValueError(
            f"A target precision goes with the method {PRECISION!r}, and with "
            f"no other. Received: method={method!r}, "
            f"target_precision={target_precision}"
        )
    if target_precision is not None and not 0 < target_precision <= 1:
        raise ValueError(
            "`target_precision` must be above 0 and at most 1. Received: "
            f"{target_precision}"
        )


def choose_thresholds(
    scores, labels, method: str, target_precision: float | None = None
) -> tuple[ThresholdChoice, ...]:
    """Chooses the threshold of every class.

    A class is reported where its score is at least the threshold. Among
    thresholds that are as good, the highest is taken: it gives the fewest
    false alarms.

    Args:
        scores: float array of shape (num_clips, num_classes), in [0, 1].
        labels: array of 0 and 1 of the same shape.
        method: `"f1"`, for the best F1; or `"precision"`, for the best recall
            with at least `target_precision`. A class without positives, or
            that never reaches it, gets no threshold.
        target_precision: float in (0, 1], for `"precision"` only.

    Returns:
        tuple of ThresholdChoice, one a class.

    Raises:
        ValueError: as `check_method` and `metrics.check_scores`.
    """
    check_method(method, target_precision)
    scores, labels = metrics.check_scores(scores, labels)
    return tuple(
        _choose(*of_class, method, target_precision)
        for of_class in zip(scores.T, labels.T)
    )


def _choose(scores, labels, method, target_precision):
    num_positives = int(labels.sum())
    if not num_positives:
        return ThresholdChoice(None, None, None, None, 0)
    order = np.argsort(-scores)
    scores, labels = scores[order], labels[order]
    # What is reported with each distinct score as the threshold, the highest
    # first: clips of equal scores cannot be told apart.
    last = np.flatnonzero(np.append(scores[1:] != scores[:-1], True))
    num_reported = last + 1
    num_true = np.cumsum(labels)[last]
    # One division of integers each: equal fractions are equal numbers.
    precision = num_true / num_reported
    recall = num_true / num_positives
    f1 = 2 * num_true / (num_reported + num_positives)
    if method == F1:
        value = f1
    else:
        value = np.where(precision >= target_precision, recall, 0.0)
    best = int(value.argmax())
    if not value[best]:
        return ThresholdChoice(None, None, 0.0, 0.0, num_positives)
    return ThresholdChoice(
        float(scores[last[best]]),
        float(precision[best]),
        float(recall[best]),
        float(f1[best]),
        num_positives,
    )


def report(choices: tuple[ThresholdChoice, ...], class_map: ClassMap) -> dict:
    """What thresholds reach on the clips that they were chosen on.

    Args:
        choices: tuple of ThresholdChoice.
        class_map: ClassMap of the same classes.

    Returns:
        dict of JSON types: `macro`, the means of `precision`, `recall` and
        `f1` over the classes that have them (None if none has);
        `classes_without_threshold` (names) and `per_class`, from names to
        `precision`, `recall`, `f1` and `num_positives`.
    """
    names = class_map.names
    per_class = {}
    for name, choice in zip(names, choices):
        per_class[name] = dataclasses.asdict(choice)
        del per_class[name]["threshold"]
    return {
        "macro": {
            key: metrics.mean_of_known(v[key] for v in per_class.values())
            for key in ("precision", "recall", "f1")
        },
        "classes_without_threshold": [
            name
            for name, choice in zip(names, choices)
            if choice.threshold is None
        ],
        "per_class": per_class,
    }
