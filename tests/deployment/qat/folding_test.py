import keras
import numpy as np
import pytest
from scipy.special import expit

from ofa_aec_tf.deployment.qat import folding
from ofa_aec_tf.models.logits import logits_model
from tests.deployment import small_models

pytestmark = pytest.mark.qat


def _sequence(*layers, shape=(5, 4, 3)):
    """A network of these layers before its classifier."""
    inputs = keras.Input(shape)
    x = inputs
    for layer in layers:
        x = layer(x)
    x = keras.layers.Flatten(name="flat")(x)
    x = keras.layers.Dense(2, name="logits")(x)
    return keras.Model(inputs, keras.layers.Activation("sigmoid")(x))


def _randomize(network, seed=0):
    rng = np.random.default_rng(seed)
    for variable in network.variables:
        # Variances must be positive.
        variable.assign(rng.uniform(0.2, 1.5, variable.shape))


@pytest.mark.parametrize("name", ["network", "mobile_network"])
def test_folded_network_gives_the_same_scores(request, clips, name):
    network = request.getfixturevalue(name)
    folded = folding.fold(network)
    np.testing.assert_allclose(
        expit(folded.predict(clips, verbose=0)),
        network.predict(clips, verbose=0),
        atol=1e-6,
    )


def test_only_the_normalization_of_the_input_is_left_and_it_is_frozen(network):
    folded = folding.fold(network)
    types = [type(layer).__name__ for layer in folded.layers]
    assert types.count("BatchNormalization") == 1
    assert types.count("Conv2D") == small_models.NUM_CONVOLUTIONS
    assert "ReLU" not in types
    assert folded.get_layer("block3_conv2").activation.__name__ == "relu"
    trainable = {v.path.split("/")[0] for v in folded.trainable_variables}
    assert "input_bn" not in trainable
    assert len(trainable) == small_models.NUM_CONVOLUTIONS + 2


def test_network_itself_is_left_as_it_was(network):
    weights = [w.copy() for w in network.get_weights()]
    num_trainable = len(network.trainable_variables)
    folded = folding.fold(network)
    for layer in folded.layers:
        for variable in layer.trainable_variables:
            variable.assign(variable + 1)
    for before, after in zip(weights, network.get_weights()):
        np.testing.assert_array_equal(before, after)
    assert len(network.trainable_variables) == num_trainable


def test_folded_weights_are_those_computed_by_hand():
    network = _sequence(
        keras.layers.Conv2D(1, 1, use_bias=False, name="conv"),
        keras.layers.BatchNormalization(epsilon=0.01, name="bn"),
        shape=(1, 1, 2),
    )
    network.get_layer("conv").set_weights([np.reshape([3.0, -1], (1, 1, 2, 1))])
    gamma, beta, mean, variance = np.reshape([2.0, 0.5, 4.0, 0.24], (4, 1))
    network.get_layer("bn").set_weights([gamma, beta, mean, variance])
    kernel, bias = folding.fold(network).get_layer("conv").get_weights()
    # gamma / sqrt(variance + epsilon) is 2 / 0.5.
    np.testing.assert_allclose(kernel.ravel(), [12, -4], rtol=1e-6)
    np.testing.assert_allclose(bias, [0.5 - 4 * 4], rtol=1e-6)


@pytest.mark.parametrize(
    ("class_name", "options"),
    [
        ("Conv2D", {"filters": 7, "kernel_size": 2}),
        ("Conv2D", {"filters": 6, "kernel_size": 2, "groups": 3}),
        ("DepthwiseConv2D", {"kernel_size": 3}),
        ("DepthwiseConv2D", {"kernel_size": 2, "depth_multiplier": 2}),
        ("Dense", {"units": 5}),
    ],
)
@pytest.mark.parametrize("use_bias", [False, True])
@pytest.mark.parametrize("scale_and_center", [False, True])
def test_every_kind_of_layer_is_folded(
    class_name, options, use_bias, scale_and_center
):
    layer_class = getattr(keras.layers, class_name)
    network = _sequence(
        layer_class(use_bias=use_bias, name="linear", **options),
        keras.layers.BatchNormalization(
            scale=scale_and_center, center=scale_and_center, name="bn"
        ),
        keras.layers.ReLU(6, name="relu"),
    )
    _randomize(network)
    folded = folding.fold(network)
    assert [layer.name for layer in folded.layers[-3:]] == [
        "linear",
        "flat",
        "logits",
    ]
    values = np.random.default_rng(1).normal(size=(8, 5, 4, 3))
    expected = logits_model(network).predict(values, verbose=0)
    np.testing.assert_allclose(
        folded.predict(values, verbose=0), expected, rtol=1e-4, atol=1e-5
    )


@pytest.mark.parametrize(
    ("class_name", "options"),
    [
        ("ReLU", {"negative_slope": 0.1}),
        ("ReLU", {"threshold": 1.0}),
        ("ReLU", {"max_value": 3.0}),
        ("Activation", {"activation": "tanh"}),
    ],
)
def test_other_activations_stay_layers(class_name, options):
    activation = getattr(keras.layers, class_name)(name="kept", **options)
    network = _sequence(keras.layers.Dense(5, name="linear"), activation)
    folded = folding.fold(network)
    assert folded.get_layer("kept") is not activation
    assert folded.get_layer("linear").activation.__name__ == "linear"


def test_what_others_read_is_not_folded():
    inputs = keras.Input((4,))
    x = keras.layers.Dense(3, name="shared")(inputs)
    y = keras.layers.BatchNormalization(name="bn")(x)
    y = keras.layers.Add()([x, y])
    logits = keras.layers.Dense(2, name="logits")(y)
    network = keras.Model(inputs, keras.layers.Activation("sigmoid")(logits))
    _randomize(network)
    folded = folding.fold(network)
    assert folded.get_layer("bn").weights
    values = np.random.default_rng(1).normal(size=(8, 4))
    np.testing.assert_allclose(
        expit(folded.predict(values, verbose=0)),
        network.predict(values, verbose=0),
        atol=1e-6,
    )


def test_layer_that_is_used_twice_is_refused():
    inputs = keras.Input((4,))
    shared = keras.layers.Dense(4, name="shared")
    x = keras.layers.ReLU(name="relu")(shared(shared(inputs)))
    logits = keras.layers.Dense(2, name="logits")(x)
    network = keras.Model(inputs, keras.layers.Activation("sigmoid")(logits))
    with pytest.raises(ValueError, match="used once.*again before"):
        folding.fold(network)


def test_network_in_a_network_is_refused():
    inner = keras.Sequential([keras.layers.Dense(3)], name="inner")
    with pytest.raises(ValueError, match="without models inside.*'inner'"):
        folding.fold(_sequence(inner))


def test_sequential_network_is_folded():
    network = keras.Sequential(
        [
            keras.Input((4,)),
            keras.layers.Dense(3),
            keras.layers.BatchNormalization(),
            keras.layers.Dense(2, name="logits"),
            keras.layers.Activation("sigmoid"),
        ]
    )
    _randomize(network)
    values = np.random.default_rng(1).normal(size=(8, 4))
    np.testing.assert_allclose(
        expit(folding.fold(network).predict(values, verbose=0)),
        network.predict(values, verbose=0),
        atol=1e-6,
    )


def test_network_without_logits_is_refused():
    network = keras.Sequential([keras.Input((4,)), keras.layers.Dense(2)])
    with pytest.raises(ValueError, match="logits"):
        folding.fold(network)
