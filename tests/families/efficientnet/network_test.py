import keras
import numpy as np
import pytest

from ofa_aec_tf.families.efficientnet.family import EfficientNetFamily
from ofa_aec_tf.families.efficientnet.network import build_efficientnet
from ofa_aec_tf.models.logits import score_activation

_SMALL = EfficientNetFamily(5, 0.25, 0.3)


def _clips(num_frames=45, num_mel_bins=64):
    rng = np.random.default_rng(1)
    return rng.normal(-40, 15, (2, num_frames, num_mel_bins)).astype("f")


@pytest.mark.parametrize(
    "family",
    [
        _SMALL,
        EfficientNetFamily(5, 0.5, 0.5, num_mel_bins=45),
        EfficientNetFamily(527, 1.1, 1.2),
    ],
    ids=["small", "odd bands", "b2"],
)
def test_counted_parameters_are_those_of_the_built_model(family):
    network = build_efficientnet(family)
    trainable = sum(int(np.prod(w.shape)) for w in network.trainable_weights)
    assert trainable == family.complexity(None, 101).parameters


def test_layers_compute_what_those_of_keras_applications_do():
    keras.utils.set_random_seed(0)
    expected = keras.applications.EfficientNetB0(
        include_top=False, weights=None, input_shape=(64, 64, 1), pooling="avg"
    )
    network = build_efficientnet(EfficientNetFamily(5, 1.0, 1.0))
    rng = np.random.default_rng(0)
    for layer in network.layers:
        if layer.weights and layer.name not in ("input_bn", "logits"):
            values = [
                np.abs(w) + rng.uniform(0.1, 0.5, w.shape)
                if "bn" in layer.name
                else w
                for w in layer.get_weights()
            ]
            expected.get_layer(layer.name).set_weights(values)
            layer.set_weights(values)
    epsilon = network.get_layer("input_bn").epsilon
    images = rng.normal(0, 1, (2, 64, 64)).astype(np.float32)
    features = keras.Model(
        network.input, network.get_layer("mean_pool").output
    )(images * np.sqrt(1 + epsilon))
    # It divides pixels by 255.
    wanted = expected(255 * images[..., np.newaxis])
    assert np.std(wanted) > 1e-3
    np.testing.assert_allclose(features, wanted, rtol=1e-3, atol=1e-5)


def test_clips_may_be_of_any_length_from_32_frames():
    network = build_efficientnet(_SMALL)
    for num_frames in (32, 45, 100):
        assert network(_clips(num_frames)).shape == (2, 5)


def test_a_saved_network_needs_keras_alone(tmp_path):
    network = build_efficientnet(_SMALL)
    network.save(tmp_path / "efficientnet.keras")
    loaded = keras.models.load_model(tmp_path / "efficientnet.keras")
    np.testing.assert_array_equal(loaded(_clips()), network(_clips()))
    assert score_activation(loaded) == "sigmoid"
    assert {
        type(layer).__module__.partition(".")[0] for layer in network.layers
    } == {"keras"}


def test_dropout_is_in_training_alone():
    # Two blocks with the same width in and out.
    family = EfficientNetFamily(5, 0.25, 1.0)
    network = build_efficientnet(family, block_dropout=0.9, head_dropout=0.5)
    plain = build_efficientnet(family)
    plain.set_weights(network.get_weights())
    np.testing.assert_array_equal(network(_clips()), plain(_clips()))
    assert any(isinstance(x, keras.layers.Dropout) for x in network.layers)
    assert not any(isinstance(x, keras.layers.Dropout) for x in plain.layers)
