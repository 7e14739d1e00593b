"""Arguments that are refused, and what the messages say."""

import dataclasses

import pytest

from ofa_aec_tf.checks.argument_checks import check_at_least
from ofa_aec_tf.checks.argument_checks import check_below_one
from ofa_aec_tf.checks.argument_checks import check_choice
from ofa_aec_tf.checks.argument_checks import check_is_finite


def test_a_choice_passes_through():
    assert check_choice("method", "random", ("random", "exhaustive")) == (
        "random"
    )


def test_another_word_is_refused_with_what_is_allowed():
    with pytest.raises(ValueError) as error:
        check_choice("method", "Random", ("random", "exhaustive"))
    assert str(error.value) == (
        "`method` must be one of ('random', 'exhaustive'). "
        "Received: method='Random'"
    )


class _Values:
    num_steps = 0
    rate = 1.0


def test_a_number_that_is_too_small_is_named():
    check_at_least(_Values, {"num_steps": 0, "rate": 1})
    with pytest.raises(ValueError) as error:
        check_at_least(_Values, {"rate": 1, "num_steps": 1})
    assert str(error.value) == (
        "`num_steps` must be at least 1. Received: num_steps=0"
    )


def test_a_share_is_below_one():
    check_below_one(_Values, "num_steps")
    with pytest.raises(ValueError) as error:
        check_below_one(_Values, "num_steps", "rate")
    assert str(error.value) == "`rate` must be in [0, 1). Received: rate=1.0"


@dataclasses.dataclass
class _Rates:
    name: str
    rate: float = 0.5
    decay: float = 0.0


def test_what_is_no_number_is_named():
    check_is_finite(_Rates("nan"))
    for value in (float("nan"), float("inf")):
        with pytest.raises(ValueError) as error:
            check_is_finite(_Rates("a", decay=value))
        assert str(error.value) == (
            f"`decay` must be a finite number. Received: decay={value}"
        )
