"""Starts of EfficientNets with image models made here, not downloaded."""

import keras
import numpy as np
import pytest

from ofa_aec_tf.families import networks
from ofa_aec_tf.families.efficientnet import initial_weights
from ofa_aec_tf.families.efficientnet.family import EfficientNetFamily

_B0 = EfficientNetFamily(5, 1.0, 1.0)


@pytest.fixture(scope="module")
def image_network():
    """An EfficientNet-B0 for images with random weights and statistics."""
    keras.utils.set_random_seed(0)
    network = keras.applications.EfficientNetB0(
        include_top=False, weights=None, input_shape=(64, 64, 3), pooling="avg"
    )
    rng = np.random.default_rng(0)
    for layer in network.layers:
        if "bn" in layer.name:
            layer.set_weights(
                [rng.uniform(0.5, 1.5, w.shape) for w in layer.get_weights()]
            )
    return network


@pytest.mark.parametrize("name", ["b0.keras", "b0.weights.h5"])
def test_a_grey_image_gives_the_features_of_the_image_model(
    image_network, name, tmp_path
):
    path = tmp_path / name
    if name.endswith(".keras"):
        image_network.save(path)
    else:
        image_network.save_weights(path)
    network = networks.build_network(_B0)
    classifier = network.get_layer("logits").get_weights()
    networks.load_initial_weights(network, _B0, str(path))
    features = keras.Model(network.input, network.get_layer("mean_pool").output)
    clips = np.random.default_rng(1).normal(0, 1, (2, 64, 64)).astype("f")
    # Rows are mel bands, columns frames; a third of the clip in each channel.
    images = np.repeat(clips.swapaxes(1, 2)[..., np.newaxis] / 3, 3, axis=-1)
    epsilon = network.get_layer("input_bn").epsilon
    expected = image_network(255 * images)
    assert np.std(expected) > 1e-3
    np.testing.assert_allclose(
        features(clips * np.sqrt(1 + epsilon)), expected, rtol=1e-3, atol=1e-4
    )
    for ours, before in zip(
        network.get_layer("logits").get_weights(), classifier
    ):
        np.testing.assert_array_equal(ours, before)


def test_networks_with_dropout_get_the_same_weights(image_network, tmp_path):
    image_network.save(tmp_path / "b0.keras")
    plain = networks.build_network(_B0)
    network = networks.build_network(_B0, block_dropout=0.2, head_dropout=0.2)
    network.set_weights(plain.get_weights())
    for each in (plain, network):
        networks.load_initial_weights(each, _B0, str(tmp_path / "b0.keras"))
    for ours, expected in zip(network.get_weights(), plain.get_weights()):
        np.testing.assert_array_equal(ours, expected)


def test_an_efficientnet_of_another_size_is_refused(image_network, tmp_path):
    path = tmp_path / "b0.keras"
    image_network.save(path)
    b2 = EfficientNetFamily(5, 1.1, 1.2)
    with pytest.raises(ValueError, match="b0.keras .* no layer `block1b"):
        initial_weights.load_efficientnet_weights(
            networks.build_network(b2), b2, str(path)
        )
    narrow = EfficientNetFamily(5, 0.5, 1.0)
    with pytest.raises(ValueError, match="another size.*`stem_conv`"):
        initial_weights.load_efficientnet_weights(
            networks.build_network(narrow), narrow, str(path)
        )


@pytest.mark.parametrize(
    ("source", "size", "message"),
    [
        ("imagenet", (0.5, 1.0), r"Only b0 and b2 .*\(0.5, 1.0\)"),
        ("hub:efficientnet_b0_ra_imagenet", (1.0, 1.0), "keras.applications"),
        ("absent.keras", (1.0, 1.0), "no model file absent.keras"),
        ("absent.h5", (1.0, 1.0), "no file of weights absent.h5"),
    ],
)
def test_an_impossible_start_of_an_efficientnet_is_refused(
    source, size, message
):
    with pytest.raises(ValueError, match=message):
        initial_weights.load_efficientnet_weights(
            None, EfficientNetFamily(5, *size), source
        )


def test_a_download_that_fails_ends_in_one_line(monkeypatch):
    def fail(**unused):
        raise Exception("URL fetch failure on https://example.org\nmore")

    monkeypatch.setattr(keras.applications, "EfficientNetB0", fail)
    with pytest.raises(ValueError) as error:
        initial_weights.load_efficientnet_weights(None, _B0, "imagenet")
    assert "URL fetch failure" in str(error.value)
    assert "name the file" in str(error.value)
    assert len(str(error.value).splitlines()) == 1


def test_a_network_for_sounds_is_no_image_model(tmp_path):
    path = tmp_path / "teacher.keras"
    network = networks.build_network(_B0)
    network.save(path)
    with pytest.raises(ValueError, match="one for sounds without its record"):
        networks.load_initial_weights(network, _B0, str(path))
