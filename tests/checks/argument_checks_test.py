"""Arguments that are refused, and what the messages say."""

import pytest

from ofa_aec_tf.checks.argument_checks import check_choice


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
