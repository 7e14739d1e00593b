import json

import numpy as np
import pytest
import sklearn.metrics

from ofa_aec_tf.data.class_map import ClassMap
from ofa_aec_tf.evaluation import evaluator

_CLASSES = ClassMap(("dog", "rain", "siren"))


def test_values_are_named_by_class_and_are_strict_json():
    # `dog` is ranked perfectly, `rain` occurs always and `siren` never.
    logits = np.array([[2.0, 1.0, 0.0], [1.0, 3.0, 0.0]], np.float32)
    labels = np.array([[1, 1, 0], [0, 1, 0]], np.float32)
    values = evaluator.evaluate_scores(logits, labels, _CLASSES, "multi_label")
    json.dumps(values, allow_nan=False)
    assert values["mAP"] == 1.0
    assert values["mAUC"] == 1.0
    assert values["d_prime"] is None
    assert values["accuracy"] is None
    assert values["num_clips"] == 2
    assert values["classes_without_positives"] == ["siren"]
    assert values["classes_without_negatives"] == ["rain"]
    assert values["per_class"] == {
        "dog": {"average_precision": 1.0, "auc": 1.0, "num_positives": 1},
        "rain": {"average_precision": 1.0, "auc": None, "num_positives": 2},
        "siren": {"average_precision": None, "auc": None, "num_positives": 0},
    }


def test_single_label_data_has_an_accuracy():
    logits = [[2.0, 1.0, 0.0], [2.0, 1.0, 0.0]]
    labels = [[1, 0, 0], [0, 0, 1]]
    values = evaluator.evaluate_scores(logits, labels, _CLASSES, "single_label")
    assert values["accuracy"] == 0.5


def test_outputs_of_another_class_map_are_refused():
    with pytest.raises(ValueError, match="3 classes. Received: outputs of 2"):
        evaluator.evaluate_scores(
            [[1.0, 2.0]], [[1, 0]], _CLASSES, "multi_label"
        )


def test_batches_are_ranked_together():
    rng = np.random.default_rng(0)
    log_mel = rng.normal(size=(23, 4, 3)).astype(np.float32)
    labels = rng.integers(0, 2, (23, 3)).astype(np.float32)

    def predict(batch):
        return batch.sum(axis=1)

    values = evaluator.evaluate(
        predict,
        ((log_mel[i : i + 5], labels[i : i + 5]) for i in range(0, 23, 5)),
        _CLASSES,
        "multi_label",
    )
    assert values["num_clips"] == 23
    assert values["mAP"] == pytest.approx(
        sklearn.metrics.average_precision_score(labels, log_mel.sum(axis=1))
    )


def test_an_empty_split_is_refused():
    with pytest.raises(ValueError, match="at least one batch"):
        evaluator.evaluate(lambda x: x, [], _CLASSES, "multi_label")
