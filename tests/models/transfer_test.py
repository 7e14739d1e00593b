"""Networks that start with the weights of others, of other classes."""

import keras
import numpy as np
import pytest

from ofa_aec_tf.families import networks
from ofa_aec_tf.families.ast.family import AstFamily
from ofa_aec_tf.families.cnn10.family import Cnn10Family
from ofa_aec_tf.families.efficientnet.family import EfficientNetFamily


def cnn10(num_classes, **changes):
    sizes = {"channels": (4, 6, 8, 8), "hidden_units": 8, **changes}
    return Cnn10Family(num_classes, **sizes)


def efficientnet(num_classes):
    return EfficientNetFamily(num_classes, 0.25, 0.25)


def ast(num_classes, num_frames=66, **changes):
    sizes = {"width": 8, "num_heads": 2, "depth": 1, **changes}
    return AstFamily(num_classes, num_frames, **sizes, num_mel_bins=36)


def save_trained(directory, family, subnet=None):
    """Saves a network with random weights, statistics too, and its record."""
    network = networks.build_network(family, subnet)
    rng = np.random.default_rng(0)
    network.set_weights(
        [rng.uniform(0.5, 1.5, w.shape) for w in network.get_weights()]
    )
    network.save(directory / "teacher.keras")
    (directory / "teacher.json").touch()
    return network, str(directory / "teacher.keras")


@pytest.mark.parametrize("make_family", [cnn10, efficientnet, ast])
def test_all_but_the_classifier_is_taken(make_family, tmp_path):
    trained, path = save_trained(tmp_path, make_family(5))
    family = make_family(3)
    network = networks.build_network(family)
    classifier = network.get_layer("logits").get_weights()
    networks.load_initial_weights(network, family, path)
    for expected, ours in zip(
        classifier, network.get_layer("logits").get_weights(), strict=True
    ):
        np.testing.assert_array_equal(ours, expected)
    with_weights = [layer.name for layer in network.layers if layer.weights]
    assert {"logits"} < set(with_weights)
    # What the classifiers hear is the same.
    clips = np.random.default_rng(1).normal(0, 3, (2, 66, family.num_mel_bins))
    np.testing.assert_array_equal(
        *(
            keras.Model(model.input, model.get_layer("logits").input)(clips)
            for model in (trained, network)
        )
    )


def test_a_subnet_starts_with_one_of_its_structure(tmp_path):
    family = cnn10(3)
    smallest = family.search_space().smallest()
    _, path = save_trained(tmp_path, cnn10(5), smallest)
    network = networks.build_network(family, smallest)
    networks.load_initial_weights(network, family, path, smallest)
    assert min(network.get_layer("hidden").get_weights()[0].ravel()) >= 0.5
    network = networks.build_network(family)
    with pytest.raises(ValueError, match="teacher.keras is of another size"):
        networks.load_initial_weights(network, family, path)


def test_an_ast_for_longer_clips_gives_the_middle_of_its_positions(tmp_path):
    trained, path = save_trained(tmp_path, ast(5, num_frames=106))
    family = ast(3)
    network = networks.build_network(family)
    networks.load_initial_weights(network, family, path)
    (had,), (ours,) = (
        model.get_layer("positions").get_weights()
        for model in (trained, network)
    )
    # 16 frames a patch, a new one every 10: grids of 10 x 3 and 6 x 3.
    had, ours = had.reshape(2 + 30, 8), ours.reshape(2 + 18, 8)
    np.testing.assert_array_equal(ours[:2], had[:2])
    np.testing.assert_allclose(ours[2:], had[2 + 6 : 2 + 24], rtol=1e-6)


def test_another_kind_of_network_is_refused(tmp_path):
    family = AstFamily(5, 66, width=8, num_heads=2, depth=1)
    _, path = save_trained(tmp_path, family)
    network = networks.build_network(cnn10(3))
    with pytest.raises(ValueError, match="teacher.keras is another network"):
        networks.load_initial_weights(network, cnn10(3), path)


def test_a_cnn10_does_not_start_with_an_image_model():
    family = Cnn10Family(5, channels=(4, 4, 4, 4), hidden_units=4)
    with pytest.raises(
        ValueError, match="ast, efficientnet. Received: imagenet"
    ):
        networks.load_initial_weights(None, family, "imagenet")
