"""Linear models of costs, fitted to a few measurements."""

import numpy as np
import scipy.optimize


def fit(features: np.ndarray, values: np.ndarray) -> np.ndarray:
    """The non-negative coefficients of least squared error.

    A cost then never falls where a feature grows.

    Args:
        features: float array of shape (num_measurements, num_features),
            non-negative.
        values: float array of shape (num_measurements,).

    Returns:
        float64 array of shape (num_features,).
    """
    # The solver's tolerance is absolute: bring all features to one scale.
    scale = np.maximum(features.max(axis=0), np.finfo(np.float64).tiny)
    coefficients, _ = scipy.optimize.nnls(features / scale, values)
    return coefficients / scale


def left_out_predictions(
    features: np.ndarray, values: np.ndarray
) -> np.ndarray:
    """Each value as predicted by a fit to the others.

    Args:
        features, values: as in `fit`, at least two measurements.

    Returns:
        float64 array of shape (num_measurements,).
    """
    everything = np.arange(len(values))
    return np.array(
        [
            features[i]
            @ fit(features[everything != i], values[everything != i])
            for i in everything
        ]
    )
