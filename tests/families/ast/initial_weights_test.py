"""Starts of ASTs with image transformers made here, not downloaded."""

import importlib.util

import keras
import numpy as np
import pytest

from ofa_aec_tf.families import networks
from ofa_aec_tf.families.ast import initial_weights
from ofa_aec_tf.families.ast.family import AstFamily

_HAS_HUB = importlib.util.find_spec("keras_hub") is not None
_needs_hub = [
    pytest.mark.hub,
    pytest.mark.skipif(not _HAS_HUB, reason="the extra `hub` is missing"),
]

_AST = AstFamily(5, 45, width=16, num_heads=2, depth=2, num_mel_bins=32)


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
        initial_weights.load_ast_weights(None, _AST, source)


@pytest.mark.skipif(_HAS_HUB, reason="the extra `hub` is there")
def test_the_missing_extra_is_named():
    with pytest.raises(ValueError, match=r"pip install 'ofa_aec_tf\[hub\]'"):
        initial_weights.load_ast_weights(None, _AST, "hub:deit")


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
    family = AstFamily(5, 36, width=16, num_heads=2, depth=2, num_mel_bins=36)
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
        pytest.param(
            AstFamily(5, 45, 32, 2, 2, num_mel_bins=32), marks=_needs_hub
        ),
        pytest.param(
            AstFamily(5, 45, 16, 4, 2, num_mel_bins=32), marks=_needs_hub
        ),
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


def test_positions_are_cut_from_the_middle():
    grid = np.arange(6 * 5, dtype=np.float32).reshape(6, 5, 1)
    resized = initial_weights.resize_positions(grid, (2, 3))[..., 0]
    # Of rows 0 to 5 the third and fourth, of columns 0 to 4 the middle three.
    np.testing.assert_array_equal(resized, [[11, 12, 13], [16, 17, 18]])


def test_positions_are_interpolated_where_there_are_too_few():
    grid = np.array([[[0.0], [4.0]]])
    resized = initial_weights.resize_positions(grid, (1, 4))[..., 0]
    # Centres of quarters between those of halves, and level beyond them.
    np.testing.assert_allclose(resized, [[0, 1, 3, 4]])
