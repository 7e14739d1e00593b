"""Tests of the preprocessing configuration."""

import pytest

from data_pipeline.shards.config import PreprocessConfig
from ofa_aec_tf.audio.frontend import FrontendConfig
from ofa_aec_tf.data.class_map import ClassMap


def _config(**changes):
    values = {
        "frontend": FrontendConfig(),
        "clip_seconds": 5.0,
        "class_map": ClassMap(("dog",)),
        "label_type": "multi_label",
    }
    return PreprocessConfig(**{**values, **changes})


def test_clips_have_as_many_samples_as_their_length_says():
    assert _config().num_samples == 160_000


@pytest.mark.parametrize(
    "clip_seconds", [0.0, -1.0, 0.0319, 3601.0, float("nan")]
)
def test_impossible_lengths_are_refused(clip_seconds):
    with pytest.raises(ValueError, match=r"one window.*\(0\.032 s\)"):
        _config(clip_seconds=clip_seconds)


def test_an_unknown_label_type_is_refused():
    with pytest.raises(ValueError, match="label_type='both'"):
        _config(label_type="both")
