"""Statistics over seeds against hand-computed numbers and SciPy."""

import math

import numpy as np
import pytest
import scipy.stats

from ofa_aec_tf.experiments.reports import statistics


def test_three_seeds_by_hand():
    # Mean 4, squared distances 4 + 1 + 9 = 14, by n - 1: 7.
    result = statistics.over_seeds([2.0, 3.0, 7.0])
    assert result.num_seeds == 3
    assert result.mean == pytest.approx(4)
    assert result.standard_deviation == pytest.approx(math.sqrt(7))
    # Of 27 resamples one is all the lowest value: more than 2.5 %.
    assert result.interval == pytest.approx((2, 7))


def test_one_seed_has_no_interval():
    result = statistics.over_seeds([0.25])
    assert result == statistics.SeedStatistics(1, 0.25, None, None)
    assert result.text() == "25.00 (one seed)"


def test_the_interval_of_two_seeds_is_their_range():
    result = statistics.over_seeds([0.5, 0.25])
    assert result.interval == pytest.approx((0.25, 0.5))
    assert result.text(decimals=1) == "37.5 ± 17.7 [25.0, 50.0]"


def test_many_seeds_have_the_interval_of_all_resamples():
    # The end of the interval over all 4**4 resamples, without any chance.
    values = [1.0, 2.0, 4.0, 8.0]
    grid = np.stack(np.meshgrid(*[values] * 4), -1).reshape(-1, 4)
    expected = np.quantile(grid.mean(-1), (0.025, 0.975))
    interval = statistics.over_seeds(values).interval
    assert interval == pytest.approx(tuple(expected), abs=0.3)
    assert 1 < interval[0] and interval[1] < 8


def test_the_interval_is_that_of_scipy_and_the_same_each_time():
    values = np.random.default_rng(4).normal(size=12)
    expected = scipy.stats.bootstrap(
        (values,),
        np.mean,
        method="percentile",
        rng=np.random.default_rng(0),
    ).confidence_interval
    result = statistics.over_seeds(values)
    assert result.interval == (expected.low, expected.high)
    assert statistics.over_seeds(values) == result


def test_equal_values_have_an_interval_without_width():
    result = statistics.over_seeds([0.5] * 3)
    assert (result.standard_deviation, result.interval) == (0, (0.5, 0.5))


@pytest.mark.parametrize("num_seeds", [2, 3])
def test_the_range_misses_the_mean_as_often_as_the_text_says(num_seeds):
    draws = np.random.default_rng(0).normal(size=(20_000, num_seeds))
    inside = (draws.min(-1) < 0) & (draws.max(-1) > 0)
    assert inside.mean() == pytest.approx(1 - 2 / 2**num_seeds, abs=0.01)


def test_five_seeds_miss_the_mean_as_often_as_the_text_says():
    draws = np.random.default_rng(0).normal(size=(500, 5))
    intervals = [statistics.over_seeds(values).interval for values in draws]
    inside = [low < 0 < high for low, high in intervals]
    assert np.mean(inside) == pytest.approx(0.84, abs=0.04)


def test_no_values_are_an_error():
    with pytest.raises(ValueError, match="at least one seed"):
        statistics.over_seeds([])


def test_differences_are_paired_by_seed():
    first = {0: 0.50, 1: 0.40, 2: 0.60, 7: 0.99}
    second = {2: 0.50, 1: 0.41, 0: 0.44, 8: 0.01}
    result = statistics.paired_difference(first, second)
    # 0.06, -0.01 and 0.10: mean 0.05, distances 0.01, -0.06 and 0.05.
    assert result.statistics.num_seeds == 3
    assert result.statistics.mean == pytest.approx(0.05)
    assert result.statistics.standard_deviation == pytest.approx(
        math.sqrt(0.0062 / 2)
    )
    assert result.statistics.interval == pytest.approx((-0.01, 0.10))
    assert result.positive_text() == "2 of 3"
    assert result.relative == pytest.approx(0.05 / 0.45)
    text = result.statistics.text(signed=True)
    assert text == "+5.00 ± 5.57 [-1.00, +10.00]"


def test_rounding_makes_no_difference():
    first = {0: 0.38 - 0.3, 1: 0.49 - 0.4}
    second = {0: 0.58 - 0.5, 1: 0.69 - 0.6}
    result = statistics.paired_difference(first, second)
    assert (result.statistics.interval, result.num_positive) == ((0, 0), 0)


def test_series_without_a_common_seed_have_no_difference():
    assert statistics.paired_difference({0: 0.5}, {1: 0.5}) is None


def test_a_difference_from_nothing_is_not_relative():
    assert statistics.paired_difference({0: 0.5}, {0: 0.0}).relative is None
