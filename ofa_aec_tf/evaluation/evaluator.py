"""Evaluates functions from clips to logits, whatever the model."""

from collections.abc import Callable
from collections.abc import Iterable

import numpy as np

from ofa_aec_tf.data.class_map import ClassMap
from ofa_aec_tf.data.dataset_info import SINGLE_LABEL
from ofa_aec_tf.evaluation import metrics


def evaluate_scores(
    logits, labels, class_map: ClassMap, label_type: str
) -> dict:
    """Metrics of logits.

    Args:
        logits: float array of shape (num_clips, num_classes).
        labels: array of 0 and 1 of the same shape.
        class_map: ClassMap of the outputs.
        label_type: `"multi_label"` or `"single_label"`.

    Returns:
        dict of JSON types: `mAP`, `mAUC`, `d_prime` (each None if it is not
        defined), `accuracy` (None for multi-label data), the entries of
        `metrics.coverage`, and `per_class`, from names to
        `average_precision`, `auc` and `num_positives`. Means leave out the
        classes for which a metric is not defined.

    Raises:
        ValueError: if shapes differ from each other or from the class map,
            logits are not finite or labels are not 0 and 1.
    """
    ranking = metrics.ranking_metrics(logits, labels)
    if len(ranking.auc) != len(class_map):
        raise ValueError(
            f"The class map has {len(class_map)} classes. Received: outputs "
            f"of {len(ranking.auc)}. Use the class map of the model."
        )
    return {
        "mAP": ranking.mean_average_precision,
        "mAUC": ranking.mean_auc,
        "d_prime": ranking.d_prime,
        "accuracy": metrics.single_label_accuracy(logits, labels)
        if label_type == SINGLE_LABEL
        else None,
        **metrics.coverage(
            ranking.num_positives, ranking.num_clips, class_map.names
        ),
        "per_class": {
            name: {
                "average_precision": average_precision,
                "auc": auc,
                "num_positives": count,
            }
            for name, average_precision, auc, count in zip(
                class_map.names,
                ranking.average_precision,
                ranking.auc,
                ranking.num_positives,
            )
        },
    }


def predict_batches(
    predict_fn: Callable[[np.ndarray], np.ndarray],
    batches: Iterable[tuple[np.ndarray, np.ndarray]],
) -> tuple[np.ndarray, np.ndarray]:
    """Outputs of a model for all clips, and their labels.

    Args:
        predict_fn: function from inputs, float32 log-mel spectrograms of
            shape (batch, num_frames, num_mel_bins) or raw audio samples of
            shape (batch, num_samples), to outputs of shape (batch,
            num_classes).
        batches: iterable of (clips, labels).

    Returns:
        tuple of two arrays of shape (num_clips, num_classes).

    Raises:
        ValueError: if there is no batch.
    """
    all_outputs, all_labels = [], []
    for clips, labels in batches:
        all_outputs.append(np.asarray(predict_fn(clips)))
        all_labels.append(np.asarray(labels))
    if not all_outputs:
        raise ValueError(
            "There is nothing to evaluate. Expected at least one batch. "
            "Received: none"
        )
    return np.concatenate(all_outputs), np.concatenate(all_labels)


def evaluate(
    predict_fn: Callable[[np.ndarray], np.ndarray],
    batches: Iterable[tuple[np.ndarray, np.ndarray]],
    class_map: ClassMap,
    label_type: str,
) -> dict:
    """Metrics of a model on batches of clips.

    Args:
        predict_fn: function to logits, as for `predict_batches`. Wrap scores
            with `metrics.scores_to_logits`.
        batches: iterable of (clips, labels).
        class_map: ClassMap of the outputs.
        label_type: `"multi_label"` or `"single_label"`.

    Returns:
        dict, as `evaluate_scores`.

    Raises:
        ValueError: as `evaluate_scores`, or if there is no batch.
    """
    logits, labels = predict_batches(predict_fn, batches)
    return evaluate_scores(logits, labels, class_map, label_type)
