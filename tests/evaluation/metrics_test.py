import math

import numpy as np
import pytest
import scipy.special
import sklearn.metrics
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from ofa_aec_tf.evaluation import metrics


def test_average_precision_of_a_hand_made_ranking():
    # Ranks of the two positives: 1 and 3. AP = (1/1 + 2/3) / 2.
    logits = [[4.0], [3.0], [2.0], [1.0]]
    labels = [[1], [0], [1], [0]]
    values = metrics.ranking_metrics(logits, labels)
    assert values.average_precision == pytest.approx([5 / 6])
    # Of the 4 pairs of a positive and a negative, 3 are in order.
    assert values.auc == pytest.approx([3 / 4])


def test_macro_means_equal_those_of_scikit_learn():
    rng = np.random.default_rng(0)
    logits = rng.normal(size=(60, 5)).astype(np.float32)
    labels = (rng.random((60, 5)) < 0.3).astype(np.float32)
    values = metrics.ranking_metrics(logits, labels)
    assert values.mean_average_precision == pytest.approx(
        sklearn.metrics.average_precision_score(labels, logits, average="macro")
    )
    assert values.mean_auc == pytest.approx(
        sklearn.metrics.roc_auc_score(labels, logits, average="macro")
    )


def test_classes_without_positives_are_left_out_of_both_means():
    logits = np.array([[2.0, 5.0], [1.0, 4.0], [0.0, 3.0]])
    labels = np.array([[1, 0], [0, 0], [0, 0]])
    values = metrics.ranking_metrics(logits, labels)
    assert values.average_precision == (1.0, None)
    assert values.auc == (1.0, None)
    assert values.mean_average_precision == 1.0


def test_a_class_without_negatives_has_average_precision_but_no_auc():
    values = metrics.ranking_metrics([[1.0], [2.0]], [[1], [1]])
    assert values.average_precision == (1.0,)
    assert values.auc == (None,)
    assert values.mean_auc is None
    assert values.d_prime is None


def test_all_means_are_none_where_no_class_has_a_positive():
    values = metrics.ranking_metrics([[1.0], [2.0]], [[0], [0]])
    assert values.mean_average_precision is None
    assert values.mean_auc is None


def test_d_prime_of_known_areas():
    # AUC = Phi(d' / sqrt(2)), so that d' = 1 has the AUC Phi(0.70711).
    assert metrics.d_prime(0.5) == 0
    assert metrics.d_prime(scipy.special.ndtr(1 / math.sqrt(2))) == (
        pytest.approx(1)
    )


@pytest.mark.parametrize("mean_auc", [0.0, 1.0, None])
def test_d_prime_is_none_where_it_would_be_infinite(mean_auc):
    assert metrics.d_prime(mean_auc) is None


def test_accuracy_counts_clips_whose_class_scores_highest():
    logits = [[3.0, 1.0], [0.0, 2.0], [5.0, 4.0], [1.0, 0.0]]
    labels = [[1, 0], [0, 1], [0, 1], [1, 0]]
    assert metrics.single_label_accuracy(logits, labels) == 3 / 4


def test_accuracy_refuses_clips_with_two_classes():
    with pytest.raises(ValueError, match="Received: 2 classes for clip 1"):
        metrics.single_label_accuracy([[1.0, 0], [1, 0]], [[1, 0], [1, 1]])


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_logits_that_are_not_finite_are_refused_with_their_number(value):
    logits = np.zeros((3, 2))
    logits[1] = value
    with pytest.raises(ValueError, match="2 values that are not, in 1 of 3"):
        metrics.ranking_metrics(logits, np.zeros((3, 2)))


def test_soft_labels_are_refused():
    with pytest.raises(ValueError, match="1 other values, such as 0.25"):
        metrics.ranking_metrics([[1.0], [2.0]], [[0.25], [1.0]])


@pytest.mark.parametrize(
    "shape_of_labels", [(3, 3), (2, 2), (3,)], ids=["classes", "clips", "rank"]
)
def test_labels_of_another_shape_are_refused(shape_of_labels):
    with pytest.raises(ValueError, match=r"logits of shape \(3, 2\)"):
        metrics.ranking_metrics(np.zeros((3, 2)), np.zeros(shape_of_labels))


def test_no_clips_are_refused():
    with pytest.raises(ValueError, match="at least one clip"):
        metrics.ranking_metrics(np.zeros((0, 2)), np.zeros((0, 2)))


def test_scores_to_logits_inverts_the_sigmoid():
    logits = np.array([-30.0, -2.0, 0.0, 3.0])
    assert metrics.scores_to_logits(scipy.special.expit(logits)) == (
        pytest.approx(logits)
    )


@given(
    arrays.arrays(
        np.float32, st.integers(2, 20), elements=st.floats(0, 1, width=32)
    )
)
def test_scores_to_logits_is_finite_and_keeps_the_order(scores):
    logits = metrics.scores_to_logits(scores)
    assert np.isfinite(logits).all()
    assert np.array_equal(
        np.sign(np.subtract.outer(logits, logits)),
        np.sign(np.subtract.outer(scores, scores)),
    )


@pytest.mark.parametrize("score", [-0.1, 1.5, np.nan])
def test_scores_outside_the_unit_interval_are_refused(score):
    with pytest.raises(ValueError, match="1 others, such as"):
        metrics.scores_to_logits([0.5, score])


def test_logits_of_mean_scores_are_those_of_numpys_mean():
    logits = np.random.default_rng(0).normal(0, 3, (4, 50, 7))
    scores = np.mean(1 / (1 + np.exp(-logits)), axis=0)
    np.testing.assert_allclose(
        metrics.logits_of_mean_scores(list(logits)),
        np.log(scores / (1 - scores)),
        rtol=1e-9,
        atol=1e-12,
    )


def test_logits_of_mean_scores_rank_what_scores_could_not():
    logits = metrics.logits_of_mean_scores(
        [np.array([50.0, 60.0, -900.0]), np.array([50.0, 60.0, -800.0])]
    )
    # The mean of two equal ones is each of them; of e^-900 and e^-800, half
    # of the larger.
    np.testing.assert_allclose(logits, [50, 60, -800 - np.log(2)], rtol=1e-12)


def test_coverage_counts_classes_that_have_positives():
    values = metrics.coverage([0, 3, 4], 4, ("a, b", "c", "d"))
    assert values == {
        "num_clips": 4,
        "num_classes": 3,
        "num_scored_classes": 2,
        "classes_without_positives": ["a, b"],
        "classes_without_negatives": ["d"],
    }
    missing, everywhere = metrics.coverage_notes(values, "test")
    assert missing == ("test split: mAP over 2 of 3 classes, without 'a, b'")
    assert "precision of 'd' is 1 whatever the scores" in everywhere


def test_where_all_classes_have_clips_there_is_no_note():
    values = metrics.coverage([1, 3], 4, ("a", "b"))
    assert metrics.coverage_notes(values, "test") == []


def test_of_many_classes_few_are_named():
    names = [f"class {number}" for number in range(300)]
    values = metrics.coverage([0] * 299 + [1], 5, names)
    (note,) = metrics.coverage_notes(values, "test")
    assert note.endswith("'class 0', 'class 1', 'class 2' and 296 more")
    assert len(values["classes_without_positives"]) == 299
