"""Per-class thresholds from the scores of a validation split."""

import dataclasses

import numpy as np

from ofa_aec_tf.checks import settings
from ofa_aec_tf.checks.settings import setting
from ofa_aec_tf.data.class_map import ClassMap
from ofa_aec_tf.evaluation import metrics

F1 = "f1"
PRECISION = "precision"
METHODS = (F1, PRECISION)


@dataclasses.dataclass(frozen=True)
class ThresholdSettings(settings.Settings):
    """What thresholds are chosen for."""

    method: str = setting(
        F1,
        "What to choose for: the best F1 of each class, or its best recall "
        "with a precision of at least --target_precision.",
        choices=METHODS,
    )
    target_precision: float | None = setting(
        None,
        "With --method=precision: which part of the reports of a class must "
        "be right, in (0, 1].",
        above=0,
        at_most=1,
    )

    def __post_init__(self):
        super().__post_init__()
        if (self.target_precision is not None) != (self.method == PRECISION):
            raise ValueError(
                f"A target precision goes with the method {PRECISION!r}, and "
                f"with no other. Received: method={self.method!r}, "
                f"target_precision={self.target_precision}"
            )


@dataclasses.dataclass(frozen=True)
class ThresholdChoice:
    """The threshold of a class, and its metrics on the clips it was chosen on.

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


def choose_thresholds(
    scores, labels, config: ThresholdSettings
) -> tuple[ThresholdChoice, ...]:
    """Chooses the threshold of every class.

    A class is reported where its score is at least the threshold. Of several
    equally good thresholds the highest is taken, which gives the fewest false
    alarms.

    Args:
        scores: float array of shape (num_clips, num_classes), in [0, 1].
        labels: array of 0 and 1 of the same shape.
        config: ThresholdSettings. A class without positives, or one that
            never reaches the target precision, gets no threshold.

    Returns:
        tuple of ThresholdChoice, one a class.

    Raises:
        ValueError: as `metrics.check_scores`.
    """
    scores, labels = metrics.check_scores(scores, labels)
    return tuple(
        _choose(*of_class, config) for of_class in zip(scores.T, labels.T)
    )


def _choose(scores, labels, config):
    num_positives = int(labels.sum())
    if not num_positives:
        return ThresholdChoice(None, None, None, None, 0)
    order = np.argsort(-scores)
    scores, labels = scores[order], labels[order]
    # Each distinct score is a candidate, the highest first: clips with equal
    # scores are reported together.
    last = np.flatnonzero(np.append(scores[1:] != scores[:-1], True))
    num_reported = last + 1
    num_true = np.cumsum(labels)[last]
    # One division of integers each, so that equal fractions compare equal.
    precision = num_true / num_reported
    recall = num_true / num_positives
    f1 = 2 * num_true / (num_reported + num_positives)
    if config.method == F1:
        value = f1
    else:
        value = np.where(precision >= config.target_precision, recall, 0.0)
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
    """Metrics of thresholds on the clips that they were chosen on.

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
