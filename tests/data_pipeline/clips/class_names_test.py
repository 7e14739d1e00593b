"""Tests of names of classes as people write them."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import settings
from hypothesis import strategies

from data_pipeline.clips import class_names

# A busy machine is no fault of the code.
_PATIENT = settings(deadline=None, max_examples=200)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("do\u0308g", "d\u00f6g"),
        (" wild\u00a0\u2003 cat ", "wild cat"),
        ("wild\u3000cat\n", "wild cat"),
        ("d\u200bo\ufeffg\u00ad\u2060\u200e\u200d\ufe0f", "dog"),
        ("\u200b \ufeff", ""),
        ("Speech, male", "Speech, male"),
        # Joiners that are letters' own.
        (
            "\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645",
            "\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645",
        ),
    ],
)
def test_names_are_cleaned(name, expected):
    assert class_names.clean(name, "line 2") == expected


@pytest.mark.parametrize(
    "name", ["a\nb", "a\r\nb", "a\tb", "a\x00b", "a\x1bb", "a\x85b", "a\u2029b"]
)
def test_control_characters_are_refused(name):
    with pytest.raises(ValueError, match="line 2: a class name is a line"):
        class_names.clean(name, "line 2")


@_PATIENT
@given(strategies.text())
def test_what_is_cleaned_stays_as_it_is(name):
    try:
        cleaned = class_names.clean(name, "line 2")
    except ValueError as error:
        assert len(str(error).splitlines()) == 1
        return
    assert class_names.clean(cleaned, "line 2") == cleaned
    assert unicodedata.is_normalized("NFC", cleaned)
    assert len(cleaned.splitlines()) == bool(cleaned)


def test_names_that_differ_by_case_and_punctuation_are_similar():
    names = [
        "dog_bark",
        "Dog bark",
        "dog",
        "DOG-BARK",
        "cat",
        "!",
        "?",
        "\uff44og",
    ]
    assert class_names.similar_names(names) == [
        ("DOG-BARK", "Dog bark"),
        ("DOG-BARK", "dog_bark"),
        ("dog", "\uff44og"),
    ]
    assert class_names.similar_names(["dog", "dog", "cats", "cat"]) == []


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["dog", "wind", "dog,wind", "dog | wind"], ["dog | wind", "dog,wind"]),
        (["dog/rain", "rain/dog"], ["dog/rain", "rain/dog"]),
        (["Speech", "Speech, male", "Speech, female"], []),
        (["Male speech, man speaking", "Speech"], []),
        (["R&B", "R", "AC/DC"], []),
        (["dog,"], []),
    ],
)
def test_names_of_several_classes_are_seen(names, expected):
    found = class_names.joined_names(names)
    assert [name for name, _ in found] == expected


def test_remarks_name_what_to_do():
    similar, joined = class_names.remarks(["Dog", "dog", "dog,wind", "wind"])
    assert similar == "'Dog' and 'dog' look like one class under two names"
    assert "'dog,wind'" in joined and "--label_separator=','" in joined
