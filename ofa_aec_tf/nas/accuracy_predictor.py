"""Predicts the quality of subnets from those that were evaluated."""

import itertools
import math
from collections.abc import Mapping
from collections.abc import Sequence

import numpy as np
import scipy.stats
from sklearn import linear_model
from sklearn import model_selection

from ofa_aec_tf.nas.objectives import FLOAT_QUALITY
from ofa_aec_tf.nas.study import Trial
from ofa_aec_tf.search_space.space import Choice
from ofa_aec_tf.search_space.space import SearchSpace

MIN_TRIALS = 8
# Fewer say little about ranks.
_MIN_HELD_OUT = 4
_PENALTIES = np.logspace(-3, 3, 13)


class AccuracyPredictor:
    """Predicts the mAP of subnets from their decisions.

    A ridge regression on the rank of each choice, on indicators of each
    choice, and on indicators of each pair of choices. A decision that does not
    matter for a subnet has no indicator, which distinguishes it from every
    choice. The penalty is chosen by leave-one-out cross-validation.

    Args:
        space: SearchSpace of the supernet.
        quality: str. The metric to predict.
    """

    def __init__(self, space: SearchSpace, quality: str = FLOAT_QUALITY):
        self._space = space
        self._quality = quality
        self._regression = None

    def fit(self, trials: Sequence[Trial]) -> "AccuracyPredictor":
        """Fits to trials, ignoring those that failed.

        Args:
            trials: sequence of Trial, of the same supernet and data.

        Returns:
            This predictor.

        Raises:
            ValueError: if fewer than `MIN_TRIALS` succeeded.
        """
        succeeded = [trial for trial in trials if trial.failure is None]
        if len(succeeded) < MIN_TRIALS:
            raise ValueError(
                f"To predict {self._quality}, at least {MIN_TRIALS} trials "
                f"must have succeeded. Evaluate more subnets. Received: "
                f"{len(succeeded)} of {len(trials)} trials"
            )
        self._features = self._features_of([t.subnet for t in succeeded])
        self._qualities = np.array(
            [t.metrics[self._quality] for t in succeeded]
        )
        self._regression = _fit(self._features, self._qualities)
        return self

    def predict(self, subnets: Sequence[Mapping[str, Choice]]) -> np.ndarray:
        """The expected mAP of subnets.

        Args:
            subnets: sequence of Subnet of the space.

        Returns:
            float64 array of shape (num_subnets,). Values rank subnets, and
            may lie outside of [0, 1].

        Raises:
            ValueError: if `fit` was not called, or a subnet is not of the
                space.
        """
        self._check_fitted()
        if not len(subnets):
            return np.zeros(0)
        return self._regression.predict(self._features_of(subnets))

    def held_out_rank_correlation(self, folds: int = 5, seed: int = 0) -> dict:
        """How well the predictor ranks subnets that it was not fitted to.

        The trials of `fit` are split at random; each part is predicted from
        the others and ranked by itself. Ranking all parts together would be
        biased: without anything to learn, a part with a high mean is
        predicted by the low mean of the others.

        Args:
            folds: int. Number of parts.
            seed: int. Of the split.

        Returns:
            dict with `spearman` and `kendall` (means over the parts; None if
            all subnets of each part have the same mAP), `num_trials` and
            `folds`.

        Raises:
            ValueError: if `fit` was not called, or there are fewer than 2
                folds or too few trials.
        """
        self._check_fitted()
        if folds < 2:
            raise ValueError(f"`folds` must be at least 2. Received: {folds}")
        num_trials = len(self._qualities)
        needed = max(
            folds * _MIN_HELD_OUT, math.ceil(MIN_TRIALS * folds / (folds - 1))
        )
        if num_trials < needed:
            raise ValueError(
                f"A rank correlation over {folds} folds needs at least "
                f"{needed} trials that succeeded. Evaluate more subnets, or "
                f"use fewer folds. Received: {num_trials}"
            )
        split = model_selection.KFold(folds, shuffle=True, random_state=seed)
        correlations = []
        for others, part in split.split(self._features):
            regression = _fit(self._features[others], self._qualities[others])
            predicted = regression.predict(self._features[part])
            if np.ptp(self._qualities[part]) > 0:
                correlations.append(
                    _rank_correlations(predicted, self._qualities[part])
                )
        spearman, kendall = (
            np.mean(correlations, axis=0).tolist()
            if correlations
            else (None, None)
        )
        return {
            "spearman": spearman,
            "kendall": kendall,
            "num_trials": num_trials,
            "folds": folds,
        }

    def _check_fitted(self):
        if self._regression is None:
            raise ValueError(
                "The predictor knows no trials yet. Call `fit` with the "
                "trials of a search first."
            )

    def _features_of(self, subnets) -> np.ndarray:
        """Float64 array of shape (num_subnets, num_features)."""
        # Drops choices that do not matter.
        subnets = [self._space.subnet(subnet) for subnet in subnets]
        indices = np.array([self._space.to_indices(s) for s in subnets])
        ranks, indicators = [], []
        for decision, column in zip(self._space.decisions, indices.T):
            matters = np.array([decision.name in s for s in subnets])
            choices = np.arange(len(decision.choices))
            ranks.append(column / max(1, choices[-1]))
            indicators.append(
                (column[:, np.newaxis] == choices) & matters[:, np.newaxis]
            )
        pairs = [
            (one[:, :, np.newaxis] & other[:, np.newaxis]).reshape(
                len(subnets), -1
            )
            for one, other in itertools.combinations(indicators, 2)
        ]
        return np.column_stack([*ranks, *indicators, *pairs]).astype(np.float64)


def _fit(features, qualities):
    return linear_model.RidgeCV(_PENALTIES).fit(features, qualities)


def _rank_correlations(predicted, qualities) -> tuple[float, float]:
    """Spearman and Kendall; 0 if all predictions are the same."""
    if np.ptp(predicted) == 0:
        return 0.0, 0.0
    return (
        float(scipy.stats.spearmanr(predicted, qualities).statistic),
        float(scipy.stats.kendalltau(predicted, qualities).statistic),
    )
