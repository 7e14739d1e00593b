"""Tests of `dataset.json`."""

import dataclasses
import json

import pytest

from ofa_aec_tf.audio.frontend import FrontendConfig
from ofa_aec_tf.data.class_map import ClassMap
from ofa_aec_tf.data.dataset_info import DatasetInfo
from ofa_aec_tf.data.dataset_info import ShardInfo
from ofa_aec_tf.data.dataset_info import SplitInfo


def _info(**changes):
    values = {
        "frontend": FrontendConfig(num_mel_bins=2),
        "clip_seconds": 10.0,
        "class_map": ClassMap(("dog", "cat")),
        "label_type": "multi_label",
        "splits": {
            "train": SplitInfo(
                (
                    ShardInfo("train-0.tfrecord", 3, 300, "aa"),
                    ShardInfo("train-1.tfrecord", 4, 400, "bb"),
                ),
                (5, 2),
            ),
            "test": SplitInfo((ShardInfo("t.tfrecord", 0, 0, "cc"),), (0, 0)),
        },
        "mel_mean_db": (-30.0, -40.5),
        "mel_std_db": (10.0, 11.0),
        "source": {"source": "csv"},
        "num_dead_letters": 1,
    }
    return DatasetInfo(**{**values, **changes})


def test_what_was_written_is_read(tmp_path):
    _info().write(tmp_path)
    assert DatasetInfo.read(tmp_path) == _info()


def test_derived_values_are_there_for_other_programs(tmp_path):
    _info().write(tmp_path)
    values = json.loads((tmp_path / "dataset.json").read_text())
    assert values["num_frames"] == 1001
    assert values["splits"]["train"]["num_clips"] == 7
    assert values["class_names"] == ["dog", "cat"]


def test_a_directory_without_the_file_names_the_command(tmp_path):
    with pytest.raises(ValueError, match=r"python -m data_pipeline\.prepro"):
        DatasetInfo.read(tmp_path)


def test_another_schema_version_is_refused(tmp_path):
    path = tmp_path / "dataset.json"
    path.write_text(json.dumps({**_info().to_json(), "schema_version": 2}))
    with pytest.raises(ValueError, match="version 2, but.*Preprocess again"):
        DatasetInfo.read(tmp_path)


def test_an_unknown_label_type_is_refused():
    with pytest.raises(ValueError, match="label_type='both'"):
        _info(label_type="both")


@pytest.mark.parametrize("name", ["validation", "test"])
def test_a_missing_or_empty_split_is_refused(name):
    with pytest.raises(ValueError, match=rf"\['train'\].*split='{name}'"):
        _info().split(name)


def test_a_split_is_there_if_it_has_clips():
    names = ("train", "validation", "test")
    assert list(map(_info().has_split, names)) == [True, False, False]


def test_a_split_counts_the_clips_of_its_shards():
    assert _info().split("train").num_clips == 7


def test_the_fingerprint_follows_the_content_of_the_shards():
    info = _info()
    shard = dataclasses.replace(info.splits["train"].shards[0], sha256="dd")
    changed = SplitInfo((shard, info.splits["train"].shards[1]), (5, 2))
    other = _info(splits={**info.splits, "train": changed})
    assert other.fingerprint != info.fingerprint
    assert _info(clip_seconds=5.0).fingerprint == info.fingerprint


def test_the_fingerprint_tells_splits_apart():
    splits = _info().splits
    swapped = {"train": splits["test"], "test": splits["train"]}
    assert _info(splits=swapped).fingerprint != _info().fingerprint


@pytest.mark.parametrize(
    "content", ["[]", "null", "3", '"x"', "", "[" * 100_000, "9" * 5000]
)
def test_what_is_no_object_is_refused_with_its_path(tmp_path, content):
    path = tmp_path / "dataset.json"
    path.write_text(content)
    with pytest.raises(ValueError, match=str(path)):
        DatasetInfo.read(tmp_path)


@pytest.mark.parametrize(
    ("place", "value"),
    [
        (("frontend",), []),
        (("frontend", "num_mel_bins"), 10**30),
        (("frontend", "power_floor"), "x"),
        (("clip_seconds",), "x"),
        (("clip_seconds",), 10**309),
        (("class_names",), "dogcat"),
        (("class_names",), [1, 2]),
        (("splits",), []),
        (("splits", "train"), []),
        (("splits", "train", "class_counts"), ["5", "2"]),
        (("splits", "train", "class_counts"), [5]),
        (("splits", "train", "shards"), {"a": 1}),
        (("splits", "train", "shards", 0), 3),
        (("splits", "train", "shards", 0, "num_records"), "3"),
        (("splits", "train", "shards", 0, "num_records"), -3),
        (("splits", "train", "shards", 0, "file"), "../train-0.tfrecord"),
        (("splits", "train", "shards", 0, "file"), "/etc/passwd"),
        (("splits", "train", "shards", 0, "file"), ".."),
        (("splits", "train", "shards", 0, "sha256"), None),
        (("mel_mean_db",), [1.0, None]),
        (("mel_std_db",), [1.0]),
        (("source",), None),
        (("num_dead_letters",), "1"),
        (("num_shards",), []),
    ],
)
def test_a_value_of_another_kind_is_refused_by_name(tmp_path, place, value):
    values = _info().to_json()
    inner = values
    for key in place[:-1]:
        inner = inner[key]
    inner[place[-1]] = value
    path = tmp_path / "dataset.json"
    path.write_text(json.dumps(values))
    with pytest.raises(ValueError, match=f"{path} is damaged: `{place[0]}"):
        DatasetInfo.read(tmp_path)
