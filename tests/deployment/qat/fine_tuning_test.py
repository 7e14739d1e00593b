import keras
import numpy as np
import pytest
import tensorflow as tf

from ofa_aec_tf.deployment.qat.fine_tuning import FineTuning
from ofa_aec_tf.deployment.qat.fine_tuning import fine_tune

pytestmark = pytest.mark.qat


def _loss(log_mel, labels, logits):
    del log_mel
    return tf.reduce_mean((labels - logits) ** 2)


def _batches(num_batches, seed=0):
    rng = np.random.default_rng(seed)
    for _ in range(num_batches):
        log_mel = rng.normal(size=(8, 4)).astype(np.float32)
        yield log_mel, 2 * log_mel[:, :1]


def _network(value=1.0):
    network = keras.Sequential([keras.Input((4,)), keras.layers.Dense(1)])
    network.set_weights([np.full((4, 1), value), np.zeros(1)])
    return network


def test_losses_are_those_before_each_update():
    network = _network()
    losses = fine_tune(network, FineTuning(_batches(2), _loss, 2, 0.1), keras)
    log_mel, labels = next(_batches(2))
    expected = np.mean((labels - log_mel.sum(1, keepdims=True)) ** 2)
    assert losses[0] == pytest.approx(expected, rel=1e-5)
    assert len(losses) == 2


def test_first_step_is_that_of_adam():
    network = _network()
    fine_tune(network, FineTuning(_batches(1), _loss, 1, 0.01), keras)
    change = network.get_weights()[0].ravel() - 1
    # Its first step is the learning rate in size, whatever the gradient.
    np.testing.assert_allclose(np.abs(change), 0.01, rtol=1e-3)
    assert change[0] > 0 > change[1]


def test_training_reduces_the_loss():
    losses = fine_tune(
        _network(), FineTuning(_batches(300), _loss, 300, 0.1), keras
    )
    assert losses[-1] < 1e-3 * losses[0]


def test_equal_batches_give_equal_networks():
    networks = _network(), _network()
    for network in networks:
        fine_tune(network, FineTuning(_batches(9), _loss, 9, 0.01), keras)
    first, second = (network.get_weights() for network in networks)
    np.testing.assert_array_equal(first[0], second[0])


def test_batches_beyond_the_steps_are_left():
    batches = _batches(5)
    fine_tune(_network(), FineTuning(batches, _loss, 2, 0.01), keras)
    assert len(list(batches)) == 3


def test_too_few_batches_are_refused():
    fine_tuning = FineTuning(_batches(2), _loss, 3, 0.01)
    with pytest.raises(ValueError, match="3 steps. Received: 2 batches"):
        fine_tune(_network(), fine_tuning, keras)


def test_loss_that_is_not_finite_is_refused():
    def loss_fn(log_mel, labels, logits):
        return _loss(log_mel, labels, logits) / 0.0

    fine_tuning = FineTuning(_batches(2), loss_fn, 2, 0.01)
    with pytest.raises(ValueError, match="step 1 is inf.*learning_rate=0.01"):
        fine_tune(_network(), fine_tuning, keras)


@pytest.mark.parametrize(
    ("num_steps", "learning_rate"), [(0, 0.01), (5, 0.0), (5, float("nan"))]
)
def test_settings_that_train_nothing_are_refused(num_steps, learning_rate):
    with pytest.raises(ValueError, match=f"num_steps={num_steps}, learning"):
        FineTuning([], _loss, num_steps, learning_rate)
