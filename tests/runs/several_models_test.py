"""Steps for several models, some of which fail."""

import pytest

from ofa_aec_tf.runs import several_models


def _half(path):
    if path.startswith("bad"):
        raise ValueError(f"{path} is odd")
    return path[: len(path) // 2]


def test_a_model_that_fails_leaves_the_others(capsys):
    results, skipped = several_models.for_each(["aabb", "bad", "cd"], _half)
    assert results == {"aabb": "aa", "cd": "c"}
    assert capsys.readouterr().err == "warning: skipped bad: bad is odd\n"
    with pytest.raises(ValueError, match=r"1 of 3 models were odd; .*\['bad'"):
        several_models.check_none_skipped(skipped, 3, "were odd")


def test_a_single_model_fails_with_its_own_error():
    with pytest.raises(ValueError, match="^bad is odd$"):
        several_models.for_each(["bad"], _half)


def test_nothing_was_skipped():
    results, skipped = several_models.for_each(["ab"], _half)
    several_models.check_none_skipped(skipped, len(results), "were odd")
