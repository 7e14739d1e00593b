"""Which weights a validation sees, and what it logs of them."""

import contextlib
import math

from ofa_aec_tf.evaluation import metrics
from ofa_aec_tf.training import validation
from ofa_aec_tf.training.validation import Validation


class FakeRun:
    """A run with one weight, which is its mAP."""

    def __init__(self, accuracy=None):
        self.weight = 0.0
        self._accuracy = accuracy

    def validate(self, batches):
        assert batches == "batches"
        rests_on = metrics.coverage([2, 0], 4, ("dog", "rain"))
        for role, factor in (("smallest_", 0.5), ("largest_", 1.0)):
            value = {"mAP": factor * self.weight, "accuracy": self._accuracy}
            yield role, value | rests_on


class FakeAverage:
    """An average of the weight of a run: 0.25, from the second epoch on."""

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


def test_each_role_is_logged():
    run = FakeRun(accuracy=0.75)
    run.weight = 0.5
    assert log_epoch(Validation(run, "batches"), 0) == {
        "loss": 1.0,
        "val_smallest_mAP": 0.25,
        "val_smallest_accuracy": 0.75,
        "val_largest_mAP": 0.5,
        "val_largest_accuracy": 0.75,
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


def test_a_map_over_few_classes_is_said_once(monkeypatch):
    lines = []
    monkeypatch.setattr(
        validation.logging, "warning", lambda *words: lines.append(words[-1])
    )
    callback = Validation(FakeRun(), "batches")
    for epoch in range(2):
        log_epoch(callback, epoch)
    assert lines == [
        "validation split: mAP over 1 of 2 classes, without 'rain'"
    ]
