"""Search methods compared on tabulated subnets."""

import numpy as np
import pytest

from ofa_aec_tf.experiments import search_comparison
from ofa_aec_tf.families.cnn10.family import Cnn10Family
from ofa_aec_tf.nas import search_methods

_FAMILY = Cnn10Family(10, (16, 32, 64, 128), 128)
_SPACE = _FAMILY.search_space()


def _costs_of(subnet):
    return _FAMILY.complexity(subnet, 501).to_json()


def _trials():
    for subnet in _SPACE.enumerate():
        costs = _costs_of(subnet)
        quality = 0.05 * np.log(costs["parameters"]) + 0.05 * np.sin(
            _SPACE.to_indices(subnet) @ [1.3, 2.1, 0.7, 1.1]
        )
        yield {
            "subnet": dict(subnet),
            "costs": {n: costs[n] for n in ("parameters", "macs")},
            "metrics": {"mAP": float(quality)},
        }


def test_methods_have_equal_evaluations_and_the_whole_table_is_best():
    trials = list(_trials())
    measured = list(
        search_comparison.compare(_SPACE, _costs_of, trials, 1, "validation")
    )
    by_method = {}
    for measurement in measured:
        by_method.setdefault(measurement.series, []).append(measurement)
    assert set(by_method) == set(search_methods.METHODS)
    best = max(trial["metrics"]["mAP"] for trial in trials)
    for method, results in by_method.items():
        assert [m.seed for m in results] == list(range(10, 20))
        is_whole = method == search_methods.EXHAUSTIVE
        for m in results:
            assert m.costs["evaluations"] == (128 if is_whole else 32)
            assert m.metrics["mAP"] <= best
            assert 0.5 < m.metrics["hypervolume"] <= 1
            if is_whole:
                assert m.metrics["mAP"] == best
                assert m.metrics["hypervolume"] == pytest.approx(1)
    # Not the same draws every time.
    assert len({m.metrics["hypervolume"] for m in by_method["random"]}) > 1


def test_a_subnet_that_failed_counts_as_an_evaluation():
    trials = list(_trials())
    best = max(range(128), key=lambda i: trials[i]["metrics"]["mAP"])
    failed = trials.pop(best)
    for m in search_comparison.compare(
        _SPACE, _costs_of, trials, 0, "validation"
    ):
        assert m.subnet != failed["subnet"]
        assert m.costs["evaluations"] in (32, 127)
