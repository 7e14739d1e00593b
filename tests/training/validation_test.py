"""Which weights a validation sees, and what it logs of them."""

import contextlib
import dataclasses
import math

import numpy as np
import pytest
import tensorflow as tf

from ofa_aec_tf.data.class_map import ClassMap
from ofa_aec_tf.training import run as runs
from ofa_aec_tf.training.validation import Validation


class FakeRun:
    """A run with one weight, which its metrics are multiples of."""

    weight = 0.0

    def validate(self, batches):
        assert batches == "batches"
        return {"smallest_mAP": 0.5 * self.weight, "largest_mAP": self.weight}


class FakeAverage:
    """An average of the weight of a run, which is 0.25."""

    has_begun = False

    def __init__(self, run):
        self._run = run

    @contextlib.contextmanager
    def in_model(self):
        before, self._run.weight = self._run.weight, 0.25
        yield
        self._run.weight = before


def log_epoch(callback, epoch):
    logs = {"loss": 1.0}
    callback.on_epoch_end(epoch, logs)
    return logs


def test_each_metric_is_logged():
    run = FakeRun()
    run.weight = 0.5
    assert log_epoch(Validation(run, "batches"), 0) == {
        "loss": 1.0,
        "val_smallest_mAP": 0.25,
        "val_largest_mAP": 0.5,
    }


def test_weights_and_their_average_are_validated():
    run = FakeRun()
    average = FakeAverage(run)
    callback = Validation(run, "batches", average)
    run.weight = 0.5
    logs = log_epoch(callback, 0)
    assert logs["val_largest_mAP"] == 0.5
    assert math.isnan(logs["val_averaged_smallest_mAP"])
    assert math.isnan(logs["val_averaged_largest_mAP"])
    run.weight, average.has_begun = 1.0, True
    assert log_epoch(callback, 1) == {
        "loss": 1.0,
        "val_smallest_mAP": 0.5,
        "val_largest_mAP": 1.0,
        "val_averaged_smallest_mAP": 0.125,
        "val_averaged_largest_mAP": 0.25,
    }
    assert run.weight == 1.0


@dataclasses.dataclass
class FakeDataset:
    class_map: ClassMap
    label_type: str


@dataclasses.dataclass
class FakeJob:
    dataset: FakeDataset


class Identity(runs.ClassifierRun):
    """A run whose logits are its input."""

    def validate(self, batches):
        return self.classifier_metrics(lambda log_mel: log_mel, batches, "x_")

    def finished_model(self):
        raise NotImplementedError


@pytest.mark.parametrize("label_type", ["multi_label", "single_label"])
def test_a_map_over_few_classes_is_said_once(monkeypatch, label_type):
    lines = []
    monkeypatch.setattr(
        runs.logging, "warning", lambda *words: lines.append(words[-1])
    )
    class_map = ClassMap(("dog", "rain", "cat"))
    run = Identity(FakeJob(FakeDataset(class_map, label_type)))
    batch = {
        "log_mel": tf.constant([[2, 0, 0], [1, 1.5, 0], [0, 2, 0]]),
        "labels": tf.constant(np.eye(3, dtype=np.float32)[[0, 0, 1]]),
    }
    expected = {"x_mAP": 1.0}
    if label_type == "single_label":
        expected["x_accuracy"] = pytest.approx(2 / 3)
    for _ in range(2):
        assert run.validate([batch]) == expected
    assert lines == ["validation split: mAP over 2 of 3 classes, without 'cat'"]
