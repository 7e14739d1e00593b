import json

import numpy as np
import pytest

from ofa_aec_tf.families import registry
from ofa_aec_tf.families.cnn10.family import Cnn10Family
from ofa_aec_tf.families.cnn10.network import build_cnn10

_NUM_FRAMES = 1001  # 10 s
_AUDIOSET = Cnn10Family(num_classes=527)

_SMALL = {"channels": (8, 16, 20, 24), "hidden_units": 16}
_SPACES = {
    "default": {},
    "two elastic depths": {"depth_pattern": "2XX"},
    "all elastic depths": {"depth_pattern": "XXX"},
    "width only": {
        "depth_pattern": "222",
        "width_ratios": (0.2, 0.4, 0.6, 0.8, 1.0),
    },
    "elastic stem": {"elastic_stem": True},
    "per layer": {"width_granularity": "layer"},
    "everything": {
        "depth_pattern": "XXX",
        "elastic_stem": True,
        "width_granularity": "layer",
    },
}


def _uniform(family, ratio, depth):
    return {
        decision.name: depth if decision.name.endswith("depth") else ratio
        for decision in family.search_space().decisions
    }


def _parameters(family):
    return np.array(
        [
            family.complexity(subnet, _NUM_FRAMES).parameters
            for subnet in family.search_space().enumerate()
        ]
    )


def test_the_full_network_has_the_published_size():
    cost = _AUDIOSET.complexity(None, _NUM_FRAMES)
    assert cost.parameters == 5_219_279
    assert cost.macs == 13_015_920_128


@pytest.mark.parametrize(
    ("ratio", "depth", "parameters"),
    [(0.6, 1, 1_043_523), (1.0, 1, 2_120_911), (0.8, 2, 3_509_628)],
)
def test_uniform_subnets_have_the_published_sizes(ratio, depth, parameters):
    family = Cnn10Family(num_classes=527, depth_pattern="XXX")
    subnet = _uniform(family, ratio, depth)
    cost = family.complexity(subnet, _NUM_FRAMES)
    assert cost.parameters == parameters


def test_the_default_space_spans_the_published_range():
    parameters = _parameters(_AUDIOSET)
    assert len(parameters) == 128
    assert round(parameters.min() / 1e6, 3) == 0.796
    assert round(parameters.max() / 1e6, 3) == 5.219


@pytest.mark.parametrize(
    ("target", "num_subnets"),
    [(900_000, 3), (1_800_000, 14), (2_700_000, 8), (3_600_000, 4)],
)
def test_the_published_budgets_hold_known_numbers_of_subnets(
    target, num_subnets
):
    near = np.abs(_parameters(_AUDIOSET) - target) <= 100_000
    assert near.sum() == num_subnets


def test_one_ratio_a_layer_makes_a_space_of_5120():
    family = Cnn10Family(num_classes=527, width_granularity="layer")
    # Blocks 2 and 3: 16 each; block 4: 4 with one layer, 16 with two.
    assert family.search_space().num_subnets == 16 * 16 * (4 + 16)


@pytest.mark.parametrize(
    ("elastic_stem", "giga_macs"), [(False, 3.24), (True, 0.97)]
)
def test_an_elastic_stem_makes_the_smallest_subnet_far_cheaper(
    elastic_stem, giga_macs
):
    family = Cnn10Family(
        num_classes=527, depth_pattern="XXX", elastic_stem=elastic_stem
    )
    smallest = family.search_space().smallest()
    macs = family.complexity(smallest, _NUM_FRAMES).macs
    assert round(macs / 1e9, 2) == giga_macs


@pytest.mark.parametrize("options", _SPACES.values(), ids=_SPACES)
def test_counted_parameters_are_those_of_the_built_model(options):
    family = Cnn10Family(num_classes=5, **_SMALL, **options)
    space = family.search_space()
    rng = np.random.default_rng(0)
    subnets = [space.smallest(), space.largest(), space.sample(rng)]
    for subnet in subnets:
        model = build_cnn10(
            family.filters(subnet),
            family.num_classes,
            family.num_mel_bins,
            family.hidden_units,
        )
        trainable = sum(
            int(np.prod(weight.shape)) for weight in model.trainable_weights
        )
        assert family.complexity(subnet, 64).parameters == trainable


def test_widths_are_the_nearest_whole_number():
    # 0.4 x 64 = 25.6, 0.6 x 64 = 38.4, half goes up.
    assert _AUDIOSET.num_filters(64, 0.4) == 26
    assert _AUDIOSET.num_filters(64, 0.6) == 38
    assert _AUDIOSET.num_filters(5, 0.5) == 3


def test_widths_can_be_multiples():
    ratios = tuple(number / 16 for number in range(4, 17, 2))
    family = Cnn10Family(527, width_ratios=ratios, channel_multiple=16)
    space = family.search_space()
    assert space.num_subnets == 7**3 * 2
    for subnet in space.enumerate():
        for block in family.filters(subnet):
            assert all(filters % 16 == 0 for filters in block)
    # 0.4 x 128 = 51.2 is 3.2 sixteens; ratio 1 keeps all, whatever the number.
    assert family.num_filters(128, 0.4) == 48
    assert family.num_filters(100, 1.0) == 100
    assert family.num_filters(100, 0.99) == 96
    assert family.num_filters(64, 0.01) == 16
    assert Cnn10Family.from_json(family.to_json()) == family


def test_ratios_that_give_the_same_multiple_are_refused():
    with pytest.raises(
        ValueError, match=r"block 2 the same filters: \[16, 16, 32\] for"
    ):
        Cnn10Family(
            10,
            (16, 32, 64, 128),
            width_ratios=(0.4, 0.6, 1.0),
            channel_multiple=16,
        )
    with pytest.raises(ValueError, match="channel_multiple=0"):
        Cnn10Family(10, channel_multiple=0)


def test_filters_follow_widths_and_depth():
    subnet = {
        "block2_width": 0.4,
        "block3_width": 1.0,
        "block4_depth": 1,
        "block4_width": 0.6,
    }
    assert _AUDIOSET.filters(subnet) == (
        (64, 64),
        (51, 51),
        (256, 256),
        (307,),
    )


def test_macs_grow_with_the_clip_and_parameters_do_not():
    short = _AUDIOSET.complexity(None, 512)
    long = _AUDIOSET.complexity(None, 1024)
    dense = 512 * 512 + 512 * 527
    assert long.macs - dense == 2 * (short.macs - dense)
    assert long.parameters == short.parameters


def test_the_peak_is_between_the_first_two_convolutions():
    # The input, 64 channels in and 64 out at 1001 x 64.
    cost = _AUDIOSET.complexity(None, _NUM_FRAMES)
    positions = 1001 * 64
    assert cost.peak_activation_bytes == 4 * (1 + 2 * 64) * positions
    assert cost.int8_peak_activation_bytes == (4 + 2 * 64) * positions


@pytest.mark.parametrize("options", _SPACES.values(), ids=_SPACES)
def test_json_gives_a_family_back(options):
    family = Cnn10Family(num_classes=5, **options)
    text = json.dumps(family.to_json())
    assert Cnn10Family.from_json(json.loads(text)) == family


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("num_classes", None),
        ("num_classes", "5"),
        ("channels", 3),
        ("channels", [8, "16", 20, 24]),
        ("hidden_units", []),
        ("width_ratios", None),
        ("width_ratios", [0.4, float("nan")]),
        ("depth_pattern", 22),
        ("elastic_stem", "no"),
        ("channel_multiple", 10**30),
    ],
    ids=str,
)
def test_a_value_of_a_stored_family_of_another_kind_is_refused(key, value):
    with pytest.raises(ValueError, match=f"`family.{key}` is of another kind"):
        Cnn10Family.from_json({"num_classes": 5, key: value})


def test_a_stored_family_lacks_no_key_without_a_default():
    with pytest.raises(ValueError, match="`family.num_classes` is missing"):
        Cnn10Family.from_json({})


@pytest.mark.parametrize("values", [None, 3, [], "cnn10", {"name": []}])
def test_what_is_no_family_is_refused(values):
    with pytest.raises(ValueError, match="famil.*Received: "):
        registry.family_from_json(values)


@pytest.mark.parametrize("choices", [None, 3, ["width"], "width"])
def test_what_is_no_subnet_is_refused(choices):
    with pytest.raises(ValueError, match="of this space decides .*Received: "):
        _AUDIOSET.search_space().subnet(choices)


def test_an_unknown_key_of_a_stored_family_is_refused():
    with pytest.raises(ValueError, match=r"Received unknown: \['kernels'\]"):
        Cnn10Family.from_json({"num_classes": 5, "kernels": 3})


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"num_classes": 0}, "must be positive"),
        ({"hidden_units": 0}, "`hidden_units` must be at least 1"),
        ({"channels": (64,)}, "at least two blocks"),
        ({"channels": (64, 0, 64, 64)}, "at least two blocks"),
        ({"width_ratios": (1.0, 0.5)}, "ascending and in"),
        ({"width_ratios": (0.5, 1.2)}, "ascending and in"),
        ({"width_ratios": (0.5, float("nan"))}, "must be a finite number"),
        ({"width_ratios": (float("nan"), 1.0)}, "must be a finite number"),
        ({"width_ratios": ()}, "ascending and in"),
        (
            {"channels": (2, 4, 8, 16), "width_ratios": (0.1, 1.0)},
            "Ratio 0.1 leaves a layer of 2 channels without any",
        ),
        ({"depth_pattern": "2X"}, "needs 3 characters"),
        ({"depth_pattern": "22Y"}, "each `2` or `X`. .*depth_pattern=22Y"),
        ({"width_granularity": "model"}, "Received: width_granularity='model'"),
        ({"num_mel_bins": 8}, "at least 16 mel bands"),
    ],
)
def test_impossible_families_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        Cnn10Family(**{"num_classes": 5, **options})


def test_a_subnet_of_another_space_is_refused():
    with pytest.raises(ValueError, match="choice for `block2_width`"):
        _AUDIOSET.filters({"block4_depth": 1})
