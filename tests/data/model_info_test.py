"""The record beside a model, and its refusals."""

import dataclasses
import json

import pytest

from ofa_aec_tf.audio.frontend import FrontendConfig
from ofa_aec_tf.data.class_map import ClassMap
from ofa_aec_tf.data.model_info import ModelInfo
from tests.synthetic_data import write_dataset


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    info, _ = write_dataset(tmp_path_factory.mktemp("data"), (3, 3, 3))
    return info


def test_record_survives_writing_and_reading(dataset, tmp_path):
    info = ModelInfo.for_dataset(dataset, stage="teacher")
    path = tmp_path / "teacher.keras"
    path.touch()
    info.write(path)
    assert ModelInfo.read(path) == info
    assert info.details["data_fingerprint"] == dataset.fingerprint
    assert info.with_details(seed=3).details["seed"] == 3
    assert "seed" not in info.details
    # 0.5 s: 16,000 samples at a hop of 320, and one frame more.
    assert info.num_frames == 51


def test_tflite_files_share_the_report_of_their_directory(dataset, tmp_path):
    info = ModelInfo.for_dataset(dataset)
    (tmp_path / "a_int8.tflite").touch()
    report = {"model": info.to_json(), "files": {}}
    (tmp_path / "export.json").write_text(json.dumps(report))
    assert ModelInfo.read(tmp_path / "a_int8.tflite") == info


def test_a_model_without_its_record_is_refused(tmp_path):
    with pytest.raises(ValueError, match="no model file .*none.keras"):
        ModelInfo.read(tmp_path / "none.keras")
    for name in ("x.keras", "x.tflite"):
        (tmp_path / name).touch()
        with pytest.raises(ValueError, match="no record .*x.json.*export.json"):
            ModelInfo.read(tmp_path / name)
    (tmp_path / "export.json").write_text("{}")
    with pytest.raises(ValueError, match="Missing: .*frontend"):
        ModelInfo.read(tmp_path / "x.tflite")
    (tmp_path / "x.json").write_text("{broken")
    with pytest.raises(ValueError, match="x.json is not a JSON file"):
        ModelInfo.read(tmp_path / "x.keras")


@pytest.mark.parametrize(
    ("change", "parts"),
    [
        (
            {"frontend": FrontendConfig(hop_samples=512)},
            ["front end", "'hop_samples': 512", "'hop_samples': 320"],
        ),
        ({"clip_seconds": 2.0}, ["clip length", "2.0", "0.5"]),
        (
            {"class_map": ClassMap(("low", "middle", "top"))},
            ["classes", "['top']", "['high']"],
        ),
        ({"label_type": "single_label"}, ["single_label", "multi_label"]),
    ],
)
def test_a_mismatch_names_both_values(dataset, change, parts):
    info = ModelInfo.for_dataset(dataset)
    info.check_matches(dataset)
    with pytest.raises(ValueError) as error:
        dataclasses.replace(info, **change).check_matches(dataset)
    for part in parts:
        assert part in str(error.value)


def test_the_order_of_classes_matters(dataset):
    info = dataclasses.replace(
        ModelInfo.for_dataset(dataset),
        class_map=ClassMap(("high", "middle", "low")),
    )
    with pytest.raises(ValueError, match="in another order"):
        info.check_matches(dataset)


@pytest.mark.parametrize(
    "report",
    [
        b"[]",
        b"3",
        b"null",
        b"\xff{}",
        b'{"model": 1}',
        b'{"model": {"frontend": 1}}',
    ],
)
def test_a_report_that_is_none_is_named(tmp_path, report):
    (tmp_path / "a.tflite").touch()
    (tmp_path / "export.json").write_bytes(report)
    with pytest.raises(ValueError, match="export.json is not"):
        ModelInfo.read(tmp_path / "a.tflite")


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("frontend", {}),
        ("frontend", {**FrontendConfig().to_json(), "hop_samples": 320.5}),
        ("frontend", {**FrontendConfig().to_json(), "power_floor": "low"}),
        ("clip_seconds", "one"),
        ("clip_seconds", float("nan")),
        ("clip_seconds", 1e300),
        ("clip_seconds", -1),
        ("class_names", "dog"),
        ("class_names", [1, 2]),
        ("label_type", ["multi_label"]),
        ("details", None),
    ],
)
def test_a_record_of_other_types_is_refused(dataset, tmp_path, key, value):
    path = tmp_path / "a.keras"
    path.touch()
    record = ModelInfo.for_dataset(dataset).to_json() | {key: value}
    path.with_suffix(".json").write_text(json.dumps(record))
    with pytest.raises(ValueError, match="a.json is not the record of a model"):
        ModelInfo.read(path)
