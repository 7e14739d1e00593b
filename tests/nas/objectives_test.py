"""Objectives of a search: what users may name, and points on a front."""

import pytest

from ofa_aec_tf.nas import objectives
from ofa_aec_tf.nas import pareto

_COSTS = ("parameters", "macs")


def test_qualities_come_first_whatever_the_order():
    parsed = objectives.parse_objectives(
        ["macs", "int8_mAP", "parameters", "mAP"], _COSTS
    )
    assert parsed.quality == "int8_mAP"
    assert parsed.to_json() == ["int8_mAP", "mAP", "macs", "parameters"]


def test_a_further_quality_is_a_negative_cost():
    parsed = objectives.parse_objectives(["mAP", "int8_mAP", "macs"], _COSTS)
    point = parsed.point(
        {"mAP": 0.5, "int8_mAP": 0.4}, {"parameters": 7, "macs": 9}
    )
    assert point == pareto.Point(0.5, (9, -0.4))
    worse = parsed.point(
        {"mAP": 0.5, "int8_mAP": 0.3}, {"parameters": 1, "macs": 9}
    )
    assert pareto.dominates(point, worse)


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["macs"], r"needs a quality of \['mAP', 'int8_mAP'\]"),
        ([], "needs a quality"),
        (["mAP", "flops"], r"is one of .*'macs'\]. Received: \['flops'\]"),
        (["mAP", "macs", "macs"], "Objectives must be distinct"),
        (["mAP", "latency_ms"], r"Received: \['latency_ms'\]"),
    ],
)
def test_other_objectives_are_refused(names, message):
    with pytest.raises(ValueError, match=message):
        objectives.parse_objectives(names, _COSTS)
