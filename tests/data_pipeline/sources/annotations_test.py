"""Tests of cutting annotated recordings into labelled clips."""

import numpy as np
import pytest
import soundfile

from data_pipeline.clips.clip import ClipRow
from data_pipeline.clips.clip import SkippedRow
from data_pipeline.sources.annotations import AnnotationsSettings

_RATE_HZ = 4000


def _write(directory, name, content):
    path = directory / name
    path.parent.mkdir(parents=True, exist_ok=True)
    if isinstance(content, str):
        path.write_text(content)
    else:
        noise = np.full(round(content * _RATE_HZ), 0.1)
        soundfile.write(path, noise, _RATE_HZ)


def _directory(tmp_path, **files):
    """Files by name: a text, or the seconds of a recording."""
    for name, content in files.items():
        _write(tmp_path, name, content)
    return tmp_path


def _source(directory, segment_seconds=1.0, **options):
    return AnnotationsSettings(
        audio_dir=directory, segment_seconds=segment_seconds, **options
    ).open()


def _labels(directory, **options):
    """Labels by clip id, and what is skipped, as tuples of id and code."""
    rows = list(_source(directory, **options).rows)
    return (
        {row.clip_id: row.labels for row in rows if isinstance(row, ClipRow)},
        [
            (row.clip_id, row.code)
            for row in rows
            if isinstance(row, SkippedRow)
        ],
    )


def test_segments_have_the_labels_of_their_events_or_none(tmp_path):
    text = "0.2\t0.4\tdog\n0.3\t1.5\twind\n3.5\t3.6\tdog\n"
    directory = _directory(tmp_path, **{"a.wav": 4.0, "a.txt": text})
    assert _labels(directory) == (
        {
            "a.wav@0": ("dog", "wind"),
            "a.wav@1": ("wind",),
            "a.wav@2": (),
            "a.wav@3": ("dog",),
        },
        [],
    )
    row = list(_source(directory).rows)[1]
    assert row == ClipRow(
        "a.wav@1",
        str(tmp_path / "a.wav"),
        ("wind",),
        group="a.wav",
        start_seconds=1.0,
        end_seconds=2.0,
        recording="a.wav",
    )


@pytest.mark.parametrize(
    ("event", "expected"),
    [
        # 0.1 s in the second is enough, 0.09 s are not.
        ((0.5, 1.1), [0, 1]),
        ((0.5, 1.09), [0]),
        ((0.95, 1.5), [1]),
        # Half of a short event is enough: it is never lost.
        ((0.98, 1.02), [0, 1]),
        ((0.98, 1.06), [1]),
        # A moment is in one segment.
        ((1.0, 1.0), [1]),
        ((1.7, 1.7), [1]),
        ((0.0, 2.0), [0, 1]),
    ],
)
def test_an_event_counts_where_enough_of_it_is_heard(tmp_path, event, expected):
    text = "\t".join(map(str, event)) + "\tdog\n"
    labels, _ = _labels(_directory(tmp_path, **{"a.wav": 2.0, "a.txt": text}))
    assert [i for i in (0, 1) if labels[f"a.wav@{i}"]] == expected


def test_the_least_overlap_is_an_option_and_never_more_than_a_segment(
    tmp_path,
):
    text = "0.5\t3.3\tdog\n"
    directory = _directory(tmp_path, **{"a.wav": 4.0, "a.txt": text})
    labels, _ = _labels(directory, min_overlap_seconds=0.4)
    assert list(labels.values()) == [("dog",), ("dog",), ("dog",), ()]
    labels, _ = _labels(directory, min_overlap_seconds=9)
    assert list(labels.values()) == [(), ("dog",), ("dog",), ()]


def test_what_may_be_anything_is_neither_background_nor_an_event(tmp_path):
    table = (
        "Audiofilename,Starttime,Endtime,Q\n"
        "a.wav,0.1,0.5,POS\na.wav,0.6,1.2,UNK\na.wav,3.0,3.2,UNK\n"
    )
    directory = _directory(tmp_path, **{"a.wav": 4.0, "a.csv": table})
    labels, skipped = _labels(directory)
    assert labels == {"a.wav@0": ("Q",), "a.wav@2": ()}
    assert skipped == [("a.wav@1", "uncertain"), ("a.wav@3", "uncertain")]
    source = _source(directory)
    list(source.rows)
    assert source.notes == {"uncertain_event": 2}


def test_events_out_of_the_recording_are_told(tmp_path):
    text = "0.5\t9\tdog\n2.0\t3.0\tcat\n1.0\t0.5\tcat\n-1\t0.5\tcat\n"
    directory = _directory(tmp_path, **{"a.wav": 2.0, "a.txt": text})
    source = _source(directory)
    rows = list(source.rows)
    assert [row.labels for row in rows if isinstance(row, ClipRow)] == [
        ("dog",),
        ("dog",),
    ]
    skipped = [row for row in rows if isinstance(row, SkippedRow)]
    assert [row.code for row in skipped] == ["bad_segment"] * 3
    assert "line 2: begins at 2 s, in a recording of 2 s" in skipped[2].reason
    assert source.notes == {"cut_event": 1}


def test_an_event_in_the_rest_is_told(tmp_path):
    text = "2.1\t2.3\tdog\n"
    directory = _directory(tmp_path, **{"a.wav": 2.4, "a.txt": text})
    labels, skipped = _labels(directory)
    assert list(labels.values()) == [(), ()]
    assert skipped == [
        ("a.wav@2.1", "cropped_rest"),
        ("a.wav@2", "cropped_rest"),
    ]


def test_several_tables_may_be_of_one_recording(tmp_path):
    header = "Begin Time (s)\tEnd Time (s)\tSpecies\n"
    directory = _directory(
        tmp_path,
        **{
            "x/a.b.wav": 1.0,
            "x/a.b.Table.1.selections.txt": header + "0\t0.5\towl\n",
            "x/a.b.Table.2.selections.txt": header + "0.5\t1\twren\n",
        },
    )
    labels, skipped = _labels(directory)
    assert labels == {"x/a.b.wav@0": ("owl", "wren")}
    assert skipped == []


def test_one_table_may_be_of_many_recordings(tmp_path):
    table = (
        "Begin Time (s)\tEnd Time (s)\tBegin Path\tFile Offset (s)\tSpecies\n"
        "0\t1\tC:\\site 1\\a.wav\t0\towl\n"
        "1.5\t2\tC:\\site 2\\a.wav\t0.5\twren\n"
        "2\t3\tC:\\site 3\\b.wav\t0\twren\n"
        "2\t3\tC:\\site 3\\b.wav\t0\twren\n"
    )
    audio_dir = _directory(
        tmp_path / "audio",
        **{"site 1/a.wav": 1.0, "site 2/a.wav": 1.0, "site 4/c.wav": 1.0},
    )
    _write(tmp_path, "all.txt", table)
    labels, skipped = _labels(audio_dir, annotations_dir=tmp_path / "all.txt")
    assert labels == {
        "site 1/a.wav@0": ("owl",),
        "site 2/a.wav@0": ("wren",),
    }
    assert skipped == [
        ("C:\\site 3\\b.wav", "missing"),
        ("site 4/c.wav", "no_annotations"),
    ]


def test_a_name_that_several_recordings_have_is_told(tmp_path):
    directory = _directory(
        tmp_path,
        **{
            "1/a.wav": 1.0,
            "2/a.wav": 1.0,
            "labels/a.txt": "0\t1\tdog\n",
            "1/a.txt": "0\t1\tcat\n",
        },
    )
    labels, skipped = _labels(directory)
    assert labels == {"1/a.wav@0": ("cat",)}
    assert ("labels/a.txt", "ambiguous_file") in skipped
    assert ("2/a.wav", "no_annotations") in skipped


def test_folders_of_splits_are_kept(tmp_path):
    files = {}
    for split in ("train", "validate", "test"):
        files[f"audio/{split}/s_{split}.wav"] = 1.0
        files[f"annotations/{split}/s_{split}.txt"] = "0 0.5 siren\n"
        files[f"annotations/{split}/s_{split}.jams"] = "{}"
    rows = list(_source(_directory(tmp_path, **files)).rows)
    assert {row.clip_id: row.split for row in rows if row.split} == {
        "audio/train/s_train.wav@0": "train",
        "audio/validate/s_validate.wav@0": "validation",
        "audio/test/s_test.wav@0": "test",
    }
    assert [row.code for row in rows if not row.split] == ["not_audio"] * 3


def test_texts_that_are_no_annotations_are_told(tmp_path):
    directory = _directory(
        tmp_path,
        **{
            "a.wav": 1.0,
            "a.txt": "0\t1\tdog\n",
            "README.txt": "By hand.\n",
            ".hidden/a.txt": "0\t1\tcat\n",
        },
    )
    labels, skipped = _labels(directory)
    assert labels == {"a.wav@0": ("dog",)}
    assert skipped == [
        (".hidden", "hidden"),
        ("README.txt", "not_annotations"),
    ]


def test_a_broken_recording_is_skipped_and_the_others_stay(tmp_path):
    directory = _directory(
        tmp_path,
        **{
            "a.wav": "no audio",
            "a.txt": "0\t1\tdog\n",
            "b.wav": 1.0,
            "b.txt": "",
        },
    )
    assert _labels(directory) == (
        {"b.wav@0": ()},
        [("a.wav", "undecodable")],
    )


def test_annotations_of_nothing_are_refused(tmp_path):
    directory = _directory(tmp_path, **{"a.wav": 1.0, "b.txt": "0\t1\tdog\n"})
    with pytest.raises(
        ValueError, match="of a recording.*1 recordings, and {'missing': 1}"
    ):
        _source(directory)
    with pytest.raises(ValueError, match="--annotations_dir must be"):
        _source(directory, annotations_dir=tmp_path / "none")
