"""Tests of the job over all shards."""

import dataclasses
import hashlib
import json
import os
import pathlib
import re
import time

import numpy as np
import pytest

from data_pipeline.clips.clip import ClipRow
from data_pipeline.clips.clip import RenderedClip
from data_pipeline.clips.clip import SkippedRow
from data_pipeline.jobs import job
from data_pipeline.runners.runner import ProcessPool
from data_pipeline.shards.config import PreprocessConfig
from ofa_aec_tf import audio
from ofa_aec_tf.audio.frontend import FrontendConfig
from ofa_aec_tf.data.class_map import ClassMap
from ofa_aec_tf.data.dataset_info import DatasetInfo
from ofa_aec_tf.runs import workdir
from tests.data_pipeline import processes
from tests.data_pipeline.fake_clips import FakeClip
from tests.data_pipeline.jobs import noise_rows

_CONFIG = PreprocessConfig(
    FrontendConfig(8000, 256, 80, 16, 50.0, 4000.0),
    0.25,
    ClassMap(("cat", "dog")),
    "multi_label",
)


@pytest.fixture
def rows(tmp_path):
    return noise_rows.write(tmp_path)


def _run(rows, output_dir, config=_CONFIG, num_workers=1, runner=None, **terms):
    return job.run(
        rows,
        config,
        output_dir,
        {"source": "csv"},
        job.Terms(**{"max_bad_fraction": 1.0, **terms}),
        runner or ProcessPool(num_workers),
    )


def _contents(directory):
    return {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest()
        for path in directory.iterdir()
    }


def test_the_written_data_set_is_the_returned_one(rows, tmp_path):
    result = _run(rows, tmp_path / "out")
    assert DatasetInfo.read(tmp_path / "out") == result.dataset
    assert result.dataset.source == {"source": "csv"}


def test_clips_and_classes_are_counted_by_split(rows, tmp_path):
    splits = _run(rows, tmp_path / "out").dataset.splits
    assert {name: split.num_clips for name, split in splits.items()} == {
        "train": 24,
        "validation": 8,
        "test": 8,
    }
    for name, split in splits.items():
        expected = [
            sum(label in row.labels for row in rows if row.split == name)
            for label in ("cat", "dog")
        ]
        assert list(split.class_counts) == expected


def test_mel_statistics_are_those_of_the_training_split(rows, tmp_path):
    whole = _run(rows, tmp_path / "whole").dataset
    train = [row for row in rows if row.split == "train"]
    alone = _run(train, tmp_path / "alone", num_shards=1).dataset
    np.testing.assert_allclose(whole.mel_mean_db, alone.mel_mean_db)
    np.testing.assert_allclose(whole.mel_std_db, alone.mel_std_db)
    assert min(whole.mel_std_db) > 0


def test_processes_write_the_same_bytes_as_one(rows, tmp_path):
    _run(rows, tmp_path / "one", num_workers=1)
    _run(rows, tmp_path / "two", num_workers=2)
    assert _contents(tmp_path / "two") == _contents(tmp_path / "one")


def test_the_environment_is_as_before(rows, tmp_path, monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    monkeypatch.delenv("MALLOC_TRIM_THRESHOLD_", raising=False)
    _run(rows[:5], tmp_path / "out", num_workers=2)
    assert os.environ["OMP_NUM_THREADS"] == "3"
    assert "MALLOC_TRIM_THRESHOLD_" not in os.environ


def test_a_job_that_was_killed_resumes(rows, tmp_path):
    first = _run(rows, tmp_path / "out", num_shards=3)
    before = _contents(tmp_path / "out")
    # As a kill leaves it: a shard half written, and not yet the record.
    shard = first.dataset.splits["train"].shards[1]
    path = tmp_path / "out" / shard.file
    path.rename(tmp_path / "out" / f".{shard.file}.x8s7")
    (tmp_path / "out" / f"{shard.file}.json").unlink()
    (tmp_path / "out" / "dataset.json").unlink()
    again = _run(rows, tmp_path / "out", num_shards=3)
    assert first.num_reused == 0
    assert again.num_reused == 40 - shard.num_records
    assert _contents(tmp_path / "out") == before


def _without_hash(name):
    return re.sub("-[0-9a-f]{16}[.]", "-HASH.", name)


def test_shards_of_another_plan_do_not_stay(rows, tmp_path):
    _run(rows, tmp_path / "out", num_shards=3)
    (tmp_path / "out" / "notes.txt").write_text("mine")
    _run(rows, tmp_path / "out", num_shards=1, overwrite=True)
    assert sorted(map(_without_hash, _contents(tmp_path / "out"))) == [
        "dataset.json",
        "dead_letters.jsonl",
        "notes.jsonl",
        "notes.txt",
        "report.json",
        "test-00000-of-00001-HASH.tfrecord",
        "test-00000-of-00001-HASH.tfrecord.json",
        "train-00000-of-00001-HASH.tfrecord",
        "train-00000-of-00001-HASH.tfrecord.json",
        "validation-00000-of-00001-HASH.tfrecord",
        "validation-00000-of-00001-HASH.tfrecord.json",
    ]


def test_shards_of_the_versions_before_do_not_stay(rows, tmp_path):
    (tmp_path / "out").mkdir()
    for name in (
        "train-00000-of-00002.tfrecord",
        "test-00001-of-00002.tfrecord",
    ):
        (tmp_path / "out" / name).touch()
        (tmp_path / "out" / f"{name}.json").write_text("{}")
    _run(rows, tmp_path / "out")
    _run(rows, tmp_path / "fresh")
    assert _contents(tmp_path / "out") == _contents(tmp_path / "fresh")


def test_dead_letters_are_listed_and_counted(rows, tmp_path):
    os.unlink(rows[0].path)
    result = _run(rows, tmp_path / "out")
    text = (tmp_path / "out" / "dead_letters.jsonl").read_text()
    (letter,) = [json.loads(line) for line in text.splitlines()]
    assert letter["filename"] == rows[0].path
    assert (letter["code"], letter["clip_id"]) == ("missing", "0.wav")
    assert result.report["skipped"] == {"missing": 1}
    assert result.dataset.num_dead_letters == 1
    assert result.dataset.splits["train"].num_clips == 23


def test_a_dead_letter_without_a_file_is_called_as_its_clip(rows, tmp_path):
    row = SkippedRow("abc_30000", "", "unknown_label", "no class", "train")
    _run([*rows, row], tmp_path / "out")
    text = (tmp_path / "out" / "dead_letters.jsonl").read_text()
    assert json.loads(text)["filename"] == "abc_30000"


def test_rows_that_were_rejected_are_dead_letters_too(rows, tmp_path):
    skipped = SkippedRow("x", "../x.wav", "path_escape", "leads out", "test")
    result = _run([skipped, *rows], tmp_path / "out")
    text = (tmp_path / "out" / "dead_letters.jsonl").read_text()
    assert json.loads(text) == {
        "filename": "../x.wav",
        "code": "path_escape",
        "reason": "leads out",
        "clip_id": "x",
        "split": "test",
    }
    assert result.report["skipped"] == {"path_escape": 1}
    assert result.dataset.num_dead_letters == 1


@dataclasses.dataclass(frozen=True)
class _Noted(FakeClip):
    """A clip that is kept, with a note."""

    def render(self, sample_rate_hz, num_samples):
        return RenderedClip(np.zeros(num_samples, np.float32), ("silent",))


def test_what_is_odd_about_clips_is_listed_and_counted(rows, tmp_path):
    result = _run([*rows, _Noted("noted")], tmp_path / "out")
    text = (tmp_path / "out" / "notes.jsonl").read_text()
    assert json.loads(text) == {
        "clip_id": "noted",
        "code": "silent",
        "split": "train",
    }
    assert result.report["notes"] == {"silent": 1}
    report = json.loads((tmp_path / "out" / "report.json").read_text())
    assert report == result.report
    assert report["num_clips"] == 41


def test_too_many_bad_clips_fail_the_job_when_all_is_listed(rows, tmp_path):
    for row in rows[:8]:
        os.unlink(row.path)
    with pytest.raises(ValueError, match=r"8 clips, 20.0%.*fraction=0.1 may"):
        _run(rows, tmp_path / "out", max_bad_fraction=0.1)
    lines = (tmp_path / "out" / "dead_letters.jsonl").read_text().splitlines()
    assert len(lines) == 8
    assert not (tmp_path / "out" / "dataset.json").exists()
    # Exactly that share is allowed, and nothing is written again.
    again = _run(rows, tmp_path / "out", max_bad_fraction=0.2)
    assert again.num_reused == 32


@dataclasses.dataclass(frozen=True)
class _Unlucky(FakeClip):
    """A clip that fails until a file is there."""

    file: str
    code: str

    def render(self, sample_rate_hz, num_samples):
        if not os.path.exists(self.file):
            raise audio.AudioError(self.file, self.code, "not yet")
        return RenderedClip(np.zeros(num_samples, np.float32), ())


@pytest.mark.parametrize(
    ("code", "is_tried_again"),
    [("timed_out", True), ("crashed", True), ("undecodable", False)],
)
def test_faults_of_the_moment_are_tried_again(
    rows, tmp_path, code, is_tried_again
):
    clip = _Unlucky("unlucky", str(tmp_path / "flag"), code)
    first = _run([*rows, clip], tmp_path / "out")
    assert first.report["skipped"] == {code: 1}
    (tmp_path / "flag").touch()
    again = _run([*rows, clip], tmp_path / "out")
    assert (again.report["skipped"] == {}) == is_tried_again


def test_what_a_kill_between_the_last_files_leaves_is_removed(rows, tmp_path):
    _run(rows, tmp_path / "out")
    before = _contents(tmp_path / "out")
    for name in ("dead_letters.jsonl", "notes.jsonl", "report.json"):
        (tmp_path / "out" / f".{name}.x8s7").write_text("half")
    (tmp_path / "out" / ".dataset.json.x8s7").write_text("half")
    (tmp_path / "out" / f"{job.PLAN}.123").write_text("half")
    _run(rows, tmp_path / "out")
    assert _contents(tmp_path / "out") == before


def test_what_a_late_worker_of_a_killed_job_leaves_is_removed(rows, tmp_path):
    _run(rows, tmp_path / "out")
    before = _contents(tmp_path / "out")

    class LateWorkerBeside(ProcessPool):
        def run(self, plan_path, numbers, output_dir):
            (output_dir / f".{next(iter(before))}.x8s7").touch()
            yield from super().run(plan_path, numbers, output_dir)

    _run(rows, tmp_path / "out", runner=LateWorkerBeside())
    assert _contents(tmp_path / "out") == before


def test_two_jobs_do_not_share_a_directory(rows, tmp_path):
    (tmp_path / "out").mkdir()
    with workdir.lock(tmp_path / "out"):
        with pytest.raises(ValueError, match="Another process is writing into"):
            _run(rows, tmp_path / "out")
    assert not list((tmp_path / "out").iterdir())
    _run(rows, tmp_path / "out")


def test_files_of_the_user_stay(rows, tmp_path):
    (tmp_path / "out").mkdir()
    mine = tmp_path / "out" / "train-00000-of-00009.tfrecord.bak"
    mine.write_text("mine")
    _run(rows, tmp_path / "out")
    assert mine.read_text() == "mine"


def test_a_split_whose_rows_are_all_rejected_is_an_error(rows, tmp_path):
    train = [row for row in rows if row.split == "train"]
    skipped = SkippedRow("x", "../x.wav", "path_escape", "leads out", "test")
    with pytest.raises(
        ValueError, match=r"'test' can be used: \{'path_escape': 1\}.*leads"
    ):
        _run([skipped, *train], tmp_path / "out")


@pytest.mark.parametrize("num_workers", [1, 2])
def test_an_output_that_cannot_be_written_stops_the_job(
    rows, tmp_path, num_workers
):
    whole = _run(rows, tmp_path / "whole", num_shards=3).dataset
    # A directory where a shard should be.
    name = whole.splits["train"].shards[1].file
    (tmp_path / "out" / name).mkdir(parents=True)
    with pytest.raises(OSError, match=name):
        _run(rows, tmp_path / "out", num_shards=3, num_workers=num_workers)
    assert not (tmp_path / "out" / "dataset.json").exists()


@pytest.mark.skipif(not os.path.isdir("/proc/self"), reason="needs /proc")
def test_a_plan_that_cannot_be_written_is_one_error(rows):
    with pytest.raises(OSError, match="plan .*cannot be written"):
        _run(rows, "/proc")


def test_no_plan_stays_behind(rows, tmp_path):
    _run(rows, tmp_path / "out")
    assert not (tmp_path / "out" / job.PLAN).exists()


def test_a_mistake_leaves_the_earlier_data_set_alone(rows, tmp_path):
    _run(rows, tmp_path / "out")
    before = _contents(tmp_path / "out")
    with pytest.raises(ValueError, match="distinct"):
        _run([*rows, rows[0]], tmp_path / "out")
    assert _contents(tmp_path / "out") == before


def test_a_split_without_a_usable_clip_is_an_error(rows, tmp_path):
    for row in rows:
        if row.split == "test":
            os.unlink(row.path)
    with pytest.raises(ValueError, match=r"'test' can be.*{'missing': 8}"):
        _run(rows, tmp_path / "out")
    assert not (tmp_path / "out" / "dataset.json").exists()
    lines = (tmp_path / "out" / "dead_letters.jsonl").read_text().splitlines()
    assert len(lines) == 8


@pytest.mark.parametrize(
    ("label_type", "labels", "message"),
    [
        (
            "multi_label",
            ("bird", "dog"),
            r"other labels: \['bird'\].*--classes",
        ),
        ("single_label", ("cat", "dog"), "one label.*0.wav.*=multi_label"),
    ],
)
def test_labels_that_do_not_fit_are_refused(
    rows, tmp_path, label_type, labels, message
):
    config = PreprocessConfig(
        _CONFIG.frontend, 0.25, _CONFIG.class_map, label_type
    )
    rows[0] = ClipRow("0.wav", rows[0].path, labels, "train")
    with pytest.raises(ValueError, match=message):
        _run(rows, tmp_path / "out", config)


def test_two_clips_of_one_name_are_refused(rows, tmp_path):
    with pytest.raises(ValueError, match=r"distinct.*\['1.wav'\]"):
        _run([*rows, rows[1]], tmp_path / "out")


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ("num_shards", "`num_shards` must be at least 1"),
        ("num_workers", "--num_workers must be positive"),
    ],
)
def test_numbers_below_one_are_refused(rows, tmp_path, option, message):
    with pytest.raises(ValueError, match=message):
        _run(rows, tmp_path / "out", **{option: 0})


class _Killer(FakeClip):
    """A clip whose decoder ends the process."""

    def render(self, sample_rate_hz, num_samples):
        os._exit(9)


def test_a_worker_that_dies_is_reported(rows, tmp_path):
    with pytest.raises(ChildProcessError, match="ended abruptly.*--num_work"):
        _run([*rows, _Killer("killer")], tmp_path / "out", num_workers=2)
    assert not (tmp_path / "out" / "dataset.json").exists()


@dataclasses.dataclass(frozen=True)
class _Sleeper(FakeClip):
    """A clip that notes its process and takes for ever."""

    directory: str

    def render(self, sample_rate_hz, num_samples):
        pathlib.Path(self.directory, f"{os.getpid()}.pid").touch()
        time.sleep(600)


def run_sleepers(directory):
    """The job that the next test kills, in a process of its own."""
    clips = [_Sleeper(str(i), directory) for i in range(32)]
    _run(clips, pathlib.Path(directory, "out"), num_shards=2, num_workers=2)


@processes.needs_proc
def test_no_worker_outlives_a_job_that_was_killed(tmp_path):
    code = (
        "from tests.data_pipeline.jobs import job_test;"
        f"job_test.run_sleepers({str(tmp_path)!r})"
    )
    processes.assert_children_end_with_parent(code, tmp_path, 2)
