"""Stored logits: found by clip and view, and only for the same hearing."""

import dataclasses
import json
import os

import numpy as np
import pytest

from ofa_aec_tf.data import open_files
from ofa_aec_tf.data import stored_logits
from ofa_aec_tf.data.augmentation_config import AugmentationConfig
from ofa_aec_tf.data.model_info import ModelInfo
from ofa_aec_tf.data.stored_logits import StoredLogits
from ofa_aec_tf.data.stored_logits import StoredViews
from tests.synthetic_data import write_dataset

IDS = ["train-0", "train-1", "train-2"]
VIEWS = StoredViews(2, 7, AugmentationConfig(time_roll=True))


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    info, _ = write_dataset(tmp_path_factory.mktemp("data"))
    return info


@pytest.fixture
def stored(dataset, tmp_path):
    """Logits of two teachers that tell clip, view, teacher and class."""
    num_classes = len(dataset.class_map)
    for view in range(2):
        clips, teachers, classes = np.ogrid[:3, :2, :num_classes]
        stored_logits.write_view(
            tmp_path, view, 1000 * clips + 100 * view + 10 * teachers + classes
        )
    stored_logits.write_record(
        tmp_path,
        ModelInfo.for_dataset(dataset, score_activation="sigmoid"),
        IDS,
        VIEWS,
    )
    return tmp_path


def test_logits_are_found_by_clip_and_view(stored, dataset):
    logits = StoredLogits(stored)
    assert logits.num_teachers == 2
    assert logits.views == VIEWS
    found, is_taught = logits.look_up(
        [b"train-2", b"absent", b"train-0"], [1, 0, 0]
    )
    assert found.dtype == np.float32
    assert found.shape == (3, 2, len(dataset.class_map))
    assert is_taught.tolist() == [True, False, True]
    assert found[0, 1, 2] == 2112
    assert found[2, 0, 1] == 1
    assert not found[1].any()


def test_what_is_not_complete_is_refused(stored):
    (stored / stored_logits.FILE_NAME).unlink()
    with pytest.raises(ValueError, match="no complete stored logits"):
        StoredLogits(stored)


@pytest.mark.parametrize("name", [stored_logits.FILE_NAME, "ids.json"])
@pytest.mark.parametrize("content", ["{}", "3", "null", "[3]", ""])
def test_other_files_in_its_place_are_refused_by_name(stored, name, content):
    (stored / name).write_text(content)
    with pytest.raises(ValueError, match=str(stored)):
        StoredLogits(stored)


@pytest.mark.parametrize("views", [None, 3, {}, {"num_views": "2"}])
def test_views_that_cannot_be_are_refused(stored, views):
    path = stored / stored_logits.FILE_NAME
    values = json.loads(path.read_text())
    values["details"]["views"] = views
    path.write_text(json.dumps(values))
    with pytest.raises(ValueError, match=f"logits in {stored} cannot be read"):
        StoredLogits(stored)


def test_a_view_of_other_clips_is_refused(stored):
    stored_logits.write_view(stored, 1, np.zeros((2, 2, 4), np.float32))
    with pytest.raises(ValueError, match=r"view_001.npy must hold .* 3 clips"):
        StoredLogits(stored)


def test_student_and_teacher_hear_the_same(stored, dataset):
    logits = StoredLogits(stored)
    logits.check(dataset, VIEWS.augmentation, "sigmoid")
    with pytest.raises(
        ValueError,
        match="stored with time_roll=True. Received: time_roll=False",
    ):
        logits.check(dataset, AugmentationConfig(), "sigmoid")
    with pytest.raises(ValueError, match="belong to a sigmoid.*softmax"):
        logits.check(dataset, VIEWS.augmentation, "softmax")
    with pytest.raises(ValueError, match="The clip length of the model"):
        logits.check(
            dataclasses.replace(dataset, clip_seconds=9.0),
            VIEWS.augmentation,
            "sigmoid",
        )


def test_mixed_clips_and_no_views_are_refused():
    with pytest.raises(ValueError, match="mixup mixes clips.*mixup_alpha=1"):
        StoredViews(2, 0, AugmentationConfig(mixup_alpha=1.0))
    with pytest.raises(ValueError, match="`num_views` must be at least 1"):
        StoredViews(0, 0, AugmentationConfig())


def test_views_survive_json():
    text = json.dumps(VIEWS.to_json())
    assert StoredViews.from_json(json.loads(text)) == VIEWS


def test_data_of_the_same_ids_but_other_clips_are_refused(
    stored, dataset, tmp_path_factory
):
    other, _ = write_dataset(tmp_path_factory.mktemp("other"), seed=1)
    assert other.class_map == dataset.class_map
    with pytest.raises(ValueError, match="of the data .* of these data"):
        StoredLogits(stored).check(other, VIEWS.augmentation, "sigmoid")


def test_many_views_keep_no_files_open(stored, dataset):
    num_views = 200
    logits = np.arange(3 * 2 * 3).reshape(3, 2, 3)
    for view in range(num_views):
        stored_logits.write_view(stored, view, logits + 1000 * view)
    stored_logits.write_record(
        stored,
        ModelInfo.for_dataset(dataset, score_activation="sigmoid"),
        IDS,
        dataclasses.replace(VIEWS, num_views=num_views),
    )
    before = len(os.listdir("/dev/fd"))
    views = range(num_views)
    found, _ = StoredLogits(stored).look_up([b"train-1"] * num_views, views)
    np.testing.assert_array_equal(
        found, [logits[1] + 1000 * view for view in views]
    )
    kept = StoredLogits(stored)
    kept.look_up([b"train-1"] * num_views, views)
    assert len(os.listdir("/dev/fd")) <= before + open_files.MAX_OPEN
