"""Logits, and scores made of them by a sigmoid or a softmax."""

import keras
import numpy as np
import pytest
import scipy.special

from ofa_aec_tf.families import networks
from ofa_aec_tf.families.cnn10.family import Cnn10Family
from ofa_aec_tf.models.logits import ranking_logits
from ofa_aec_tf.models.logits import score_activation


def test_logits_of_a_sigmoid_rank_as_they_are():
    logits = np.array([[1.0, -2.0]], np.float32)
    assert ranking_logits(logits, "sigmoid") is logits


def test_the_sigmoid_of_ranking_logits_is_the_softmax():
    logits = np.random.default_rng(0).normal(0, 4, (50, 7)).astype(np.float32)
    ranking = ranking_logits(logits, "softmax")
    np.testing.assert_allclose(
        scipy.special.expit(ranking.numpy().astype(np.float64)),
        scipy.special.softmax(logits.astype(np.float64), axis=-1),
        rtol=1e-5,
    )


def test_scores_next_to_one_still_rank():
    logits = np.array([[0, 40, 1], [0, 50, 1], [900, 0, 0]], np.float32)
    ranking = ranking_logits(logits, "softmax").numpy()
    # In float32 all three scores are 1.
    assert 0 < ranking[0, 1] < ranking[1, 1] < ranking[2, 0] < np.inf
    np.testing.assert_allclose(ranking[0, 1], 40 - np.log(1 + np.e), rtol=1e-6)


@pytest.mark.parametrize("activation", ["sigmoid", "softmax"])
def test_a_network_ends_in_the_activation_of_its_family(activation):
    family = Cnn10Family(
        num_classes=3, channels=(4, 4, 4, 4), score_activation=activation
    )
    network = networks.build_network(family)
    assert score_activation(network) == activation
    scores = network.predict(np.zeros((1, 32, 64), np.float32), verbose=0)
    assert (abs(scores.sum() - 1) < 1e-6) == (activation == "softmax")


def test_another_end_is_refused():
    inputs = keras.Input((4,))
    outputs = keras.layers.Dense(2, activation="tanh")(inputs)
    with pytest.raises(ValueError, match="must end in the layer `logits`"):
        score_activation(keras.Model(inputs, outputs))
