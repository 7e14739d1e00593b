"""Keras models from files, and as functions to logits."""

import zipfile

import keras
import numpy as np
import pytest
import scipy.special
import tensorflow as tf

from ofa_aec_tf.evaluation import keras_models
from ofa_aec_tf.evaluation.keras_models import load_network
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


def test_loaded_network_is_the_saved_one_and_not_compiled(log_mel, tmp_path):
    network = build_cnn10(((4,), (4,)), num_classes=3, hidden_units=4)
    path = tmp_path / "subnet.keras"
    network.save(path)
    loaded = load_network(path)
    assert not loaded.compiled
    np.testing.assert_allclose(
        loaded(log_mel),
        network(log_mel),
        atol=1e-6,
    )


def test_missing_file_is_refused(tmp_path):
    with pytest.raises(ValueError, match="There is no model file .*no.keras"):
        load_network(tmp_path / "no.keras")


@pytest.mark.parametrize("content", [b"", b"text", b"PK\x03\x04"])
def test_broken_file_is_refused(tmp_path, content):
    path = tmp_path / "broken.keras"
    path.write_bytes(content)
    with pytest.raises(ValueError, match="cannot be loaded as a Keras model"):
        load_network(path)


def test_archive_without_a_model_is_refused(tmp_path):
    path = tmp_path / "other.keras"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("notes.txt", "nothing")
    with pytest.raises(ValueError, match="Keras reports: .*config.json"):
        load_network(path)


def test_supernet_is_refused_with_the_way_out(tmp_path):
    path = tmp_path / "supernet.keras"
    make_supernet(3).save(path)
    with pytest.raises(ValueError, match="ofa_aec_tf.materialize"):
        load_network(path)


def test_network_of_other_inputs_is_refused_naming_the_shapes(tmp_path):
    path = tmp_path / "image.keras"
    keras.Sequential([keras.Input((8,)), keras.layers.Dense(2)]).save(path)
    with pytest.raises(ValueError, match=r"from \(None, 8\) to \(None, 2\)"):
        load_network(path)
