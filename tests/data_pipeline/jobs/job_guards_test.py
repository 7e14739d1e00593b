"""Every check of a job, through the command that must refuse.

Each test gives the command something that this check alone refuses; without
the check it would end well, or otherwise.

- `job.run`, `--num_shards`: `job_test.test_numbers_below_one_are_refused`
  (the flag refuses it too)
- `job.check_output`: `user_tables_command_test.
  test_an_output_that_cannot_be_is_told_before_the_source_is_read`
- `workdir.lock`: `test_a_directory_that_another_job_has`
- `generations.read_finished`: `test_a_data_set_that_cannot_be_read`
- `generations.check_settings`: `test_another_source`,
  `test_another_number_of_shards`
- `generations.check_gone`: `test_rows_that_are_gone`
- `generations.lost_clips`: `test_a_file_that_is_gone`
- `job._too_many_skipped`: `test_too_many_skipped`
- `assembly.empty_split`: `test_a_split_without_a_usable_clip`
- `assembly.lost_classes`: `test_a_class_without_a_usable_clip`
- `PlanBuilder.divide`, classes: `test_a_label_that_is_no_class`
- `PlanBuilder.divide`, a split without clips:
  `test_a_split_whose_rows_cannot_be_used`
- `PlanBuilder.divide`, training clips: `test_no_clip_for_training`
- `PlanBuilder.add`, distinct ids: `job_test.
  test_two_clips_of_one_name_are_refused` (sources give each id once)
- `PlanBuilder.add`, one label: `test_two_labels_where_one_may_be`
"""

import hashlib
import os
import shutil

import numpy as np
import pytest
import soundfile

from ofa_aec_tf.data.dataset_info import DatasetInfo
from ofa_aec_tf.runs import workdir
from tests.data_pipeline.preprocessing import preprocess
from tests.data_pipeline.preprocessing import sounds

_NUM_FILES = 24


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A directory with sounds and `out`, their finished data set."""
    directory = tmp_path_factory.mktemp("finished")
    result = preprocess(directory / "out", **sounds(directory, _NUM_FILES))
    assert result.returncode == 0, result.stderr
    return directory


@pytest.fixture
def again(finished, tmp_path):
    """The flags that have made a data set, which may be tampered with."""
    shutil.copytree(finished, tmp_path, dirs_exist_ok=True)
    return {
        "source": "csv",
        "audio_dir": tmp_path / "sounds",
        "labels_csv": tmp_path / "labels.csv",
        "clip_seconds": 1,
    }


def _contents(directory):
    return {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest()
        for path in directory.iterdir()
    }


def _assert_refused(output_dir, message, flag_values):
    """The command is refused in a line, and what was there is there still."""
    before = _contents(output_dir) if output_dir.exists() else {}
    result = preprocess(output_dir, **flag_values)
    assert result.returncode == 2, result.stdout
    assert message in result.stderr
    assert len(result.stderr.splitlines()) == 1, result.stderr
    after = _contents(output_dir)
    assert {name: after[name] for name in before} == before
    if "dataset.json" in before:
        DatasetInfo.read(output_dir)
    else:
        assert "dataset.json" not in after


def _edit(path, old, new):
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def test_a_directory_that_another_job_has(again, tmp_path):
    with workdir.lock(tmp_path / "out"):
        _assert_refused(tmp_path / "out", "Another process is writing", again)


def test_a_data_set_that_cannot_be_read(again, tmp_path):
    (tmp_path / "out" / "dataset.json").write_text("[")
    result = preprocess(tmp_path / "out", **again)
    assert result.returncode == 2
    assert "is not a JSON file" in result.stderr
    assert "With --overwrite it is replaced" in result.stderr
    assert (tmp_path / "out" / "dataset.json").read_text() == "["


def test_another_source(again, tmp_path):
    for name in ("cat", "dog"):
        (tmp_path / "folder" / name).mkdir(parents=True)
    for index in range(_NUM_FILES):
        # Of the same ids, so that no clip would be lost.
        shutil.copy(
            tmp_path / "sounds" / f"{index}.flac", tmp_path / "folder" / "dog"
        )
    flag_values = {
        "source": "folder",
        "audio_dir": tmp_path / "folder",
        "clip_seconds": 1,
        "label_type": "multi_label",
    }
    message = "source was 'csv' and is now 'folder'"
    _assert_refused(tmp_path / "out", message, flag_values)


def test_another_number_of_shards(again, tmp_path):
    message = "num_shards was None and is now 1"
    _assert_refused(tmp_path / "out", message, {**again, "num_shards": 1})
    result = preprocess(tmp_path / "out", **again, num_shards=1, overwrite=True)
    assert result.returncode == 0, result.stderr
    assert len(list((tmp_path / "out").glob("train-*.tfrecord"))) == 1
    # The run of its record is held to the same checks.
    lines = (tmp_path / "out" / "flags.cfg").read_text().splitlines()
    assert "--num_shards=1" in lines
    assert not any(line.startswith("--overwrite") for line in lines)


def test_rows_that_are_gone(again, tmp_path):
    _edit(tmp_path / "labels.csv", "4.flac,dog,train\n", "")
    message = "1 clips of the finished data set in"
    _assert_refused(tmp_path / "out", message, again)


def test_a_file_that_is_gone(again, tmp_path):
    # One of 24: as many as may be bad.
    os.unlink(tmp_path / "sounds" / "4.flac")
    _assert_refused(tmp_path / "out", "would be lost: 1 missing", again)


def _fresh(tmp_path, gone=()):
    flag_values = sounds(tmp_path, _NUM_FILES)
    for index in gone:
        (tmp_path / "sounds" / f"{index}.flac").write_bytes(b"<html>404</html>")
    return flag_values


def test_too_many_skipped(tmp_path):
    _assert_refused(
        tmp_path / "out",
        "2 clips, 8.3% of all, were skipped: {'undecodable': 2}",
        _fresh(tmp_path, (0, 1)),
    )


def test_a_split_without_a_usable_clip(tmp_path):
    flag_values = _fresh(tmp_path, range(3, _NUM_FILES, 4))
    _assert_refused(
        tmp_path / "out",
        "No clip of the split 'test' can be used",
        {**flag_values, "max_bad_fraction": 1},
    )


def test_a_class_without_a_usable_clip(tmp_path):
    flag_values = _fresh(tmp_path, (4,))
    _edit(tmp_path / "labels.csv", "\n4.flac,dog,", "\n4.flac,ape,")
    message = "All clips of 1 classes were skipped: ['ape']"
    _assert_refused(tmp_path / "out", message, flag_values)


def test_a_label_that_is_no_class(tmp_path):
    flag_values = {**_fresh(tmp_path), "classes": "dog"}
    _assert_refused(tmp_path / "out", "other labels: ['cat']", flag_values)


def test_a_split_whose_rows_cannot_be_used(tmp_path):
    flag_values = _fresh(tmp_path)
    lines = (tmp_path / "labels.csv").read_text().splitlines()
    lines = [line for line in lines if not line.endswith(",test")]
    lines.append("../secret.flac,dog,test")
    (tmp_path / "labels.csv").write_text("\n".join(lines))
    message = "No row of the split 'test' can be used: {'path_escape': 1}"
    _assert_refused(tmp_path / "out", message, flag_values)


def _videos(tmp_path, mids):
    """Flags of two videos in AudioSet's form, for training and for testing."""
    (tmp_path / "audio").mkdir()
    noise = np.random.default_rng(0).uniform(-0.5, 0.5, 16000)
    (tmp_path / "classes.csv").write_text(
        "index,mid,display_name\n0,/m/1,Dog\n1,/m/2,Rain\n"
    )
    for name, video in (("train", "aaaaaaaaaaa"), ("eval", "bbbbbbbbbbb")):
        soundfile.write(tmp_path / "audio" / f"{video}.flac", noise, 16000)
        (tmp_path / f"{name}.csv").write_text(
            f'# a\n# b\n# c\n{video}, 0.000, 1.000, "{mids}"\n'
        )
    return {
        "source": "audioset",
        "audio_dir": tmp_path / "audio",
        "class_labels_csv": tmp_path / "classes.csv",
        "train_segments": tmp_path / "train.csv",
        "evaluation_segments": tmp_path / "eval.csv",
        "validation_fraction": 0,
        "clip_seconds": 1,
    }


def test_two_labels_where_one_may_be(tmp_path):
    flag_values = _videos(tmp_path, "/m/1,/m/2")
    flag_values["label_type"] = "single_label"
    _assert_refused(tmp_path / "out", "every clip has one label", flag_values)


def test_no_clip_for_training(tmp_path):
    flag_values = _videos(tmp_path, "/m/1")
    # A hash decides: all but one in a million validate.
    flag_values["validation_fraction"] = 0.999999
    _assert_refused(tmp_path / "out", "No clip is for training", flag_values)
