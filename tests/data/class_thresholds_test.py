"""The thresholds beside a model, and their refusals."""

import json

import pytest

from ofa_aec_tf.data.class_map import ClassMap
from ofa_aec_tf.data.class_thresholds import ClassThresholds

_THRESHOLDS = {"dog": 0.25, "rain": None, "siren": 1}


def test_thresholds_survive_writing_and_reading(tmp_path):
    path = ClassThresholds.path_beside(tmp_path / "net_int8.tflite")
    assert path == tmp_path / "net_int8.thresholds.json"
    thresholds = ClassThresholds(_THRESHOLDS, "abc", {"method": "f1"})
    thresholds.write(path)
    assert ClassThresholds.read(path) == thresholds


def test_thresholds_come_in_the_order_of_the_model():
    thresholds = ClassThresholds(_THRESHOLDS, "abc")
    class_map = ClassMap(("siren", "dog", "rain"))
    assert thresholds.of_classes(class_map) == (1, 0.25, None)


def test_thresholds_of_other_classes_are_refused():
    thresholds = ClassThresholds(_THRESHOLDS, "abc")
    with pytest.raises(
        ValueError,
        match=r"other classes. Without a threshold: \['cat'\]. Not a class of "
        r"this model: \['rain', 'siren'\]",
    ):
        thresholds.of_classes(ClassMap(("cat", "dog")))


def _write(path, **changes):
    values = {"thresholds": _THRESHOLDS, "model_digest": "abc", "details": {}}
    path.write_text(json.dumps({**values, **changes}))
    return path


def test_a_file_of_something_else_is_refused(tmp_path):
    with pytest.raises(ValueError, match="no thresholds .*gone.json"):
        ClassThresholds.read(tmp_path / "gone.json")
    for name, text in (("a", "[]"), ("b", '{"thresholds": {}}')):
        (tmp_path / name).write_text(text)
        with pytest.raises(ValueError, match="must have the keys"):
            ClassThresholds.read(tmp_path / name)
    with pytest.raises(ValueError, match="classes to thresholds"):
        ClassThresholds.read(_write(tmp_path / "c", thresholds=[0.5]))


@pytest.mark.parametrize("value", [-0.1, 1.5, "0.5", True])
def test_a_threshold_that_is_no_score_is_refused(tmp_path, value):
    path = _write(tmp_path / "a.json", thresholds={"dog": value})
    with pytest.raises(ValueError, match=r"'dog' .* in \[0, 1\], or null"):
        ClassThresholds.read(path)
