"""Weights of image models, made here: nothing is downloaded."""

import importlib.util

import keras
import numpy as np
import pytest

from ofa_aec_tf.families import imagenet
from ofa_aec_tf.families import networks
from ofa_aec_tf.families.ast.family import AstFamily
from ofa_aec_tf.families.cnn10.family import Cnn10Family
from ofa_aec_tf.families.efficientnet.family import EfficientNetFamily

_HAS_HUB = importlib.util.find_spec("keras_hub") is not None
_needs_hub = [
    pytest.mark.hub,
    pytest.mark.skipif(not _HAS_HUB, reason="the extra `hub` is missing"),
]

_B0 = EfficientNetFamily(5, 64, 1.0, 1.0)
_AST = AstFamily(5, 45, 32, width=16, num_heads=2, depth=2)


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
    b2 = EfficientNetFamily(5, 64, 1.1, 1.2)
    with pytest.raises(ValueError, match="b0.keras .* no layer `block1b"):
        imagenet.load_efficientnet_weights(
            networks.build_network(b2), b2, str(path)
        )
    narrow = EfficientNetFamily(5, 64, 0.5, 1.0)
    with pytest.raises(ValueError, match="another size.*`stem_conv`"):
        imagenet.load_efficientnet_weights(
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
        imagenet.load_efficientnet_weights(
            None, EfficientNetFamily(5, 64, *size), source
        )


def test_a_download_that_fails_ends_in_one_line(monkeypatch):
    def fail(**unused):
        raise Exception("URL fetch failure on https://example.org\nmore")

    monkeypatch.setattr(keras.applications, "EfficientNetB0", fail)
    with pytest.raises(ValueError) as error:
        imagenet.load_efficientnet_weights(None, _B0, "imagenet")
    assert "URL fetch failure" in str(error.value)
    assert "name the file" in str(error.value)
    assert len(str(error.value).splitlines()) == 1


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("imagenet", "hub:deit_base_distilled_patch16_384_imagenet"),
        ("deit.weights.h5", "must be in a `.keras` file"),
        ("absent.keras", "no model file absent.keras"),
    ],
)
def test_an_impossible_start_of_an_ast_is_refused(source, message):
    with pytest.raises(ValueError, match=message):
        imagenet.load_ast_weights(None, _AST, source)


@pytest.mark.skipif(_HAS_HUB, reason="the extra `hub` is there")
def test_the_missing_extra_is_named():
    with pytest.raises(ValueError, match=r"pip install 'ofa_aec_tf\[hub\]'"):
        imagenet.load_ast_weights(None, _AST, "hub:deit")


def test_a_network_for_sounds_is_no_image_model(tmp_path):
    path = tmp_path / "teacher.keras"
    network = networks.build_network(_B0)
    network.save(path)
    with pytest.raises(ValueError, match="one for sounds without its record"):
        networks.load_initial_weights(network, _B0, str(path))


def test_a_cnn10_has_no_weights_of_images():
    family = Cnn10Family(5, channels=(4, 4, 4, 4), hidden_units=4)
    with pytest.raises(ValueError, match="ast, efficientnet. Received: cnn10"):
        networks.load_initial_weights(None, family, "imagenet")


def _image_transformer(kind, **options):
    import keras_hub

    sizes = {
        "image_shape": (32, 48, 3)
        if options.pop("wide", False)
        else (48, 48, 3),
        "patch_size": 16,
        "num_layers": options.pop("num_layers", 2),
        "num_heads": 2,
        "hidden_dim": 16,
    }
    keras.utils.set_random_seed(0)
    if kind == "vit":
        model = keras_hub.models.ViTBackbone(**sizes, mlp_dim=64)
    else:
        model = keras_hub.models.DeiTBackbone(**sizes, intermediate_dim=64)
    rng = np.random.default_rng(0)
    model.set_weights(
        [w + rng.normal(0, 0.2, w.shape) for w in model.get_weights()]
    )
    return model


@pytest.mark.parametrize(
    "kind",
    [pytest.param(kind, marks=_needs_hub) for kind in ("deit", "vit")],
)
def test_a_grey_image_gives_the_tokens_of_the_image_transformer(kind, tmp_path):
    model = _image_transformer(kind)
    path = tmp_path / f"{kind}.keras"
    model.save(path)
    # 3 by 3 patches of 16 with 10 between: 36 frames and bands.
    family = AstFamily(5, 36, 36, width=16, num_heads=2, depth=2)
    network = networks.build_network(family, gradient_checkpointing=True)
    networks.load_initial_weights(network, family, str(path))
    plain = networks.build_network(family)
    plain.set_weights(network.get_weights())
    tokens = keras.Model(plain.input, plain.get_layer("encoder_norm").output)
    clip = np.random.default_rng(1).normal(0, 1, (36, 36)).astype(np.float32)
    epsilon = plain.get_layer("input_bn").epsilon
    ours = tokens(clip[np.newaxis] * np.sqrt(1 + epsilon))[0].numpy()
    # The image has its patches side by side, bands from top to bottom.
    image = np.block(
        [
            [clip[t : t + 16, f : f + 16].T for t in (0, 10, 20)]
            for f in (0, 10, 20)
        ]
    )
    image = np.repeat(image[np.newaxis, ..., np.newaxis] / 3, 3, axis=-1)
    theirs = model(image)[0].numpy()
    if kind == "vit":
        # It has one token: compare what the two copies of it give together
        # with the source's only in what they start from.
        positions = plain.get_layer("positions").get_weights()[0]
        class_token, second = positions.reshape(11, 16)[:2]
        np.testing.assert_array_equal(class_token, second)
        return
    patches = theirs[2:].reshape(3, 3, 16).swapaxes(0, 1).reshape(9, 16)
    assert np.std(theirs) > 0.1
    np.testing.assert_allclose(ours[:2], theirs[:2], atol=1e-4)
    np.testing.assert_allclose(ours[2:], patches, atol=1e-4)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        pytest.param({"num_layers": 1}, "as many blocks", marks=_needs_hub),
        pytest.param({"num_layers": 3}, "--ast_depth", marks=_needs_hub),
        pytest.param({"wide": True}, "must be square", marks=_needs_hub),
    ],
    ids=["shallow", "deep", "wide"],
)
def test_a_transformer_of_another_size_is_refused(options, message, tmp_path):
    path = tmp_path / "deit.keras"
    _image_transformer("deit", **options).save(path)
    with pytest.raises(ValueError, match=message):
        networks.load_initial_weights(
            networks.build_network(_AST), _AST, str(path)
        )


@pytest.mark.parametrize(
    "family",
    [
        pytest.param(AstFamily(5, 45, 32, 32, 2, 2), marks=_needs_hub),
        pytest.param(AstFamily(5, 45, 32, 16, 4, 2), marks=_needs_hub),
    ],
    ids=["wider", "more heads"],
)
def test_a_transformer_of_another_width_is_refused(family, tmp_path):
    path = tmp_path / "deit.keras"
    _image_transformer("deit").save(path)
    with pytest.raises(ValueError, match="of another size than the network"):
        networks.load_initial_weights(
            networks.build_network(family), family, str(path)
        )


@pytest.mark.hub
@pytest.mark.skipif(not _HAS_HUB, reason="the extra `hub` is missing")
def test_a_preset_in_a_directory_is_loaded(tmp_path):
    model = _image_transformer("deit")
    model.save_to_preset(str(tmp_path / "preset"))
    network = networks.build_network(_AST)
    networks.load_initial_weights(network, _AST, f"hub:{tmp_path / 'preset'}")
    kernel = network.get_layer("block2_expand").get_weights()[0]
    expected = next(
        v.numpy()
        for v in model.variables
        if v.path.endswith("transformer_block_2/mlp/dense/kernel")
    )
    np.testing.assert_array_equal(kernel, expected)
    with pytest.raises(ValueError, match="preset absent cannot be loaded"):
        networks.load_initial_weights(network, _AST, "hub:absent")
