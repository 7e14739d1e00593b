"""Tests of cutting recordings into clips."""

import numpy as np
import pytest
import soundfile

from data_pipeline.clips import cutting
from data_pipeline.clips.clip import ClipRow
from data_pipeline.clips.clip import SkippedRow


@pytest.mark.parametrize(
    ("duration_seconds", "segment_seconds", "expected"),
    [
        (3.0, 1.0, [(0, 1), (1, 2), (2, 3)]),
        # Half of a segment is kept, a little less is not.
        (2.5, 1.0, [(0, 1), (1, 2), (2, 2.5)]),
        (2.4, 1.0, [(0, 1), (1, 2)]),
        # Shorter than any segment.
        (0.2, 1.0, [(0, 0.2)]),
        # 0.3 / 0.1 is less than 3, and 3 * 0.1 more than 0.3.
        (0.4, 0.1, [(0, 0.1), (0.1, 0.2), (0.2, 0.3), (0.3, 0.4)]),
        (0.3, 0.1, [(0, 0.1), (0.1, 0.2), (0.2, 0.3)]),
    ],
)
def test_segments_follow_each_other(
    duration_seconds, segment_seconds, expected
):
    segments = cutting.segments_of(duration_seconds, segment_seconds)
    found = [(s.start_seconds, s.end_seconds) for s in segments]
    assert found == expected


def _recording(tmp_path, seconds, **fields):
    path = tmp_path / "a.wav"
    soundfile.write(path, np.full(round(seconds * 8000), 0.1), 8000)
    return ClipRow("x/a.wav", str(path), ("dog",), **fields)


def test_parts_of_a_recording_say_where_they_are_and_stay_together(tmp_path):
    row = _recording(tmp_path, 2.25, split="train")
    first, second, skipped = cutting.Cutter(1.0).cut_all([row])
    assert first == ClipRow(
        "x/a.wav@0",
        row.path,
        ("dog",),
        "train",
        group="x/a.wav",
        start_seconds=0.0,
        end_seconds=1.0,
        recording="x/a.wav",
    )
    assert (second.clip_id, second.start_seconds) == ("x/a.wav@1", 1.0)
    assert (skipped.clip_id, skipped.code) == ("x/a.wav@2", "cropped_rest")
    assert "the last 0.250 s" in skipped.reason
    assert skipped.split == "train"


def test_a_group_and_a_fold_of_the_source_stay(tmp_path):
    in_group = _recording(tmp_path, 1, group="g")
    in_fold = _recording(tmp_path, 1, fold=3)
    first, second = cutting.Cutter(1.0).cut_all([in_group, in_fold])
    assert first.group == "g"
    assert (second.group, second.fold) == (None, 3)


def test_parts_and_skipped_rows_are_left_as_they_are(tmp_path):
    rows = [
        _recording(tmp_path, 9, start_seconds=2.0),
        _recording(tmp_path, 9, end_seconds=0.5),
        _recording(tmp_path, 9, recording="r"),
        SkippedRow("b", "b", "bad_path", "none"),
    ]
    assert list(cutting.Cutter(1.0).cut_all(rows)) == rows


def test_files_that_cannot_be_cut_are_skipped_under_their_codes(tmp_path):
    (tmp_path / "b.wav").write_bytes(b"no audio")
    rows = [
        ClipRow(name, str(tmp_path / name), ("dog",), "test")
        for name in ("b.wav", "c.wav")
    ]
    skipped = list(cutting.Cutter(1.0).cut_all(rows))
    assert [(row.clip_id, row.code, row.split) for row in skipped] == [
        ("b.wav", "undecodable", "test"),
        ("c.wav", "missing", "test"),
    ]


def test_the_parts_are_all_samples_of_the_recording_once(tmp_path):
    samples = np.random.default_rng(0).uniform(-0.5, 0.5, 8000 * 2 + 4800)
    path = tmp_path / "a.wav"
    soundfile.write(path, samples, 8000, subtype="FLOAT")
    rows = list(cutting.Cutter(0.7).cut_all([ClipRow("a", str(path), ())]))
    parts = [row.render(8000, 5600).waveform for row in rows]
    # 2.6 s are three segments and 0.5 s.
    assert len(parts) == 4
    np.testing.assert_allclose(
        np.concatenate(parts)[: len(samples)], samples, atol=1e-6
    )
