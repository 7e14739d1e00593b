import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ofa_aec_tf.search_space.space import Decision
from ofa_aec_tf.search_space.space import SearchSpace
from ofa_aec_tf.search_space.space import Subnet

# The second width matters only where the depth is 2.
_CONDITIONAL = SearchSpace(
    (
        Decision("depth", (1, 2)),
        Decision("width1", (0.5, 1.0)),
        Decision("width2", (0.25, 0.5, 1.0), requires=("depth", 2)),
    )
)


@st.composite
def _spaces(draw):
    decisions = []
    for number in range(draw(st.integers(1, 4))):
        choices = draw(
            st.lists(
                st.integers(1, 9), unique=True, min_size=1, max_size=3
            ).map(sorted)
        )
        requires = None
        if decisions and draw(st.booleans()):
            earlier = draw(st.sampled_from(decisions))
            requires = (earlier.name, draw(st.sampled_from(earlier.choices)))
        decisions.append(Decision(f"d{number}", tuple(choices), requires))
    return SearchSpace(tuple(decisions))


_SEEDS = st.integers(0, 2**32 - 1)


def test_a_choice_that_is_required_may_be_exceeded():
    space = SearchSpace(
        (
            Decision("depth", (1, 2, 3)),
            Decision("width2", (4, 8), requires=("depth", 2)),
            Decision("kernel2", (3, 5, 7), requires=("width2", 8)),
            Decision("width3", (4, 8), requires=("depth", 3)),
        )
    )
    assert set(space.largest()) == {"depth", "width2", "kernel2", "width3"}
    assert set(space.subnet({**space.largest(), "depth": 2})) == {
        "depth",
        "width2",
        "kernel2",
    }
    with pytest.raises(ValueError, match="choice for `width2`"):
        space.subnet({"depth": 3, "width3": 4})
    # Depth 1 alone; 4 (4, or 8 with 3 kernels) at depth 2; twice that at 3.
    assert space.num_subnets == len(list(space.enumerate())) == 1 + 4 + 8


def test_spaces_beyond_64_bits_are_counted():
    decisions = [Decision(f"layer{n}", (1, 2, 3)) for n in range(70)]
    decisions.append(Decision("kernel", (3, 5), requires=("layer0", 2)))
    space = SearchSpace(tuple(decisions))
    assert space.num_subnets == 3**69 * (1 + 2 + 2)


@given(_spaces(), _SEEDS)
def test_samples_are_members_of_the_listed_space(space, seed):
    subnet = space.sample(np.random.default_rng(seed))
    assert space.contains(subnet)
    assert subnet in set(space.enumerate())


@given(_spaces())
def test_the_listing_has_every_subnet_once_and_as_many_as_the_length(space):
    subnets = list(space.enumerate())
    assert len(set(subnets)) == len(subnets) == space.num_subnets


@given(_spaces(), _SEEDS)
def test_indices_and_json_give_a_subnet_back(space, seed):
    subnet = space.sample(np.random.default_rng(seed))
    indices = space.to_indices(subnet)
    assert indices.dtype == np.int32
    assert space.from_indices(indices) == subnet
    assert space.parse(json.dumps(dict(subnet))) == subnet
    assert space.parse(str(subnet)) == subnet


@given(_spaces())
def test_json_gives_a_space_back(space):
    text = json.dumps(space.to_json())
    assert SearchSpace.from_json(json.loads(text)) == space


@given(_spaces(), _SEEDS)
def test_neighbours_are_other_members_that_differ_in_one_decision(space, seed):
    subnet = space.sample(np.random.default_rng(seed))
    neighbours = space.neighbours(subnet)
    assert len(set(neighbours)) == len(neighbours)
    assert subnet not in neighbours
    requires = {d.name: d.requires for d in space.decisions}

    def depends_on(name, changed):
        while requires[name] is not None:
            name = requires[name][0]
            if name in changed:
                return True
        return False

    for neighbour in neighbours:
        assert space.contains(neighbour)
        common = set(subnet) & set(neighbour)
        changed = {n for n in common if subnet[n] != neighbour[n]}
        # Others appear or disappear only because the changed one rules them.
        assert len([n for n in changed if not depends_on(n, changed)]) == 1
        for name in set(subnet) ^ set(neighbour):
            assert depends_on(name, changed)


def test_an_unconditional_space_has_all_neighbours():
    space = SearchSpace((Decision("a", (1, 2, 3)), Decision("b", (1, 2))))
    subnet = space.subnet({"a": 2, "b": 1})
    assert [dict(n) for n in space.neighbours(subnet)] == [
        {"a": 1, "b": 1},
        {"a": 3, "b": 1},
        {"a": 2, "b": 2},
    ]


def test_a_decision_that_starts_to_matter_makes_its_largest_choice():
    subnet = _CONDITIONAL.subnet({"depth": 1, "width1": 0.5})
    assert {"depth": 2, "width1": 0.5, "width2": 1.0} in [
        dict(n) for n in _CONDITIONAL.neighbours(subnet)
    ]


def test_choices_that_do_not_matter_are_dropped():
    shallow = _CONDITIONAL.subnet({"depth": 1, "width1": 1.0, "width2": 0.5})
    assert dict(shallow) == {"depth": 1, "width1": 1.0}
    assert _CONDITIONAL.num_subnets == 2 + 2 * 3


def test_samples_do_not_favour_a_choice():
    rng = np.random.default_rng(0)
    widths = [_CONDITIONAL.sample(rng)["width1"] for _ in range(1000)]
    # 500 expected, standard deviation 16.
    assert 420 < widths.count(0.5) < 580


def test_smallest_and_largest_are_the_first_and_last_choices():
    assert dict(_CONDITIONAL.smallest()) == {"depth": 1, "width1": 0.5}
    assert dict(_CONDITIONAL.largest()) == {
        "depth": 2,
        "width1": 1.0,
        "width2": 1.0,
    }
    assert _CONDITIONAL.parse("smallest") == _CONDITIONAL.smallest()
    assert _CONDITIONAL.parse("largest") == _CONDITIONAL.largest()


@pytest.mark.parametrize(
    ("text", "choices"),
    [
        ("depth=1,width1=0.5", {"depth": 1, "width1": 0.5}),
        # What does not matter may be there.
        ("width=0.5,a_depth=1", {"a_depth": 1, "a_conv1_width": 0.5}),
        (
            "width=0.5,depth=2",
            {"a_depth": 2, "a_conv1_width": 0.5, "a_conv2_width": 0.5},
        ),
        # The closer name counts, wherever it stands.
        (
            "conv2_width=1,depth=2,width=0.5",
            {"a_depth": 2, "a_conv1_width": 0.5, "a_conv2_width": 1.0},
        ),
        (
            "a_conv1_width=1,depth=2,width=0.5",
            {"a_depth": 2, "a_conv1_width": 1.0, "a_conv2_width": 0.5},
        ),
    ],
)
def test_a_name_stands_for_all_decisions_that_end_with_it(text, choices):
    by_layer = SearchSpace(
        (
            Decision("a_depth", (1, 2)),
            Decision("a_conv1_width", (0.5, 1.0)),
            Decision("a_conv2_width", (0.5, 1.0), requires=("a_depth", 2)),
        )
    )
    space = _CONDITIONAL if "width1" in choices else by_layer
    assert dict(space.parse(text)) == choices


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("width1=0.7,depth=1", r"`width1` must be one of \[0.5, 1.0\]"),
        ("width1=0.5", "needs a choice for `depth`"),
        ("kernel=3,depth=1", r"Received unknown: \['kernel'\]"),
        ("depth=1,width1=1,depth=2", "`depth` is there twice"),
        ("width1=0.5,,depth=1", "such as width=0.8,depth=2, or a JSON object"),
        ("width1=0.5;depth=1", "such as width=0.8,depth=2, or a JSON object"),
        ("width1=half", "such as width=0.8,depth=2, or a JSON object"),
    ],
)
def test_assignments_that_are_no_subnet_are_refused(text, message):
    with pytest.raises(ValueError, match=message):
        _CONDITIONAL.parse(text)


def test_subnets_are_equal_and_hash_alike_whatever_the_number_type():
    one = _CONDITIONAL.subnet({"depth": 1, "width1": 1})
    other = _CONDITIONAL.subnet({"width1": 1.0, "depth": 1})
    assert one == other
    assert len({one, other}) == 1
    assert str(one) == str(other) == '{"depth": 1, "width1": 1.0}'


def test_a_subnet_cannot_be_changed():
    with pytest.raises(TypeError):
        _CONDITIONAL.smallest()["depth"] = 2


def test_an_undecided_name_is_a_key_error():
    with pytest.raises(KeyError, match="width2"):
        Subnet.of({"depth": 1})["width2"]


@pytest.mark.parametrize(
    ("choices", "message"),
    [
        (
            {"depth": 1, "width1": 0.7},
            r"`width1` must be one of \[0.5, 1.0\]. Received: width1=0.7",
        ),
        ({"depth": True, "width1": 0.5}, r"`depth` must be one of \[1, 2\]"),
        ({"depth": 1}, r"choice for `width1`, one of \[0.5, 1.0\]"),
        (
            {"depth": 1, "width1": 0.5, "kernel": 3},
            r"decides \['depth', 'width1', 'width2'\]. Received unknown: "
            r"\['kernel'\]",
        ),
    ],
)
def test_illegal_subnets_are_refused_with_the_legal_choices(choices, message):
    assert not _CONDITIONAL.contains(choices)
    with pytest.raises(ValueError, match=message):
        _CONDITIONAL.validate(choices)


@pytest.mark.parametrize("text", ["tiny", "[1]", "{", "3"])
def test_text_that_is_no_subnet_is_refused_with_an_example(text):
    with pytest.raises(ValueError, match='such as {"depth": 1'):
        _CONDITIONAL.parse(text)


@pytest.mark.parametrize(
    ("indices", "message"),
    [
        ([0, 0], "Expected 3 choice indices"),
        ([0, 2, 0], r"index of `width1` must be in 0...1. Received: 2"),
        ([-1, 0, 0], "index of `depth`"),
    ],
)
def test_illegal_indices_are_refused(indices, message):
    with pytest.raises(ValueError, match=message):
        _CONDITIONAL.from_indices(indices)


@pytest.mark.parametrize("choices", [(), (2, 1), (1, 1)])
def test_choices_must_be_distinct_and_ascending(choices):
    with pytest.raises(ValueError, match="distinct and ascending"):
        Decision("a", choices)


def test_decision_names_must_be_unique():
    with pytest.raises(ValueError, match="Received twice: `a`"):
        SearchSpace((Decision("a", (1,)), Decision("a", (2,))))


@pytest.mark.parametrize("requires", [("b", 1), ("a", 3), ("later", 1)])
def test_a_requirement_must_be_offered_by_an_earlier_decision(requires):
    with pytest.raises(ValueError, match="no earlier decision offers"):
        SearchSpace(
            (
                Decision("a", (1, 2)),
                Decision("b", (1,), requires=requires),
                Decision("later", (1,)),
            )
        )


def test_an_unknown_key_of_a_stored_space_is_refused():
    values = [{"name": "a", "choices": [1], "kind": "width"}]
    with pytest.raises(ValueError, match="'requires'.*'kind'"):
        SearchSpace.from_json(values)


@given(_spaces(), _SEEDS, st.randoms())
def test_equal_subnets_have_equal_hashes(space, seed, random):
    subnet = space.sample(np.random.default_rng(seed))
    items = list(subnet.items())
    random.shuffle(items)
    for other in (
        Subnet.of(dict(items)),
        Subnet.of({name: float(choice) for name, choice in items}),
        Subnet.of(json.loads(json.dumps(dict(items)))),
        space.parse(str(subnet)),
    ):
        assert other == subnet
        assert hash(other) == hash(subnet)
        assert {subnet, other} == {subnet}


@given(_spaces(), _SEEDS, _SEEDS)
def test_other_subnets_are_not_equal(space, seed, other_seed):
    subnet, other = (
        space.sample(np.random.default_rng(s)) for s in (seed, other_seed)
    )
    assert (subnet == other) == (dict(subnet) == dict(other))
