"""What the report tells of a data set, counted by hand."""

import pytest

from data_pipeline.reports import contents
from data_pipeline.reports import contents_text

_SPLITS = ("train", "validation", "test")


def _side_car(split, clips, notes=None):
    """A side-car as far as the report reads it.

    Args:
        split: str.
        clips: dict from id to (labels, seconds, content).
        notes: dict from code to ids.
    """
    labels, seconds, digests = zip(*clips.values())
    return {
        "split": split,
        "labels": [list(of_clip) for of_clip in labels],
        "notes": notes or {},
        "clips": {
            "ids": list(clips),
            "seconds": list(seconds),
            "digests": list(digests),
        },
    }


def _describe(*side_cars, names=("cat", "dog"), clip_seconds=1.0):
    return contents.describe(lambda: iter(side_cars), names, clip_seconds)


def _numbered(split, number, seconds=1.0, labels=(0,)):
    return _side_car(
        split,
        {
            f"{split}{i}": (labels, seconds, f"{split}{i}")
            for i in range(number)
        },
    )


def test_classes_are_counted_by_split_with_their_minutes():
    described = _describe(
        _side_car("train", {"a": ([0], 0.5, "1"), "b": ([0, 1], 3.0, "2")}),
        _side_car("train", {"c": ([], 1.0, "3")}),
        _side_car("test", {"d": ([1], 0.25, "4")}),
        clip_seconds=60.0,
    )
    assert described["splits"] == {"train": 3, "test": 1}
    assert described["classes"] == {
        "cat": {
            "train": {"clips": 2, "minutes": 0.06},
            "test": {"clips": 0, "minutes": 0.0},
        },
        "dog": {
            "train": {"clips": 1, "minutes": 0.05},
            "test": {"clips": 1, "minutes": 0.0},
        },
    }
    assert described["num_negatives"] == 1


def test_minutes_are_of_audio_that_is_in_the_clips():
    described = _describe(_numbered("train", 120, seconds=5.0))
    assert described["classes"]["cat"]["train"] == {"clips": 120, "minutes": 2}


def test_seconds_that_are_cropped_are_summed():
    described = _describe(
        _side_car(
            "train",
            {"long": ([0], 7200.0, "1"), "ends": ([0], 9.0, "2")},
            {"cropped": ["long"]},
        ),
        clip_seconds=5.0,
    )
    assert described["cropped_seconds"] == 7195.0


@pytest.mark.parametrize(
    ("seconds", "clip_seconds", "suggested"),
    [
        # Padded to more than twelve times their length.
        ([0.4] * 30, 5.0, 0.4),
        ([0.41] * 30, 5.0, 0.5),
        # Cropped.
        ([10.0] * 30, 5.0, 10.0),
        # Nine of ten are whole.
        ([2.0] * 27 + [5.0] * 3, 10.0, 2.3),
        # As they should be.
        ([5.0] * 30, 5.0, None),
        ([4.0] * 30, 5.0, None),
        ([5.5] * 30, 5.0, None),
    ],
    ids=str,
)
def test_a_length_is_suggested_where_much_is_wasted(
    seconds, clip_seconds, suggested
):
    clips = {str(i): ([0], s, str(i)) for i, s in enumerate(seconds)}
    described = _describe(_side_car("train", clips), clip_seconds=clip_seconds)
    durations = described["durations"]
    assert durations["suggested_clip_seconds"] == suggested
    advice = f"--clip_seconds={suggested:g} takes" if suggested else "takes"
    assert any(advice in w for w in described["warnings"]) == bool(suggested)
    assert durations["min_seconds"] == min(seconds)
    assert durations["max_seconds"] == max(seconds)


def test_long_recordings_should_be_cut():
    described = _describe(_numbered("train", 4, 7200.0), clip_seconds=5.0)
    (advice,) = [w for w in described["warnings"] if "--segment_seconds" in w]
    assert "99.9% of the audio is behind the ends" in advice


def test_a_length_that_is_not_known_counts_as_a_whole_clip():
    described = _describe(_numbered("train", 120, seconds=None))
    assert described["durations"] is None
    assert described["classes"]["cat"]["train"]["minutes"] == 2


def test_equal_content_across_splits_is_told():
    described = _describe(
        _side_car(
            "train",
            {"a": ([0], 1.0, "x"), "b": ([0], 1.0, "y"), "c": ([0], 1.0, "y")},
        ),
        _side_car("test", {"d": ([0], 1.0, "x"), "e": ([0], 1.0, "z")}),
    )
    assert described["equal_content"] == [
        [
            {"split": "train", "clip_id": "a"},
            {"split": "test", "clip_id": "d"},
        ]
    ]
    assert any(
        "more than one split: 1 (a in train = d in test)" in warning
        for warning in described["warnings"]
    )


def test_silence_is_no_content():
    silent = {"silent": ["a", "d"]}
    described = _describe(
        _side_car("train", {"a": ([0], 1.0, "x")}, silent),
        _side_car("test", {"d": ([0], 1.0, "x")}, silent),
    )
    assert described["equal_content"] == []


def test_similar_ids_are_told():
    described = _describe(
        _side_car("train", {"A.wav": ([0], 1.0, "1"), "b": ([0], 1.0, "2")}),
        _side_car("test", {"a.wav": ([0], 1.0, "3")}),
    )
    ((first, second),) = described["similar_ids"]
    assert (first["clip_id"], second["clip_id"]) == ("A.wav", "a.wav")
    assert any("differ by case or form" in w for w in described["warnings"])


def test_what_no_figure_can_be_made_of_is_told():
    described = _describe(
        _numbered("train", 100),
        _numbered("validation", 49),
        _numbered("test", 50, labels=(0, 1)),
    )
    assert contents_text.summary(described)[0] == (
        "untrained    classes without a training clip: 1 (dog)"
    )
    text = "\n".join(described["warnings"])
    assert "classes without a validation clip: 1 (dog); no metric" in text
    assert "the validation split has 49 clips, too few" in text
    assert "no test clip" not in text
    assert "the test split" not in text


def test_one_class_is_told():
    described = _describe(_numbered("train", 3), names=("cat",))
    assert any("one class only, cat" in w for w in described["warnings"])


def test_names_that_look_alike_are_told():
    described = _describe(_numbered("train", 3), names=("Dog", "dog"))
    assert any("'Dog' and 'dog'" in w for w in described["warnings"])


def test_side_cars_that_tell_nothing_of_clips_are_counted():
    described = _describe({"split": "train", "labels": [[0], [0, 1]]})
    assert described["classes"]["cat"]["train"]["clips"] == 2
    assert described["durations"] is None


def test_the_table_has_a_line_for_each_class():
    described = _describe(
        _numbered("train", 120), _numbered("test", 6, labels=(1,))
    )
    assert contents_text.class_table(described) == [
        "class  train  minutes  test  minutes",
        "cat      120      2.0     0      0.0",
        "dog        0      0.0     6      0.1",
    ]


def test_of_many_classes_the_extremes_are_listed():
    names = [f"class{i:03d}" for i in range(60)]
    side_cars = [
        _side_car(
            "train",
            {f"{i}-{n}": ([i], 1.0, f"{i}-{n}") for n in range(i + 1)},
        )
        for i in range(60)
    ]
    lines = contents_text.class_table(_describe(*side_cars, names=names))
    assert len(lines) == 12
    assert lines[1].split()[:2] == ["class059", "60"]
    assert "50 more" in lines[6]
    assert lines[-1].split()[:2] == ["class000", "1"]


def test_names_are_cut_to_a_few():
    assert contents.named(list("abcdefg")) == "7 (a, b, c, d, e, ...)"
    assert contents.named(["a"]) == "1 (a)"
