"""Tests of class maps."""

import pytest

from ofa_aec_tf.data.class_map import ClassMap


def test_indices_follow_the_order_of_the_names():
    class_map = ClassMap(["dog", "cat", "rain"])
    assert len(class_map) == 3
    assert [class_map.index(name) for name in class_map.names] == [0, 1, 2]


def test_an_unknown_name_is_refused_with_the_known_ones():
    with pytest.raises(ValueError, match=r"\['dog', 'cat'\].*'bird'"):
        ClassMap(("dog", "cat")).index("bird")


def test_repeated_names_are_refused():
    with pytest.raises(ValueError, match=r"twice: \['cat'\]"):
        ClassMap(("cat", "dog", "cat"))


def test_an_empty_class_map_is_refused():
    with pytest.raises(ValueError, match="at least one class"):
        ClassMap(())


@pytest.mark.parametrize(
    "name", ["dog\nwind", "a\rb", "a\tb", "a\x00", "a\x85b", "a\u2028b", ""]
)
def test_names_that_are_no_lines_of_text_are_refused(name):
    with pytest.raises(ValueError, match="is a line of text") as error:
        ClassMap(("cat", name))
    assert repr(name) in str(error.value)
    assert len(str(error.value).splitlines()) == 1


def test_the_digest_depends_on_names_and_order_alone():
    digest = ClassMap(("dog", "cat")).digest()
    assert ClassMap(["dog", "cat"]).digest() == digest
    assert ClassMap(("cat", "dog")).digest() != digest
    assert ClassMap(("dog", "ca", "t")).digest() != digest
