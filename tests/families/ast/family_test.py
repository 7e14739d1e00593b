import json

import pytest

from ofa_aec_tf.families.ast.family import AstFamily

_NUM_FRAMES = 1024  # 10.24 s every 10 ms


def _family(size="base", num_classes=527, num_mel_bins=128):
    return AstFamily(
        num_classes,
        _NUM_FRAMES,
        num_mel_bins=num_mel_bins,
        **AstFamily.sizes.values[size],
    )


def _block_parameters(width):
    """Two normalizations, attention, two dense layers."""
    attention = 4 * (width * width + width)
    dense = width * 4 * width + 4 * width + 4 * width * width + width
    return 2 * 2 * width + attention + dense


def test_patches_of_ten_seconds_are_those_of_the_paper():
    # 12 along frequency, 101 along time: 1212.
    assert _family().patch_grid == (101, 12)


@pytest.mark.parametrize(
    ("num_frames", "num_patches"), [(16, 1), (25, 1), (26, 2), (35, 2)]
)
def test_a_patch_has_16_frames_and_starts_every_10(num_frames, num_patches):
    family = AstFamily(5, num_frames, 8, 1, 1, num_mel_bins=16)
    assert family.patch_grid == (num_patches, 1)


def test_base_has_the_published_size():
    classifier = 2 * 768 + 768 * 527 + 527
    encoder = 12 * _block_parameters(768) + 2 * 768
    patches = 256 * 768 + 768
    positions = (1212 + 2) * 768
    parameters = _family().complexity(None, _NUM_FRAMES).parameters
    assert parameters == 2 * 128 + patches + positions + encoder + classifier
    assert parameters == 86_592_783
    assert classifier == 406_799


@pytest.mark.parametrize("size", AstFamily.sizes.values)
def test_macs_are_those_counted_by_hand(size):
    family = _family(size)
    width, depth = family.width, family.depth
    positions = 1214
    block = 12 * width * width * positions + 2 * positions**2 * width
    macs = 256 * width * 1212 + depth * block + width * 527
    assert family.complexity(None, _NUM_FRAMES).macs == macs


def test_the_peak_is_at_the_weights_of_an_attention():
    # A weight of each head for each pair of 1214 positions, before and after
    # the softmax, beside the values and what the block started from.
    weights, values = 12 * 1214**2, 1214 * 768
    cost = _family().complexity(None, _NUM_FRAMES)
    assert cost.peak_activation_bytes == 4 * (
        1024 * 128 + 2 * weights + 2 * values
    )
    assert cost.int8_peak_activation_bytes == (
        4 * 1024 * 128 + 4 * 2 * weights + 2 * values
    )


def test_a_clip_of_another_length_is_refused():
    with pytest.raises(ValueError, match="num_frames=1024.*num_frames=1001"):
        _family().complexity(None, 1001)


def test_its_space_has_one_subnet_that_decides_nothing():
    space = _family().search_space()
    assert space.num_subnets == 1
    assert list(space.enumerate()) == [space.smallest()]
    assert space.smallest() == space.largest() == space.parse("largest")
    assert dict(space.subnet({})) == {}
    with pytest.raises(ValueError, match="Received unknown"):
        space.subnet({"block1_width": 1.0})


def test_json_gives_a_family_back():
    family = _family("tiny", num_classes=5)
    values = json.loads(json.dumps(family.to_json()))
    assert AstFamily.from_json(values) == family
    with pytest.raises(ValueError, match=r"AST has the keys .*\['channels'\]"):
        AstFamily.from_json({**values, "channels": 3})


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"num_classes": 0}, "`num_classes` must be positive"),
        ({"width": 0}, "`width` must be at least 1"),
        ({"depth": 0}, "`depth` must be at least 1"),
        ({"num_heads": 5}, "width=768, num_heads=5"),
        ({"num_frames": 15}, "16 frames .*num_frames=15"),
        ({"num_mel_bins": 15}, "16 mel bands.*num_mel_bins=15"),
        ({"score_activation": "relu"}, "score_activation='relu'"),
    ],
)
def test_impossible_families_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        AstFamily(**{"num_classes": 5, "num_frames": 101, **options})
