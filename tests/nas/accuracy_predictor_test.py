import numpy as np
import pytest
import scipy.stats

from ofa_aec_tf.nas import accuracy_predictor
from ofa_aec_tf.nas.accuracy_predictor import AccuracyPredictor
from ofa_aec_tf.nas.study import Trial
from ofa_aec_tf.search_space.space import Decision
from ofa_aec_tf.search_space.space import SearchSpace

_WIDTHS = (0.4, 0.6, 0.8, 1.0)
_SPACE = SearchSpace(
    (
        Decision("block2_width", _WIDTHS),
        Decision("block3_width", _WIDTHS),
        Decision("block4_depth", (1, 2)),
        Decision("block4_width", _WIDTHS),
    )
)
# 4 subnets of depth 1, and 16 of depth 2.
_CONDITIONAL_SPACE = SearchSpace(
    (
        Decision("depth", (1, 2)),
        Decision("width1", _WIDTHS),
        Decision("width2", _WIDTHS, requires=("depth", 2)),
    )
)


def _additive(subnet):
    return 0.5 + 0.1 * subnet["block2_width"] - 0.2 / subnet["block4_width"]


def _interacting(subnet):
    """A narrow block takes away what the next one gives."""
    return 0.5 + min(subnet["block2_width"], subnet["block3_width"]) / 4


def _trials(subnets, quality):
    return [
        Trial(subnet, {"parameters": 1}, {"mAP": quality(subnet)})
        for subnet in subnets
    ]


def _split(space, num_trials, seed=0):
    """The subnets of a space: some to fit to, and the others."""
    subnets = list(space.enumerate())
    order = np.random.default_rng(seed).permutation(len(subnets))
    shuffled = [subnets[index] for index in order]
    return shuffled[:num_trials], shuffled[num_trials:]


def _spearman_of_the_others(space, quality, num_trials):
    known, others = _split(space, num_trials)
    predictor = AccuracyPredictor(space).fit(_trials(known, quality))
    predicted = predictor.predict(others)
    truth = [quality(subnet) for subnet in others]
    assert predicted.shape == (len(others),)
    assert predicted.dtype == np.float64
    return scipy.stats.spearmanr(predicted, truth).statistic


def test_what_each_decision_adds_is_learned_from_few_trials():
    assert _spearman_of_the_others(_SPACE, _additive, 32) > 0.97


def test_what_two_decisions_do_together_is_learned():
    assert _spearman_of_the_others(_SPACE, _interacting, 64) > 0.9


def test_an_additive_function_is_predicted_in_its_own_unit():
    subnets, others = _split(_SPACE, 64)
    predictor = AccuracyPredictor(_SPACE).fit(_trials(subnets, _additive))
    np.testing.assert_allclose(
        predictor.predict(others),
        [_additive(subnet) for subnet in others],
        atol=0.01,
    )


def test_a_layer_that_is_not_there_is_none_of_its_widths():
    """Depth 1 is best here, although a second layer gains with its width."""

    def quality(subnet):
        second = subnet.get("width2")
        return 0.9 if second is None else 0.2 + 0.3 * second

    subnets = list(_CONDITIONAL_SPACE.enumerate())
    assert len(subnets) == 20
    known = [s for s in subnets if s["width1"] != 0.6]
    others = [s for s in subnets if s["width1"] == 0.6]
    predictor = AccuracyPredictor(_CONDITIONAL_SPACE)
    predictor.fit(_trials(known, quality))
    shallow, *deep = predictor.predict(others)
    assert shallow == pytest.approx(0.9, abs=0.05)
    # With 15 trials the penalty still shows.
    np.testing.assert_allclose(deep, [0.32, 0.38, 0.44, 0.5], atol=0.08)
    assert deep == sorted(deep)


def test_a_choice_that_does_not_matter_changes_nothing():
    known, _ = _split(_CONDITIONAL_SPACE, 20)
    predictor = AccuracyPredictor(_CONDITIONAL_SPACE).fit(
        _trials(known, lambda subnet: subnet["width1"] / 2)
    )
    canonical = _CONDITIONAL_SPACE.subnet({"depth": 1, "width1": 0.8})
    spelled_out = {"depth": 1, "width1": 0.8, "width2": 0.4}
    assert _CONDITIONAL_SPACE.subnet(spelled_out) == canonical
    first, second = predictor.predict([canonical, spelled_out])
    assert first == second


def test_held_out_subnets_of_an_additive_function_are_ranked_right():
    trials = _trials(_SPACE.enumerate(), _additive)
    found = AccuracyPredictor(_SPACE).fit(trials).held_out_rank_correlation()
    assert found["spearman"] > 0.97
    assert 0.9 < found["kendall"] <= 1
    assert (found["num_trials"], found["folds"]) == (128, 5)


def test_noise_has_no_rank_correlation():
    found = []
    for seed in range(10):
        rng = np.random.default_rng(seed)
        trials = _trials(_SPACE.enumerate(), lambda _, rng=rng: rng.uniform())
        predictor = AccuracyPredictor(_SPACE).fit(trials)
        found.append(predictor.held_out_rank_correlation(seed=seed)["spearman"])
    # Of the mean of 10, the standard error is about 0.03.
    assert abs(np.mean(found)) < 0.09


def test_the_split_depends_on_the_seed_alone():
    rng = np.random.default_rng(0)
    known, _ = _split(_SPACE, 32)
    trials = _trials(known, lambda s: _additive(s) + 0.1 * rng.normal())
    first, second = (AccuracyPredictor(_SPACE).fit(trials) for _ in range(2))
    assert first.held_out_rank_correlation(
        4, seed=3
    ) == second.held_out_rank_correlation(4, seed=3)
    assert first.held_out_rank_correlation(
        4, seed=3
    ) != first.held_out_rank_correlation(4, seed=4)


def test_equal_trials_have_no_rank_correlation_to_speak_of():
    known, _ = _split(_SPACE, 20)
    trials = _trials(known, lambda _: 0.5)
    found = AccuracyPredictor(_SPACE).fit(trials).held_out_rank_correlation()
    assert found["spearman"] is None
    assert found["kendall"] is None


def test_failed_trials_are_left_out():
    known, others = _split(_SPACE, 32)
    trials = _trials(known, _additive)
    failed = [Trial(subnet, {}, None, "broken") for subnet in others]
    with_failed = AccuracyPredictor(_SPACE).fit([*failed, *trials])
    without = AccuracyPredictor(_SPACE).fit(trials)
    np.testing.assert_array_equal(
        with_failed.predict(others), without.predict(others)
    )
    assert with_failed.held_out_rank_correlation()["num_trials"] == 32


def test_too_few_trials_are_refused_with_the_number_needed():
    known, _ = _split(_SPACE, 8)
    trials = _trials(known, _additive)
    failed = Trial(known[0], {}, None, "broken")
    with pytest.raises(
        ValueError, match="at least 8 trials .* Received: 7 of 8 trials"
    ):
        AccuracyPredictor(_SPACE).fit([failed, *trials[1:]])
    predictor = AccuracyPredictor(_SPACE).fit(trials)
    for folds, needed in ((2, 16), (3, 12), (5, 20)):
        with pytest.raises(ValueError, match=f"{needed} trials .*Received: 8"):
            predictor.held_out_rank_correlation(folds)


@pytest.mark.parametrize(("folds", "needed"), [(2, 16), (3, 12), (5, 20)])
def test_as_many_trials_as_the_message_says_are_enough(folds, needed):
    known, _ = _split(_SPACE, needed)
    predictor = AccuracyPredictor(_SPACE).fit(_trials(known, _additive))
    found = predictor.held_out_rank_correlation(folds)
    assert found["num_trials"] == needed
    assert needed - -(-needed // folds) >= accuracy_predictor.MIN_TRIALS


def test_a_predictor_without_trials_says_so():
    predictor = AccuracyPredictor(_SPACE)
    with pytest.raises(ValueError, match="Call `fit`"):
        predictor.predict([_SPACE.smallest()])
    with pytest.raises(ValueError, match="Call `fit`"):
        predictor.held_out_rank_correlation()


def test_one_fold_and_subnets_of_another_space_are_refused():
    known, _ = _split(_SPACE, 32)
    predictor = AccuracyPredictor(_SPACE).fit(_trials(known, _additive))
    assert predictor.predict([]).shape == (0,)
    with pytest.raises(ValueError, match="at least 2. Received: 1"):
        predictor.held_out_rank_correlation(1)
    with pytest.raises(ValueError, match="block2_width"):
        predictor.predict([_CONDITIONAL_SPACE.smallest()])
