import math

import keras
import numpy as np
import pytest
import tensorflow as tf

from ofa_aec_tf.families import networks
from ofa_aec_tf.families.ast.family import AstFamily
from ofa_aec_tf.families.ast.network import build_ast
from ofa_aec_tf.layers import RecomputedBlock
from ofa_aec_tf.models.logits import logits_model
from ofa_aec_tf.models.logits import score_activation
from ofa_aec_tf.models.precision import precision_scope

_SMALL = AstFamily(5, 45, width=16, num_heads=2, depth=2, num_mel_bins=32)


def _clips(num_clips=3):
    rng = np.random.default_rng(1)
    return rng.normal(-40, 15, (num_clips, 45, 32)).astype(np.float32)


def _network(family=_SMALL, **options):
    keras.utils.set_random_seed(0)
    return build_ast(family, **options)


def _num_trainable(network):
    return sum(int(np.prod(w.shape)) for w in network.trainable_weights)


@pytest.mark.parametrize(
    "family",
    [
        _SMALL,
        AstFamily(3, 101, width=24, num_heads=4, depth=1),
        AstFamily(527, 1024, width=192, num_heads=3, depth=1, num_mel_bins=128),
    ],
    ids=["small", "half a second", "ten seconds"],
)
def test_counted_parameters_are_those_of_the_built_model(family):
    network = build_ast(family)
    expected = family.complexity(None, family.num_frames).parameters
    assert _num_trainable(network) == expected


def test_base_is_as_large_as_published():
    network = build_ast(AstFamily(527, 1024, num_mel_bins=128))
    assert _num_trainable(network) == 86_592_783
    assert 86e6 < network.count_params() < 88e6


def test_scores_are_those_of_the_formula():
    family = AstFamily(5, 45, width=16, num_heads=2, depth=1, num_mel_bins=32)
    network = _network(family)
    rng = np.random.default_rng(0)
    network.set_weights(
        [rng.uniform(0.1, 0.5, w.shape) for w in network.get_weights()]
    )
    weights = {w.path: w.numpy().astype(float) for w in network.weights}
    clip = _clips(1)[0].astype(float)

    def affine(x, name):
        return x @ weights[f"{name}/kernel"] + weights[f"{name}/bias"]

    def normalize(x, name):
        x = x - x.mean(-1, keepdims=True)
        x /= np.sqrt((x * x).mean(-1, keepdims=True) + 1e-6)
        return x * weights[f"{name}/gamma"] + weights[f"{name}/beta"]

    def heads(x, part):
        name = f"block1_attention/{part}"
        return (
            np.einsum("pw,whk->hpk", x, weights[f"{name}/kernel"])
            + weights[f"{name}/bias"][:, np.newaxis]
        )

    bands = {k: weights[f"input_bn/{k}"] for k in ("gamma", "beta")}
    variance = weights["input_bn/moving_variance"] + 1e-5
    clip = (clip - weights["input_bn/moving_mean"]) / np.sqrt(variance)
    clip = clip * bands["gamma"] + bands["beta"]
    kernel = weights["patches/kernel"][:, :, 0]
    # In order of time, and within it of frequency: 3 by 2.
    patches = [
        np.einsum("tf,tfw->w", clip[t : t + 16, f : f + 16], kernel)
        + weights["patches/bias"]
        for t in (0, 10, 20)
        for f in (0, 10)
    ]
    x = np.concatenate([np.zeros((2, 16)), patches])
    x += weights["positions/kernel"].reshape(8, 16)
    y = normalize(x, "block1_attention_norm")
    query, key, value = (heads(y, p) for p in ("query", "key", "value"))
    products = np.einsum("hqk,hpk->hqp", query, key) / np.sqrt(8)
    products = np.exp(products - products.max(-1, keepdims=True))
    shares = products / products.sum(-1, keepdims=True)
    mixed = np.einsum("hqp,hpk->qhk", shares, value)
    name = "block1_attention/attention_output"
    x += np.einsum("qhk,hkw->qw", mixed, weights[f"{name}/kernel"])
    x += weights[f"{name}/bias"]
    y = affine(normalize(x, "block1_mlp_norm"), "block1_expand")
    erf = np.vectorize(math.erf)
    x += affine(y * (1 + erf(y / np.sqrt(2))) / 2, "block1_project")
    tokens = normalize(x, "encoder_norm")[:2].mean(0)
    logits = affine(normalize(tokens, "classifier_norm"), "logits")
    np.testing.assert_allclose(
        network(_clips(1))[0], 1 / (1 + np.exp(-logits)), rtol=1e-4
    )


def test_it_ends_as_every_network_of_the_project():
    network = _network(
        AstFamily(5, 45, 16, 2, 1, score_activation="softmax", num_mel_bins=32)
    )
    assert score_activation(network) == "softmax"
    assert network(_clips()).shape == (3, 5)
    assert logits_model(network)(_clips()).shape == (3, 5)


def test_a_saved_network_needs_keras_alone(tmp_path):
    network = _network()
    network.save(tmp_path / "ast.keras")
    modules = {
        type(layer).__module__.partition(".")[0] for layer in network.layers
    }
    assert modules == {"keras"}
    loaded = keras.models.load_model(tmp_path / "ast.keras")
    np.testing.assert_array_equal(loaded(_clips()), network(_clips()))


def _gradients(network, in_graph):
    def gradients(clips):
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(network(clips, training=True) ** 2)
        return tape.gradient(
            loss, [v.value for v in network.trainable_variables]
        )

    function = tf.function(gradients) if in_graph else gradients
    return function(_clips())


@pytest.mark.parametrize("in_graph", [False, True], ids=["eager", "graph"])
def test_gradients_are_the_same_with_checkpointing(in_graph):
    plain = _network()
    recomputed = _network(gradient_checkpointing=True)
    assert sum(isinstance(x, RecomputedBlock) for x in recomputed.layers) == 2
    recomputed.set_weights(plain.get_weights())
    expected = _gradients(plain, in_graph)
    assert all(float(tf.reduce_max(abs(g))) > 0 for g in expected[:5])
    for ours, theirs in zip(_gradients(recomputed, in_graph), expected):
        np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-7)


def test_a_block_is_computed_twice_with_checkpointing():
    def num_softmaxes(network):
        @tf.function
        def step(clips):
            with tf.GradientTape() as tape:
                loss = tf.reduce_sum(network(clips, training=True))
            return tape.gradient(
                loss, [v.value for v in network.trainable_variables]
            )

        graph = step.get_concrete_function(tf.constant(_clips())).graph
        return sum(op.type == "Softmax" for op in graph.get_operations())

    once = num_softmaxes(_network())
    assert once == 2
    assert num_softmaxes(_network(gradient_checkpointing=True)) > once


def test_dropout_of_blocks_is_refused_with_checkpointing():
    with pytest.raises(ValueError, match="block_dropout=0.1"):
        _network(gradient_checkpointing=True, block_dropout=0.1)


def test_dropout_is_in_training_alone():
    network = _network(block_dropout=0.9, head_dropout=0.5)
    plain = _network()
    plain.set_weights(network.get_weights())
    np.testing.assert_array_equal(network(_clips()), plain(_clips()))
    scores = network(_clips(), training=True).numpy()
    assert not np.allclose(scores, network(_clips(), training=True))


def test_bfloat16_is_close():
    network = _network()
    with precision_scope("bfloat16"):
        half = build_ast(_SMALL)
    half.set_weights(network.get_weights())
    scores = half(_clips()).numpy()
    assert scores.dtype == np.float32
    np.testing.assert_allclose(scores, network(_clips()), atol=0.02)


def test_a_supernet_of_it_is_refused():
    with pytest.raises(ValueError, match="several networks: cnn10.*ast"):
        networks.build_supernet(_SMALL)
