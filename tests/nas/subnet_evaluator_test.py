import json

import numpy as np
import pytest
import sklearn.metrics

from ofa_aec_tf.data.class_map import ClassMap
from ofa_aec_tf.evaluation import batch_norm_calibration
from ofa_aec_tf.nas import subnet_evaluator
from tests.nas.small_supernet import make_supernet

_CLASSES = ClassMap(("a", "b", "c"))


@pytest.fixture(scope="module")
def clips():
    rng = np.random.default_rng(0)
    log_mel = rng.normal(-50, 10, (20, 32, 64)).astype(np.float32)
    return log_mel, rng.integers(0, 2, (20, 3)).astype(np.float32)


def _evaluator(supernet, clips):
    log_mel, labels = clips
    return subnet_evaluator.make_subnet_evaluator(
        supernet,
        log_mel[:8],
        log_mel[8:],
        labels[8:],
        _CLASSES,
        "multi_label",
        4,
        cache_bytes=2**30,
    )


def test_a_subnet_is_scored_with_statistics_of_its_own(clips):
    supernet = make_supernet(3)
    log_mel, labels = clips
    for subnet in (
        supernet.family.search_space().smallest(),
        supernet.family.search_space().largest(),
    ):
        moments = batch_norm_calibration.calibrate(
            supernet, subnet, [log_mel[:4], log_mel[4:8]]
        )
        logits = supernet.predict_logits(log_mel[8:], subnet, moments)
        values = _evaluator(supernet, clips)(subnet)
        assert values["mAP"] == pytest.approx(
            sklearn.metrics.average_precision_score(labels[8:], logits)
        )
        assert values["num_clips"] == 12


def test_what_a_trial_keeps_is_small_and_strict_json(clips):
    supernet = make_supernet(3)
    values = _evaluator(supernet, clips)(
        supernet.family.search_space().largest()
    )
    json.dumps(values, allow_nan=False)
    assert list(values) == ["mAP", "mAUC", "d_prime", "accuracy", "num_clips"]


def test_a_supernet_that_diverged_is_a_recoverable_error(clips):
    supernet = make_supernet(3)
    weight = supernet.trainable_variables[-1]
    weight.assign(np.full(weight.shape, np.nan))
    with pytest.raises(subnet_evaluator.RECOVERABLE_ERRORS, match="finite"):
        _evaluator(supernet, clips)(supernet.family.search_space().largest())


def test_scoring_leaves_the_supernet_as_it_was(clips):
    supernet = make_supernet(3)
    before = supernet.get_weights()
    _evaluator(supernet, clips)(supernet.family.search_space().smallest())
    for old, new in zip(before, supernet.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)
