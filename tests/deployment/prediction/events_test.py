import numpy as np

from ofa_aec_tf.deployment.prediction.events import Event
from ofa_aec_tf.deployment.prediction.events import EventSelector

NAMES = ("bark", "rain", "siren")


def _names(scores, *args):
    selector = EventSelector(NAMES, *args)
    return [e.name for e in selector.select(np.array(scores), 0.0, 1.0)]


def test_the_best_come_first_with_the_times_of_their_windows():
    events = EventSelector(NAMES, top_k=2).select(
        np.array([0.6, 0.9, 0.2]),
        np.array([2.5, 0.0, 5.0]),
        np.array([5.0, 2.5, 6.5]),
    )
    assert events == [
        Event("rain", 0.9, 0.0, 2.5),
        Event("bark", 0.6, 2.5, 5.0),
    ]


def test_equal_scores_keep_the_order_of_the_classes():
    assert _names([0.5, 0.5, 0.5]) == list(NAMES)


def test_a_score_is_listed_from_its_threshold_on():
    below = np.nextafter(0.5, 0)
    assert _names([0.5, below, 0.1], [0.5, 0.5, 0.05]) == ["bark", "siren"]


def test_a_class_without_threshold_is_never_listed():
    assert _names([1.0, 1.0, 0.0], [None, 0.9, 0.0]) == ["rain", "siren"]


def test_nothing_may_be_heard():
    assert _names([0.1, 0.2, 0.3], [0.5, 0.5, None]) == []


def test_float32_scores_reach_thresholds_that_are_among_them():
    score = np.float32(0.1)
    events = EventSelector(["a"], [float(score)]).select(
        np.array([score]), 0.0, 1.0
    )
    assert [event.score for event in events] == [float(score)]
