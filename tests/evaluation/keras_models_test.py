import numpy as np
import pytest
import scipy.special
import tensorflow as tf

from ofa_aec_tf.evaluation import keras_models
from ofa_aec_tf.families import networks
from ofa_aec_tf.families.cnn10.network import build_cnn10
from tests.nas.small_supernet import make_supernet


@pytest.fixture(scope="module")
def log_mel():
    rng = np.random.default_rng(0)
    return rng.normal(-50, 10, (5, 32, 64)).astype(np.float32)


def test_a_network_predicts_the_logits_behind_its_scores(log_mel, tmp_path):
    network = build_cnn10(((4,), (4,)), num_classes=3, hidden_units=4)
    network.save(tmp_path / "network.keras")
    loaded = networks.load_model(tmp_path / "network.keras")
    assert not keras_models.is_supernet(loaded)
    logits = keras_models.network_predictor(loaded)(log_mel).numpy()
    np.testing.assert_allclose(
        scipy.special.expit(logits), network(log_mel), rtol=1e-4
    )


def test_many_networks_predict_without_a_warning(log_mel, monkeypatch):
    messages = []
    monkeypatch.setattr(
        tf.get_logger(), "warning", lambda text, *_: messages.append(text)
    )
    for _ in range(6):
        network = build_cnn10(((4,), (4,)), num_classes=3, hidden_units=4)
        predict = keras_models.network_predictor(network)
        for clips in (log_mel[:2], log_mel, tf.constant(log_mel[:, :16])):
            np.testing.assert_allclose(
                scipy.special.expit(predict(clips)), network(clips), rtol=1e-4
            )
    assert not messages


def test_a_supernet_is_known_again_after_loading(log_mel, tmp_path):
    supernet = make_supernet(3)
    supernet.save(tmp_path / "supernet.keras")
    loaded = networks.load_model(tmp_path / "supernet.keras")
    assert keras_models.is_supernet(loaded)
    subnet = supernet.family.search_space().smallest()
    logits = [
        keras_models.subnet_predictor(model, subnet, log_mel, 3)(log_mel)
        for model in (supernet, loaded)
    ]
    np.testing.assert_allclose(*logits, rtol=1e-5, atol=1e-5)
