import json

import pytest

from ofa_aec_tf.families.efficientnet.family import EfficientNetFamily
from ofa_aec_tf.models import precision


def _family(size, num_classes=527):
    return EfficientNetFamily(
        num_classes, **EfficientNetFamily.sizes.values[size]
    )


# As keras.applications reports them without a classifier and for images of
# three channels: trainable parameters.
@pytest.mark.parametrize(
    ("size", "image_parameters", "stem_filters", "features"),
    [("b0", 4_007_548, 32, 1280), ("b2", 7_700_994, 32, 1408)],
)
def test_sizes_are_the_published_ones(
    size, image_parameters, stem_filters, features
):
    parameters = _family(size).complexity(None, 1001).parameters
    two_channels_less = 2 * 9 * stem_filters
    classifier = features * 527 + 527
    assert parameters == (
        image_parameters - two_channels_less + 2 * 64 + classifier
    )


def test_b2_without_its_classifier_is_as_large_as_in_cmkd():
    classifier = 1408 * 527 + 527
    parameters = _family("b2").complexity(None, 1001).parameters - classifier
    assert parameters == 7_700_546


def test_macs_of_b0_are_the_published_ones():
    # 0.39 billion for an image of 224 x 224 and 1000 classes, in the paper.
    # Two channels less in the stem are 7 million.
    family = EfficientNetFamily(1000, 1.0, 1.0, num_mel_bins=224)
    macs = family.complexity(None, 224).macs + 2 * 9 * 32 * 112**2
    assert macs / 1e9 == pytest.approx(0.39, abs=0.005)


def test_filters_are_multiples_of_8_of_at_least_90_percent():
    family = _family("b2")
    # 1.1 x 16 = 17.6, x 24 = 26.4, x 40 = 44, x 1280 = 1408.
    assert [family.num_filters(n) for n in (16, 24, 40, 1280)] == [
        16,
        24,
        48,
        1408,
    ]
    narrow = EfficientNetFamily(5, width_coefficient=0.6)
    # 0.6 x 32 = 19.2, of which 16 would be 83 %.
    assert narrow.num_filters(32) == 24
    assert narrow.num_filters(1) == 8


def test_blocks_are_rounded_up():
    names = [block.name for block in _family("b2").blocks()]
    # 1.2 x 1, 2, 2, 3, 3, 4, 1.
    letters = ("ab", "abc", "abc", "abcd", "abcd", "abcde", "ab")
    assert names == [
        f"block{number}{letter}"
        for number, of_stage in enumerate(letters, start=1)
        for letter in of_stage
    ]


def test_the_peak_is_at_the_first_expanded_block():
    # 96 channels at half the size: a swish has its input, the sigmoid of it,
    # and their product. The sigmoid alone stays in float32.
    cost = _family("b0").complexity(None, 1001)
    elements = 96 * 500 * 32
    assert cost.peak_activation_bytes == 4 * (1001 * 64 + 3 * elements)
    assert cost.int8_peak_activation_bytes == 4 * 1001 * 64 + 9 * elements


def test_depthwise_convolutions_are_too_narrow_for_bfloat16():
    fewest_filters = _family("b0").fewest_filters()
    assert fewest_filters < precision.FEWEST_BFLOAT16_FILTERS


def test_json_gives_a_family_back():
    family = _family("b2", num_classes=5)
    values = json.loads(json.dumps(family.to_json()))
    assert EfficientNetFamily.from_json(values) == family


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"num_classes": 0}, "`num_classes` must be positive"),
        ({"width_coefficient": 0.0}, "`width_coefficient` must be more than 0"),
        (
            {"depth_coefficient": -1.0},
            "`depth_coefficient` must be more than 0",
        ),
        ({"num_mel_bins": 31}, "32 mel bands.*num_mel_bins=31"),
        ({"score_activation": "relu"}, "score_activation='relu'"),
    ],
)
def test_impossible_families_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        EfficientNetFamily(**{"num_classes": 5, **options})


def test_a_clip_that_is_too_short_is_refused():
    with pytest.raises(ValueError, match="num_frames=31.*--clip_seconds"):
        _family("b0").complexity(None, 31)
