"""Tests of plans: which clip goes where."""

import dataclasses

import numpy as np
import pytest

from data_pipeline.clips.clip import ClipRow
from data_pipeline.clips.clip import SkippedRow
from data_pipeline.shards import plan as plans
from data_pipeline.shards.config import PreprocessConfig
from ofa_aec_tf.audio.frontend import FrontendConfig
from ofa_aec_tf.data.class_map import ClassMap

_CONFIG = PreprocessConfig(
    FrontendConfig(8000, 256, 80, 16, 50.0, 4000.0),
    0.5,
    ClassMap(("cat", "dog")),
    "multi_label",
)


def _rows(number, split="train"):
    return [
        ClipRow(f"{split}-{i}", f"{i}.wav", ("dog",), split)
        for i in range(number)
    ]


def _make(path, rows, config=_CONFIG, num_shards=None):
    with plans.PlanBuilder(path, config.label_type) as builder:
        builder.add(rows)
        builder.divide(config, num_shards)
    return path


def _shards(path):
    with plans.Plan(path) as plan:
        return [plan.shard(shard.number) for shard in plan.shards()]


def test_every_clip_is_in_one_shard_of_its_split(tmp_path):
    rows = _rows(100) + _rows(24, "test")
    path = _make(tmp_path / "plan", iter(rows), num_shards=3)
    shards = _shards(path)
    assert [shard.name for shard in shards] == [
        f"{split}-0000{i}-of-00003"
        for split in ("train", "test")
        for i in range(3)
    ]
    for split in ("train", "test"):
        clips = [c for s in shards if s.split == split for c in s.clips]
        assert sorted(clips, key=lambda clip: clip.clip_id) == sorted(
            (row for row in rows if row.split == split),
            key=lambda row: row.clip_id,
        )
    # Four standard deviations of a binomial count around 33.
    assert all(14 <= len(shard.clips) <= 52 for shard in shards[:3])


def test_a_plan_tells_its_shards_and_what_decides_their_content(tmp_path):
    path = _make(tmp_path / "plan", _rows(40) + _rows(16, "validation"))
    with plans.Plan(path) as plan:
        summaries = plan.shards()
        assert plan.config() == _CONFIG
        assert [len(plan.shard(s.number).clips) for s in summaries] == [
            s.num_clips for s in summaries
        ]
    assert sum(s.num_clips for s in summaries) == 56
    assert [s.split for s in summaries] == ["train"] * 2 + ["validation"] * 2


def test_shards_do_not_depend_on_the_order_of_the_clips(tmp_path):
    rows = _rows(100)
    forwards = _make(tmp_path / "forwards", rows, num_shards=3)
    backwards = _make(tmp_path / "backwards", rows[::-1], num_shards=3)
    assert _shards(forwards) == _shards(backwards)


def test_a_new_clip_moves_no_other(tmp_path):
    rows = _rows(50)
    before = _shards(_make(tmp_path / "a", rows[:-1], num_shards=3))
    after = _shards(_make(tmp_path / "b", rows, num_shards=3))
    without = [
        dataclasses.replace(
            shard, clips=tuple(c for c in shard.clips if c != rows[-1])
        )
        for shard in after
    ]
    assert without == before


@pytest.mark.parametrize(
    ("num_clips", "wanted", "num_shards"),
    [
        (16, None, 2),
        (1024, None, 2),
        (2000, None, 4),
        # None of less than eight clips.
        (1, None, 1),
        (15, None, 1),
        (60, 40, 7),
        (320, 40, 40),
    ],
)
def test_a_split_has_shards_of_a_useful_size(
    tmp_path, num_clips, wanted, num_shards
):
    path = _make(tmp_path / "plan", _rows(num_clips), num_shards=wanted)
    with plans.Plan(path) as plan:
        assert len(plan.shards()) == num_shards


def _parts(recording, number):
    return [
        ClipRow(
            f"{recording}/{i}",
            f"{recording}.mp3",
            ("dog",),
            "train",
            start_seconds=float(i),
            recording=recording,
        )
        for i in range(number)
    ]


def test_parts_of_a_recording_follow_each_other_by_their_starts(tmp_path):
    rows = _rows(40) + _parts("b", 15)[::-1] + _parts("a", 15)
    shards = _shards(_make(tmp_path / "plan", rows, num_shards=3))
    for recording in "ab":
        (places,) = [
            [i for i, c in enumerate(shard.clips) if c.recording == recording]
            for shard in shards
            if any(clip.recording == recording for clip in shard.clips)
        ]
        assert places == list(range(places[0], places[0] + 15))
        for shard in shards:
            starts = [
                clip.start_seconds
                for clip in shard.clips
                if clip.recording == recording
            ]
            assert starts == sorted(starts)


def test_one_shard_takes_hashes_of_64_bits(tmp_path):
    (shard,) = _shards(_make(tmp_path / "plan", _rows(64), num_shards=1))
    assert len(shard.clips) == 64


def test_a_shard_mixes_what_the_source_has_sorted(tmp_path):
    rows = [ClipRow(f"{i:03d}", "x.wav", ("dog",), "train") for i in range(100)]
    (shard,) = _shards(_make(tmp_path / "plan", rows, num_shards=1))
    places = [int(clip.clip_id) for clip in shard.clips]
    assert abs(np.corrcoef(places, range(100))[0, 1]) < 0.4


def test_rejected_rows_are_kept_apart(tmp_path):
    skipped = [
        SkippedRow(f"{i}", f"../{i}", "path_escape", "leads out", "train")
        for i in range(3)
    ]
    path = _make(tmp_path / "plan", [*skipped[:2], *_rows(4), skipped[2]])
    with plans.Plan(path) as plan:
        assert list(plan.skipped()) == skipped
        assert sum(shard.num_clips for shard in plan.shards()) == 4


def test_labels_are_collected_from_the_clips(tmp_path):
    rows = [
        ClipRow("a", "a.wav", ("dog", "cat"), "train"),
        ClipRow("b", "b.wav", ("owl",), "train"),
    ]
    with plans.PlanBuilder(tmp_path / "plan", "multi_label") as builder:
        builder.add(rows)
        assert builder.label_names() == ("cat", "dog", "owl")
        with pytest.raises(ValueError, match=r"other labels: \['owl'\]"):
            builder.divide(_CONFIG, None)


def test_an_id_that_comes_twice_is_refused(tmp_path):
    with plans.PlanBuilder(tmp_path / "plan", "multi_label") as builder:
        with pytest.raises(ValueError, match=r"distinct.*\['train-1'\]"):
            builder.add([*_rows(3), _rows(2)[1]])


def test_a_plan_needs_clips_for_training(tmp_path):
    with plans.PlanBuilder(tmp_path / "plan", "multi_label") as builder:
        builder.add(_rows(3, "test"))
        with pytest.raises(ValueError, match=r"training.*\{'test': 3\}"):
            builder.divide(_CONFIG, None)


def test_an_older_plan_is_replaced(tmp_path):
    _make(tmp_path / "plan", _rows(30))
    shards = _shards(_make(tmp_path / "plan", _rows(5)))
    assert sum(len(shard.clips) for shard in shards) == 5
