"""Tests of reading AudioSet."""

import hashlib
import os
import tracemalloc

import pytest

from data_pipeline.clips import splits
from data_pipeline.clips.clip import ClipRow
from data_pipeline.sources.audioset import AudioSetSettings

_CLASSES = (
    "index,mid,display_name\n"
    '0,/m/09x0r,"Speech"\n'
    '1,/m/05zppz,"Male speech, man speaking"\n'
    '2,/t/dd00088,"Gush"\n'
)
_HEADER = "# YTID, start_seconds, end_seconds, positive_labels\n"
_SPEECH = '"/m/09x0r"'


def _lines(*youtube_ids, start=30, labels=_SPEECH):
    return "".join(
        f"{youtube_id}, {start}.000, {start + 10}.000, {labels}\n"
        for youtube_id in youtube_ids
    )


def _source(
    tmp_path,
    train=None,
    evaluation=None,
    files=(),
    classes=_CLASSES,
    validation=None,
    **options,
):
    """A source of `train` and the like, which are lines of tables."""
    audio_dir = tmp_path / "audio"
    for name in ("", *files):
        (audio_dir / name).parent.mkdir(parents=True, exist_ok=True)
        (audio_dir / name).touch() if name else audio_dir.mkdir(exist_ok=True)
    paths = {}
    for name, content in (
        ("class_labels_indices.csv", classes),
        ("train.csv", train and _HEADER + train),
        ("eval.csv", evaluation and _HEADER + evaluation),
        ("validation.csv", validation and _HEADER + validation),
    ):
        paths[name] = []
        if content:
            (tmp_path / name).write_text(content)
            paths[name].append(tmp_path / name)
    options = {"validation_fraction": 0, **options}
    return AudioSetSettings(
        audio_dir=audio_dir,
        class_labels_csv=tmp_path / "class_labels_indices.csv",
        train_segments=paths["train.csv"],
        evaluation_segments=paths["eval.csv"],
        validation_segments=paths["validation.csv"],
        **options,
    ).open()


def _rows(*args, **kwargs):
    return list(_source(*args, **kwargs).rows)


def test_a_row_is_a_clip_of_its_file_and_its_labels(tmp_path):
    line = '--PJHxphWEs, 30.000, 40.000, "/t/dd00088,/m/05zppz"\n'
    assert _rows(tmp_path, line, files=["bal/--PJHxphWEs.m4a"]) == [
        ClipRow(
            "--PJHxphWEs_30000",
            str(tmp_path / "audio/bal/--PJHxphWEs.m4a"),
            ("Gush", "Male speech, man speaking"),
            "train",
            group="--PJHxphWEs",
        )
    ]


def test_classes_are_the_display_names_in_the_order_of_their_indices(tmp_path):
    source = _source(tmp_path, _lines("a"))
    assert source.class_names == ("Speech", "Male speech, man speaking", "Gush")


def test_all_527_classes_are_read(tmp_path):
    classes = "index,mid,display_name\n" + "".join(
        f'{index},/m/{index},"Sound {index}, of {index}"\n'
        for index in range(527)
    )
    class_names = _source(tmp_path, _lines("a"), classes=classes).class_names
    assert len(class_names) == 527
    assert class_names[526] == "Sound 526, of 526"


@pytest.mark.parametrize(
    "stem",
    [
        "-bcdefghijk",
        "Y-bcdefghijk",
        "-bcdefghijk_30",
        "-bcdefghijk_30000",
        "-bcdefghijk_30000_40000",
        "Y-bcdefghijk_30.000_40.000",
        "-bcdefghijk_30.000_40.000",
        "-bcdefghijk_30_40",
        "Y-bcdefghijk_30000_40000",
    ],
)
@pytest.mark.parametrize("suffix", [".wav", ".webm", ".MP4"])
def test_usual_names_of_files_are_found(tmp_path, stem, suffix):
    name = f"unbalanced/-b/{stem}{suffix}"
    (row,) = _rows(tmp_path, _lines("-bcdefghijk"), files=[name])
    assert row.path == str(tmp_path / "audio" / name)
    assert row.start_seconds == 0


def test_a_name_with_the_segment_goes_before_one_without(tmp_path):
    files = ["ab.wav", "ab_30000.mp3", "ab_40000.wav"]
    (row,) = _rows(tmp_path, _lines("ab"), files=files)
    assert row.path == str(tmp_path / "audio/ab_30000.mp3")


@pytest.mark.parametrize("name", ["ab.opus", "Yab.opus"])
def test_clips_of_whole_recordings_begin_at_their_segments(tmp_path, name):
    rows = _rows(
        tmp_path,
        _lines("ab", start=30) + "ab, 70.500, 80.000, /m/09x0r\n",
        files=[name, "ab_30000.wav"],
        whole_recordings=True,
    )
    assert [(row.path, row.start_seconds) for row in rows] == [
        (str(tmp_path / "audio" / name), 30.0),
        (str(tmp_path / "audio" / name), 70.5),
    ]


def test_rows_without_a_file_are_rows_all_the_same(tmp_path):
    rows = _rows(tmp_path, _lines("ab", "AB"), files=["aB.wav", "ab_31.wav"])
    assert [row.path for row in rows] == [
        str(tmp_path / "audio/ab.wav"),
        str(tmp_path / "audio/AB.wav"),
    ]
    assert not any(os.path.exists(row.path) for row in rows)


def test_labels_that_are_no_classes_are_dropped_or_reject_the_row(tmp_path):
    source = _source(
        tmp_path,
        'ab, 0, 10, "/m/x,/m/09x0r"\ncd, 0, 10, "/m/x,/m/y"\nef, 0, 10, ""\n',
        _lines("gh", labels="/m/z"),
    )
    first, unknown, empty, tested = source.rows
    assert first.labels == ("Speech",)
    # A clip of nothing.
    assert (empty.clip_id, empty.labels) == ("ef_0", ())
    skipped = (unknown, tested)
    assert [(row.clip_id, row.code, row.split) for row in skipped] == [
        ("cd_0", "unknown_label", "train"),
        ("gh_30000", "unknown_label", "test"),
    ]
    assert "Received: /m/x, /m/y" in skipped[0].reason
    assert source.notes == {"unknown_label": 1}


def test_segments_without_good_times_are_rejected_in_their_split(tmp_path):
    bad = "ab, 10, 5, /m/09x0r\n"
    row, skipped = _rows(tmp_path, _lines("cd"), bad)
    assert (skipped.code, skipped.split) == ("bad_segment", "test")
    row, skipped = _rows(tmp_path, bad + _lines("cd"))[::-1]
    assert (skipped.code, skipped.split) == ("bad_segment", "train")
    assert row.clip_id == "cd_30000"


@pytest.mark.parametrize(
    ("youtube_id", "code"),
    [("../x", "path_escape"), ("/etc/x", "path_escape"), ("a\0b", "bad_path")],
)
def test_ids_that_lead_out_are_skipped(tmp_path, youtube_id, code):
    (tmp_path / "x.wav").touch()
    skipped, row = _rows(tmp_path, _lines(youtube_id, "cd"))
    assert (skipped.code, skipped.split) == (code, "train")
    assert row.group == "cd"


def test_links_out_of_the_directory_need_permission(tmp_path):
    (tmp_path / "audio").mkdir()
    (tmp_path / "audio" / "ab.wav").symlink_to(tmp_path / "x.wav")
    (row,) = _rows(tmp_path, _lines("ab"))
    assert row.code == "path_escape"
    (row,) = _rows(tmp_path, _lines("ab"), allow_symlinks=True)
    assert row.path == str(tmp_path / "audio/ab.wav")


def test_repeated_rows_are_one_clip_with_the_labels_of_all(tmp_path):
    source = _source(
        tmp_path,
        _lines("ab")
        + _lines("cd", labels='"/t/dd00088,/m/09x0r"')
        + _lines("ab", labels='"/t/dd00088,/m/x"')
        + _lines("ab", labels='"/m/09x0r,/m/05zppz"')
        + _lines("ef")
        + _lines("cd", labels='"/m/09x0r,/t/dd00088"')
        + _lines("cD"),
        files=["ab.wav", "cd.wav"],
    )
    rows = {row.clip_id: row for row in source.rows}
    assert list(rows) == ["ef_30000", "cD_30000", "ab_30000", "cd_30000"]
    assert rows["ab_30000"].labels == (
        "Speech",
        "Gush",
        "Male speech, man speaking",
    )
    assert rows["ab_30000"].path == str(tmp_path / "audio/ab.wav")
    assert rows["cd_30000"].labels == ("Gush", "Speech")
    assert source.notes == {
        "united_labels": 2,
        "repeated_row": 1,
        "unknown_label": 1,
    }


def test_clips_are_united_across_tables(tmp_path):
    (tmp_path / "balanced.csv").write_text(_lines("ab", labels="/t/dd00088"))
    _source(tmp_path, _lines("ab", "cd"))
    source = AudioSetSettings(
        audio_dir=tmp_path / "audio",
        class_labels_csv=tmp_path / "class_labels_indices.csv",
        train_segments=[tmp_path / "balanced.csv", tmp_path / "train.csv"],
        validation_fraction=0,
    ).open()
    assert [(row.clip_id, row.labels) for row in source.rows] == [
        ("cd_30000", ("Speech",)),
        ("ab_30000", ("Gush", "Speech")),
    ]


def test_two_segments_of_a_video_are_two_clips_with_files_of_their_own(
    tmp_path,
):
    rows = _rows(
        tmp_path,
        _lines("ab") + _lines("ab", start=50),
        files=["ab_30000.wav", "ab_50.wav"],
    )
    assert [(row.clip_id, row.path) for row in rows] == [
        ("ab_30000", str(tmp_path / "audio/ab_30000.wav")),
        ("ab_50000", str(tmp_path / "audio/ab_50.wav")),
    ]
    assert {row.group for row in rows} == {"ab"}


@pytest.mark.parametrize(
    ("train", "evaluation"),
    [
        (_lines("ab") + _lines("ab", start=50), None),
        (_lines("ab", start=50), _lines("ab")),
    ],
)
def test_a_file_that_may_be_of_another_segment_is_not_used(
    tmp_path, train, evaluation
):
    rows = _rows(tmp_path, train, evaluation, files=["ab.wav"])
    assert {row.code for row in rows} == {"bad_segment"}
    assert "call it ab_30000, or use --whole_recordings" in rows[0].reason


def test_a_segment_that_is_there_twice_is_no_other_segment(tmp_path):
    (row,) = _rows(tmp_path, _lines("ab", "ab"), files=["ab.wav"])
    assert row.path == str(tmp_path / "audio/ab.wav")


def test_evaluation_segments_are_the_test_split(tmp_path):
    rows = _rows(tmp_path, _lines("ab"), _lines("cd", "ef"))
    assert [(row.group, row.split) for row in rows] == [
        ("ab", "train"),
        ("cd", "test"),
        ("ef", "test"),
    ]
    rows = _rows(tmp_path, None, _lines("cd"))
    assert [row.split for row in rows] == ["test"]


def test_videos_go_to_validation_by_the_hash_of_their_ids(tmp_path):
    youtube_ids = [f"video{number:06}" for number in range(400)]
    rows = _rows(
        tmp_path,
        _lines(*youtube_ids) + _lines(*youtube_ids, start=50),
        validation_fraction=0.25,
    )
    found = {(row.group, row.split) for row in rows}
    assert len(rows) == 800
    # One split for all segments of a video, told from its id alone.
    assert found == {
        (
            youtube_id,
            "validation"
            if hashlib.sha256(f"split:{youtube_id}".encode()).digest()[0] < 64
            else "train",
        )
        for youtube_id in youtube_ids
    }
    # Four standard deviations of a binomial share.
    share = sum(split == "validation" for _, split in found)
    assert share == pytest.approx(100, abs=4 * 8.7)


def test_validation_may_come_from_tables_of_its_own(tmp_path):
    train = [f"train{i}" for i in range(30)]
    others = [f"other{i}" for i in range(60)]
    source = _source(
        tmp_path,
        _lines(*train),
        _lines("other0", "other1"),
        validation=_lines(*others, *train),
        validation_fraction=0.5,
    )
    by_split = {}
    for row in source.rows:
        by_split.setdefault(row.split, set()).add(row.group)
    assert by_split["train"] == set(train)
    assert by_split["test"] == {"other0", "other1"}
    drawn = {
        name
        for name in others[2:]
        if splits.train_or_validation(name, 0.5) == "validation"
    }
    assert by_split["validation"] == drawn
    assert 15 < len(drawn) < 45
    kept_out = [
        sum(splits.train_or_validation(n, 0.5) == "validation" for n in names)
        for names in (train, others[:2])
    ]
    assert source.notes["in_training"] == kept_out[0] > 0
    assert source.notes["in_evaluation"] == kept_out[1]


def test_videos_of_the_evaluation_are_in_no_other_split(tmp_path):
    youtube_ids = [f"video{number}" for number in range(60)]
    source = _source(
        tmp_path,
        _lines(*youtube_ids)
        + _lines(*youtube_ids, start=50)
        + "video2, 9, 1, /m/09x0r\n",
        # The second has no good times, and is held out all the same.
        _lines(*youtube_ids[::3]) + "video1, 5, 5, /m/09x0r\n",
        validation_fraction=0.5,
    )
    splits = {youtube_id: set() for youtube_id in youtube_ids}
    for row in source.rows:
        splits[row.clip_id.split("_")[0]].add(row.split)
    held_out = {"video1", *youtube_ids[::3]}
    assert {name for name in splits if "test" in splits[name]} == held_out
    assert all(splits[name] == {"test"} for name in held_out)
    assert source.notes["in_evaluation"] == 42


@pytest.mark.parametrize(
    "blacklist",
    ["# DCASE\nab\n-d\n", _HEADER + _lines("-d", "ab", start=70)],
    ids=["list", "segments"],
)
def test_blacklisted_videos_are_kept_out_of_training(tmp_path, blacklist):
    (tmp_path / "blacklist.txt").write_text(blacklist)
    source = _source(
        tmp_path,
        _lines("ab", "-d", "-D", "ef") + _lines("ab", start=50),
        _lines("ab", "gh", start=90),
        validation_fraction=0.5,
        blacklist=tmp_path / "blacklist.txt",
    )
    groups = {"train": set(), "validation": set(), "test": set()}
    for row in source.rows:
        groups[row.split].add(row.group)
    assert groups["train"] | groups["validation"] == {"-D", "ef"}
    assert groups["test"] == {"ab", "gh"}
    assert source.notes == {"blacklisted": 1, "in_evaluation": 2}


def test_tables_are_checked_before_the_first_row(tmp_path):
    lines = _lines(*(f"video{number}" for number in range(100)))
    with pytest.raises(ValueError, match="train.csv, line 102: expected YTID"):
        _source(tmp_path, lines + "ab, 1, 2\n")


@pytest.mark.parametrize(
    ("arguments", "options", "message"),
    [
        ((), {}, "needs segments tables: --train_segments or"),
        ((_lines("ab"),), {"validation_fraction": 1.0}, "sum must be below 1"),
        ((_lines("ab"),), {"validation_fraction": -0.1}, "not be negative"),
        ((_lines("ab"),), {"classes": "mid\n/m/x\n"}, r"Missing: \['index'"),
        ((_lines("ab"),), {"blacklist": "none.txt"}, "no list of YouTube ids"),
        (("#\n",), {}, "train.csv has no segments"),
    ],
)
def test_options_that_make_no_sense_are_refused(
    tmp_path, arguments, options, message
):
    with pytest.raises(ValueError, match=message):
        _source(tmp_path, *arguments, **options)


def test_a_table_that_is_given_twice_is_refused(tmp_path):
    _source(tmp_path, _lines("ab"))
    table = tmp_path / "train.csv"
    with pytest.raises(ValueError, match="given once.*train.csv"):
        AudioSetSettings(
            audio_dir=tmp_path / "audio",
            class_labels_csv=tmp_path / "class_labels_indices.csv",
            train_segments=[table, tmp_path / "audio" / ".." / "train.csv"],
            validation_fraction=0,
        ).open()


def _peak_bytes(directory, num_rows):
    directory.mkdir()
    names = [f"video{number:06}" for number in range(num_rows)]
    _source(
        directory,
        _lines(*names),
        files=[f"{name[-1]}/{name}.wav" for name in names],
    )
    tracemalloc.start()
    source = AudioSetSettings(
        audio_dir=directory / "audio",
        class_labels_csv=directory / "class_labels_indices.csv",
        train_segments=[directory / "train.csv"],
        validation_fraction=0.1,
    ).open()
    for row in source.rows:
        assert isinstance(row, ClipRow)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return peak


def test_memory_does_not_hold_the_rows(tmp_path):
    few, many = (_peak_bytes(tmp_path / str(n), n) for n in (500, 3000))
    assert (many - few) / 2500 < 100
