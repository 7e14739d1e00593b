import json

import numpy as np
import pytest
import sklearn.metrics

from ofa_aec_tf.data.class_map import ClassMap
from ofa_aec_tf.evaluation import thresholds
from ofa_aec_tf.evaluation.thresholds import ThresholdChoice
from ofa_aec_tf.evaluation.thresholds import ThresholdSettings


def _choose(scores, labels, *args):
    """The choice for one class."""
    (choice,) = thresholds.choose_thresholds(
        np.array(scores)[:, np.newaxis],
        np.array(labels)[:, np.newaxis],
        ThresholdSettings(*args),
    )
    return choice


def test_f1_by_hand():
    # Reported from 0.9: P 1, R 1/3, F1 1/2; from 0.8: F1 2/5; from 0.6: P 2/3,
    # R 2/3, F1 2/3; from 0.4: P 3/4, R 1, F1 6/7; from 0.1: F1 3/4.
    choice = _choose([0.4, 0.9, 0.1, 0.6, 0.8], [1, 1, 0, 1, 0], "f1")
    assert choice == ThresholdChoice(0.4, 0.75, 1.0, 6 / 7, 3)


def test_target_precision_by_hand():
    scores, labels = [0.9, 0.8, 0.7, 0.6, 0.5], [1, 0, 1, 1, 0]
    # Precisions 1, 1/2, 2/3, 3/4, 3/5.
    for target, threshold in ((0.76, 0.9), (0.75, 0.6), (0.7, 0.6), (0.1, 0.6)):
        choice = _choose(scores, labels, "precision", target)
        assert choice.threshold == threshold, target
        assert choice.precision >= target


def test_clips_of_equal_scores_are_reported_together():
    # 0.7 has one positive and two negatives.
    choice = _choose([0.9, 0.7, 0.7, 0.7], [1, 1, 0, 0], "precision", 0.9)
    assert choice == ThresholdChoice(0.9, 1.0, 0.5, 2 / 3, 2)
    choice = _choose([0.5] * 4, [1, 0, 0, 1], "f1")
    assert choice == ThresholdChoice(0.5, 0.5, 1.0, 2 / 3, 2)


def test_of_thresholds_as_good_the_highest_is_chosen():
    # Both positives from 0.7 on, with a precision of 2/3; from 0.1 on 1/2.
    choice = _choose([0.9, 0.8, 0.7, 0.1], [1, 0, 1, 0], "precision", 0.5)
    assert (choice.threshold, choice.recall) == (0.7, 1.0)
    # F1 is 2/3 from 0.9 on and from 0.6 on.
    choice = _choose([0.9, 0.8, 0.7, 0.6], [1, 0, 0, 1], "f1")
    assert (choice.threshold, choice.f1) == (0.9, 2 / 3)


def test_a_class_without_positives_has_no_threshold():
    for args in (("f1",), ("precision", 0.5)):
        choice = _choose([0.9, 0.1], [0, 0], *args)
        assert choice == ThresholdChoice(None, None, None, None, 0)


def test_a_class_that_never_reaches_the_target_has_no_threshold():
    choice = _choose([0.9, 0.8, 0.1], [0, 1, 0], "precision", 0.6)
    assert choice == ThresholdChoice(None, None, 0.0, 0.0, 1)


@pytest.mark.parametrize("seed", range(20))
def test_choices_are_the_best_of_scikit_learns_curve(seed):
    rng = np.random.default_rng(seed)
    labels = (rng.random((40, 3)) < 0.3).astype(int)
    labels[0] = 1
    # On a grid, so that there are ties; float32, as of a model.
    scores = np.round(rng.random((40, 3)) * 0.6 + 0.3 * labels, 1)
    scores = scores.astype(np.float32)
    by_f1 = thresholds.choose_thresholds(
        scores, labels, ThresholdSettings("f1")
    )
    by_precision = thresholds.choose_thresholds(
        scores, labels, ThresholdSettings("precision", 0.8)
    )
    for index, (of_f1, of_precision) in enumerate(zip(by_f1, by_precision)):
        precision, recall, values = sklearn.metrics.precision_recall_curve(
            labels[:, index], scores[:, index]
        )
        precision, recall = precision[:-1], recall[:-1]
        f1 = [
            sklearn.metrics.f1_score(labels[:, index], scores[:, index] >= t)
            for t in values
        ]
        assert of_f1.threshold in values
        position = int(np.flatnonzero(values == of_f1.threshold)[0])
        assert f1[position] == pytest.approx(max(f1), rel=1e-12)
        assert of_f1.f1 == pytest.approx(f1[position], rel=1e-12)
        assert of_f1.precision == pytest.approx(precision[position])
        assert of_f1.recall == pytest.approx(recall[position])
        reaches = precision >= 0.8
        if not reaches.any():
            assert of_precision.threshold is None
            continue
        position = int(np.flatnonzero(values == of_precision.threshold)[0])
        assert reaches[position]
        assert recall[position] == recall[reaches].max()
        # None that is lower reports more of the positives.
        assert of_precision.recall == pytest.approx(recall[position])


def test_a_report_names_the_classes_and_leaves_out_what_is_undefined():
    choices = (
        ThresholdChoice(0.5, 0.75, 1.0, 6 / 7, 3),
        ThresholdChoice(None, None, 0.0, 0.0, 2),
        ThresholdChoice(None, None, None, None, 0),
    )
    report = thresholds.report(choices, ClassMap(("dog", "rain", "siren")))
    json.dumps(report, allow_nan=False)
    assert report["classes_without_threshold"] == ["rain", "siren"]
    assert report["macro"] == {
        "precision": 0.75,
        "recall": 0.5,
        "f1": pytest.approx(3 / 7),
    }
    assert report["per_class"]["dog"] == {
        "precision": 0.75,
        "recall": 1.0,
        "f1": 6 / 7,
        "num_positives": 3,
    }
    assert report["per_class"]["siren"]["recall"] is None


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (("best",), r"`method` must be one of \('f1', 'precision'\). .*'best'"),
        (("precision",), "target precision goes with"),
        (("f1", 0.5), "target precision goes with"),
        (("precision", 0.0), "must be more than 0. Received: .*=0.0"),
        (("precision", 1.1), "must be at most 1. Received: .*=1.1"),
    ],
)
def test_wrong_methods_are_refused(args, message):
    with pytest.raises(ValueError, match=message):
        _choose([0.5], [1], *args)


def test_scores_without_a_rank_are_refused():
    with pytest.raises(ValueError, match="must be finite"):
        _choose([0.5, np.nan], [1, 0], "f1")
