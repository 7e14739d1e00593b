"""Tests of reading Speech Commands and sets that are made like it."""

import numpy as np
import pytest
import soundfile

from data_pipeline.clips.clip import ClipRow
from data_pipeline.clips.clip import SkippedRow
from data_pipeline.sources.speech_commands import SpeechCommandsSettings

_FILES = (
    "bed/0a7c2a8d_nohash_0.wav",
    "bed/0a7c2a8d_nohash_1.wav",
    "bed/1b4c9b89_nohash_0.wav",
    "cat/0a7c2a8d_nohash_0.wav",
    "cat/2da58b32_nohash_4.wav",
)
_RATE_HZ = 8000


def _set(tmp_path, validation=None, testing=None, noise_seconds=(3.0,)):
    for name in _FILES:
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.touch()
    (tmp_path / "_background_noise_").mkdir()
    (tmp_path / "_background_noise_" / "README.md").write_text("Noise.\n")
    for number, seconds in enumerate(noise_seconds):
        soundfile.write(
            tmp_path / "_background_noise_" / f"noise_{number}.wav",
            np.full(round(seconds * _RATE_HZ), 0.1),
            _RATE_HZ,
        )
    (tmp_path / "LICENSE").write_text("Free.\n")
    for name, content in (
        ("validation_list.txt", validation),
        ("testing_list.txt", testing),
    ):
        if content is not None:
            (tmp_path / name).write_text(content)
    return tmp_path


def _rows(directory, **options):
    source = SpeechCommandsSettings(
        audio_dir=directory, segment_seconds=1.0, **options
    ).open()
    rows = list(source.rows)
    return (
        {row.clip_id: row for row in rows if isinstance(row, ClipRow)},
        [row for row in rows if isinstance(row, SkippedRow)],
        source.notes,
    )


def test_the_lists_are_the_splits_and_names_begin_with_the_speaker(tmp_path):
    clips, skipped, notes = _rows(
        _set(
            tmp_path,
            "bed/1b4c9b89_nohash_0.wav\n",
            "cat\\2da58b32_nohash_4.wav\r\n\r\n",
        )
    )
    assert clips["bed/0a7c2a8d_nohash_1.wav"] == ClipRow(
        "bed/0a7c2a8d_nohash_1.wav",
        str(tmp_path / "bed/0a7c2a8d_nohash_1.wav"),
        ("bed",),
        "train",
        group="0a7c2a8d",
    )
    assert clips["bed/1b4c9b89_nohash_0.wav"].split == "validation"
    assert clips["cat/2da58b32_nohash_4.wav"].split == "test"
    assert clips["cat/0a7c2a8d_nohash_0.wav"].split == "train"
    # Neither the lists nor the licence are clips; what is none is told.
    assert {row.filename: row.code for row in skipped} == {
        "LICENSE": "not_audio",
        "_background_noise_/README.md": "not_audio",
    }
    assert not notes


def test_all_of_the_background_noise_is_cut_into_clips(tmp_path):
    clips, _, _ = _rows(_set(tmp_path, "bed/x.wav\n", noise_seconds=(3.6,)))
    noise = [row for row in clips.values() if row.labels == ("background",)]
    assert [row.clip_id for row in noise] == [
        f"_background_noise_/noise_0.wav@{start}" for start in range(4)
    ]
    assert {row.recording for row in noise} == {
        "_background_noise_/noise_0.wav"
    }
    # One recording cannot be in several splits.
    assert {row.split for row in noise} == {"train"}


def test_a_recording_of_noise_is_in_one_split(tmp_path):
    clips, _, _ = _rows(
        _set(tmp_path, "bed/x.wav\n", "cat/x.wav\n", (2.0,) * 6)
    )
    splits_of = {}
    for row in clips.values():
        if row.recording:
            splits_of.setdefault(row.recording, set()).add(row.split)
    assert len(splits_of) == 6
    assert all(len(found) == 1 for found in splits_of.values())
    assert set.union(*splits_of.values()) == {"train", "validation", "test"}


def test_noise_has_no_labels_where_a_clip_may_have_none(tmp_path):
    clips, _, _ = _rows(_set(tmp_path), label_type="multi_label")
    noise = [row for row in clips.values() if row.recording]
    assert [row.labels for row in noise] == [()] * 3


def test_without_lists_the_speakers_decide(tmp_path):
    clips, _, _ = _rows(_set(tmp_path))
    assert {row.split for row in clips.values()} == {None}
    assert clips["_background_noise_/noise_0.wav@0"].group == (
        "_background_noise_/noise_0.wav"
    )


def test_listed_files_that_are_absent_are_skipped_with_their_line(tmp_path):
    directory = _set(tmp_path, "bed/gone.wav\n", "./cat/2.wav\n../x.wav\n")
    _, skipped, _ = _rows(directory)
    found = {row.filename: row for row in skipped}
    assert found["bed/gone.wav"].code == "missing"
    assert found["bed/gone.wav"].split == "validation"
    assert "validation_list.txt, line 1" in found["bed/gone.wav"].reason
    assert found["cat/2.wav"].split == "test"
    assert found["../x.wav"].code == "path_escape"


def test_a_file_in_both_lists_tests(tmp_path):
    name = "bed/1b4c9b89_nohash_0.wav"
    clips, _, notes = _rows(_set(tmp_path, f"{name}\n", f"{name}\n{name}\n"))
    assert clips[name].split == "test"
    assert notes == {"in_both_lists": 1, "repeated_row": 1}


def test_loose_files_are_told(tmp_path):
    directory = _set(tmp_path)
    (directory / "loose.wav").touch()
    _, skipped, _ = _rows(directory)
    assert ("loose.wav", "loose_file") in [
        (row.filename, row.code) for row in skipped
    ]


def test_a_directory_without_words_is_refused(tmp_path):
    (tmp_path / "LICENSE").touch()
    with pytest.raises(ValueError, match=r"for each word. .*\['LICENSE'\]"):
        SpeechCommandsSettings(audio_dir=tmp_path).open()
