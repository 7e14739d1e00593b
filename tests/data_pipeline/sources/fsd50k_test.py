"""Tests of reading FSD50K."""

import pytest

from data_pipeline.clips.clip import ClipRow
from data_pipeline.sources.fsd50k import Fsd50kSettings

_VOCABULARY = (
    "0,Accelerating_and_revving_and_vroom,/m/07q2z82\n"
    "1,Keyboard_(musical),/m/05148p4\n"
    "2,Music,/m/04rlf\n"
)
_DEV = (
    "fname,labels,mids,split\n"
    '64760,"Keyboard_(musical),Music","/m/05148p4,/m/04rlf",train\n'
    "345111,Music,/m/04rlf,val\n"
)
_EVALUATION = (
    "fname,labels,mids\n"
    '37199,"Keyboard_(musical),Music","/m/05148p4,/m/04rlf"\n'
)


def _fsd50k(tmp_path, dev=_DEV, evaluation=_EVALUATION, vocabulary=_VOCABULARY):
    truth = tmp_path / "FSD50K.ground_truth"
    truth.mkdir()
    (truth / "dev.csv").write_text(dev)
    (truth / "eval.csv").write_text(evaluation)
    (truth / "vocabulary.csv").write_text(vocabulary)
    (tmp_path / "FSD50K.dev_audio").mkdir()
    (tmp_path / "FSD50K.eval_audio").mkdir()
    return tmp_path


def _rows(directory, **options):
    return list(Fsd50kSettings(audio_dir=directory, **options).open().rows)


def test_rows_are_read_as_they_are_published(tmp_path):
    both = ("Keyboard_(musical)", "Music")
    dev, evaluation = tmp_path / "FSD50K.dev_audio", "FSD50K.eval_audio"
    assert _rows(_fsd50k(tmp_path)) == [
        ClipRow("64760", str(dev / "64760.wav"), both, "train"),
        ClipRow("345111", str(dev / "345111.wav"), ("Music",), "validation"),
        ClipRow(
            "37199", str(tmp_path / evaluation / "37199.wav"), both, "test"
        ),
    ]


def test_files_may_be_spelt_otherwise(tmp_path):
    directory = _fsd50k(tmp_path)
    (directory / "FSD50K.dev_audio" / "64760.WAV").touch()
    source = Fsd50kSettings(audio_dir=directory).open()
    first, *_ = source.rows
    assert first.path.endswith("FSD50K.dev_audio/64760.WAV")
    assert source.notes == {"found_elsewhere": 1}


def test_a_clip_may_have_no_labels(tmp_path):
    rows = _rows(_fsd50k(tmp_path, _DEV + '7,"","",train\n'))
    assert (rows[2].clip_id, rows[2].labels) == ("7", ())


def test_classes_are_those_of_the_vocabulary(tmp_path):
    source = Fsd50kSettings(audio_dir=_fsd50k(tmp_path)).open()
    assert source.class_names == (
        "Accelerating_and_revving_and_vroom",
        "Keyboard_(musical)",
        "Music",
    )


def test_labels_that_are_no_classes_are_dropped_or_reject_the_row(tmp_path):
    dev = _DEV + '7,"Music,Hum","/m/04rlf,/m/x",train\n8,Hum,/m/x,val\n'
    source = Fsd50kSettings(audio_dir=_fsd50k(tmp_path, dev)).open()
    rows = {row.clip_id: row for row in source.rows}
    assert rows["7"].labels == ("Music",)
    assert rows["8"].code == "unknown_label"
    assert rows["8"].split == "validation"
    assert rows["8"].filename == "8.wav"
    assert source.notes == {"unknown_label": 1}


def test_a_clip_that_is_there_again_is_rejected_unless_it_is_the_same(
    tmp_path,
):
    dev = _DEV + "345111,Music,/m/04rlf,val\n345111,Music,/m/04rlf,train\n"
    evaluation = _EVALUATION + "37199,Music,/m/04rlf\n"
    source = Fsd50kSettings(audio_dir=_fsd50k(tmp_path, dev, evaluation)).open()
    rows = list(source.rows)
    assert [getattr(row, "code", row.split) for row in rows] == [
        "train",
        "validation",
        "duplicate_id",
        "test",
        "duplicate_id",
    ]
    assert "dev.csv, line 5" in rows[2].reason
    assert rows[4].clip_id == "37199"
    assert source.notes == {"repeated_row": 1}


def test_clips_of_the_evaluation_set_are_kept_out_of_training(tmp_path):
    dev = _DEV + "37199,Music,/m/04rlf,train\n37199,Music,/m/04rlf,val\n"
    rows = _rows(_fsd50k(tmp_path, dev))
    found = [
        getattr(row, "code", row.split)
        for row in rows
        if row.clip_id == "37199"
    ]
    assert found == ["duplicate_id", "duplicate_id", "test"]


@pytest.mark.parametrize(
    ("name", "code"), [("../../x", "path_escape"), ("a\0", "bad_path")]
)
def test_names_that_lead_out_are_skipped(tmp_path, name, code):
    dev = _DEV + f"{name},Music,/m/04rlf,train\n"
    skipped = _rows(_fsd50k(tmp_path, dev))[2]
    assert (skipped.clip_id, skipped.code) == (name, code)
    assert skipped.split == "train"


def test_links_out_of_the_audio_need_permission(tmp_path):
    directory = _fsd50k(tmp_path)
    link = directory / "FSD50K.eval_audio" / "37199.wav"
    link.symlink_to(directory / "FSD50K.dev_audio" / "x.wav")
    assert _rows(directory)[2].code == "path_escape"
    assert _rows(directory, allow_symlinks=True)[2].path == str(link)


@pytest.mark.parametrize(
    ("tables", "message"),
    [
        ({"dev": "fname,labels\n1,Music\n"}, r"Missing: \['mids', 'split'\]"),
        ({"dev": _DEV + "1,Music,/m/04rlf,dog\n"}, "dev.csv, line 4: `split`"),
        ({"dev": _DEV + "1,Music,Hum,/m/04rlf,val\n"}, "line 4: expected 4 ce"),
        ({"evaluation": "fname,labels\n1,Music\n"}, r"Missing: \['mids'\]"),
        ({"evaluation": "fname,labels,mids\n"}, "eval.csv has a header but no"),
        (
            {"vocabulary": "index,label,mid\n"},
            "vocabulary.csv, line 1: `index`",
        ),
        ({"vocabulary": "0,Music\n"}, "vocabulary.csv, line 1: expected an in"),
        ({"vocabulary": ""}, "vocabulary.csv names no classes"),
    ],
)
def test_broken_tables_are_refused(tmp_path, tables, message):
    with pytest.raises(ValueError, match=message):
        _rows(_fsd50k(tmp_path, **tables))


@pytest.mark.parametrize(
    "name", ["FSD50K.eval_audio", "FSD50K.dev_audio", "FSD50K.ground_truth"]
)
def test_another_layout_is_refused(tmp_path, name):
    directory = _fsd50k(tmp_path)
    (directory / name).rename(directory / "other")
    with pytest.raises(ValueError, match=f"Missing: {name}"):
        Fsd50kSettings(audio_dir=directory).open()


def test_files_in_another_format_or_directory_are_found(tmp_path):
    directory = _fsd50k(tmp_path)
    dev = directory / "FSD50K.dev_audio"
    (dev / "train").mkdir()
    for name in ("64760.flac", "train/345111.ogg", "345111.json"):
        (dev / name).touch()
    paths = [row.path for row in _rows(directory)]
    assert paths[:2] == [str(dev / "64760.flac"), str(dev / "train/345111.ogg")]
    assert paths[2].endswith("/FSD50K.eval_audio/37199.wav")
