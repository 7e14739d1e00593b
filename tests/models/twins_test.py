"""The folded twin of a network infers what the network infers."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from ofa_aec_tf.families import networks
from ofa_aec_tf.families.cnn10.family import Cnn10Family
from ofa_aec_tf.models.logits import logits_model
from ofa_aec_tf.models.precision import precision_scope
from ofa_aec_tf.runs import machine
from ofa_aec_tf.training.teachers import load_teacher


def trained_network(family, subnet=None):
    """Statistics, scales and offsets that are not the initial ones."""
    keras.utils.set_random_seed(0)
    network = networks.build_network(family, subnet)
    rng = np.random.default_rng(0)
    for layer in network.layers:
        if "bn" in layer.name:
            layer.set_weights(
                [rng.uniform(0.5, 1.5, w.shape) for w in layer.get_weights()]
            )
    return network


def clips():
    return np.random.default_rng(1).normal(-40, 15, (3, 33, 64)).astype("f")


def saved_teacher(directory, family, network):
    path = directory / "teacher.keras"
    network.save(path)
    return path, {
        "family": family.record(),
        "subnet": dict(family.search_space().largest()),
    }


@pytest.mark.parametrize("algorithm", ["direct", "winograd"])
@pytest.mark.parametrize("size", ["smallest", "largest"])
def test_twin_gives_the_scores_of_the_network(size, algorithm):
    family = Cnn10Family(
        num_classes=5, channels=(6, 8, 10, 12), hidden_units=16
    )
    subnet = getattr(family.search_space(), size)()
    network = trained_network(family, subnet)
    twin = networks.builders(family).build_inference_twin(
        subnet, network, algorithm
    )
    expected = logits_model(network)(clips(), training=False)
    np.testing.assert_allclose(
        logits_model(twin)(clips()), expected, rtol=1e-4, atol=1e-4
    )
    assert not twin.trainable_variables


def test_wide_twin_gives_the_scores_of_the_network_in_float32():
    family = Cnn10Family(
        num_classes=5, channels=(8, 64, 128, 128), hidden_units=16
    )
    network = trained_network(family)
    twin = networks.builders(family).build_inference_twin(None, network)
    np.testing.assert_allclose(
        twin(clips()), network(clips(), training=False), atol=1e-5
    )


def test_bfloat16_twin_is_close():
    family = Cnn10Family(
        num_classes=5, channels=(16, 64, 128, 128), hidden_units=16
    )
    network = trained_network(family)
    with precision_scope("bfloat16"):
        twin = networks.builders(family).build_inference_twin(None, network)
    scores = twin(clips()).numpy()
    assert scores.dtype == np.float32
    np.testing.assert_allclose(
        scores, network(clips(), training=False), atol=0.03
    )


def test_a_teacher_of_a_known_family_is_folded(tmp_path):
    family = Cnn10Family(
        num_classes=5, channels=(6, 8, 10, 12), hidden_units=16
    )
    network = trained_network(family)
    path, details = saved_teacher(tmp_path, family, network)
    expected = logits_model(network)(clips(), training=False)
    for known in (details, {}):
        teacher = load_teacher(path, known)
        np.testing.assert_allclose(
            teacher(clips()), expected, rtol=1e-4, atol=1e-4
        )


@pytest.mark.parametrize("algorithm", ["direct", "winograd"])
def test_a_teacher_takes_batches_of_any_size(tmp_path, algorithm):
    family = Cnn10Family(
        num_classes=5, channels=(6, 8, 10, 12), hidden_units=16
    )
    network = trained_network(family)
    path, details = saved_teacher(tmp_path, family, network)
    teacher = load_teacher(path, details, algorithm=algorithm)
    expected = logits_model(network)(clips(), training=False)

    @tf.function(input_signature=[tf.TensorSpec((None, None, 64), tf.float32)])
    def in_graph(log_mel):
        return teacher(log_mel)

    for num_clips in (1, 2, 3):
        batch = clips()[:num_clips]
        for scores in (teacher(batch), in_graph(batch)):
            np.testing.assert_allclose(
                scores, expected[:num_clips], rtol=1e-4, atol=1e-4
            )


@pytest.mark.parametrize(
    ("fewest", "computes_in"), [(16, "bfloat16"), (8, "float32")]
)
def test_a_teacher_computes_in_what_suits_it(
    tmp_path, monkeypatch, fewest, computes_in
):
    family = Cnn10Family(
        num_classes=5, channels=(fewest, 16, 16, 16), hidden_units=16
    )
    path, details = saved_teacher(tmp_path, family, trained_network(family))
    monkeypatch.setattr(machine, "has_bfloat16_products", lambda: True)
    logits = {}
    for precision in ("auto", "float32", "bfloat16"):
        # Whatever its student computes in.
        with precision_scope("float32"):
            teacher = load_teacher(path, details, precision=precision)
        logits[precision] = np.asarray(teacher(clips()), np.float32)
    assert not np.array_equal(logits["float32"], logits["bfloat16"])
    np.testing.assert_array_equal(logits["auto"], logits[computes_in])
