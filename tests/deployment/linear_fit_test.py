import numpy as np
import pytest

from ofa_aec_tf.deployment import linear_fit


def test_exact_data_give_their_coefficients_whatever_the_scale():
    features = np.array([[1, 1e9], [1, 2e9], [1, 5e9]])
    values = features @ [3.0, 2e-9]
    assert linear_fit.fit(features, values) == pytest.approx([3.0, 2e-9])
    predictions = linear_fit.left_out_predictions(features, values)
    assert predictions == pytest.approx(values)


def test_no_coefficient_is_negative():
    features = np.array([[1.0, 1], [1, 2], [1, 3]])
    # Falling: the best non-negative slope is 0, the constant the mean.
    assert linear_fit.fit(features, np.array([3.0, 2, 1])) == pytest.approx(
        [2, 0]
    )


def test_a_value_has_no_part_in_its_own_prediction():
    features = np.ones((3, 1))
    predictions = linear_fit.left_out_predictions(
        features, np.array([1.0, 2, 6])
    )
    assert predictions == pytest.approx([4, 3.5, 1.5])


def test_a_feature_that_is_always_zero_costs_nothing():
    features = np.array([[1.0, 0], [1, 0]])
    assert linear_fit.fit(features, np.array([4.0, 6])) == pytest.approx([5, 0])
