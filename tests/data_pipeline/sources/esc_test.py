"""Tests of reading ESC-10 and ESC-50."""

import os
import pathlib

import pytest

from data_pipeline.clips import splits
from data_pipeline.clips.clip import ClipRow
from data_pipeline.sources.esc import EscSettings

_ESC50 = pathlib.Path(
    os.environ.get(
        "ESC50_DIR",
        pathlib.Path(__file__).resolve().parents[4] / "shared/data/esc50_16khz",
    )
)
_TABLE = (
    "filename,fold,target,category,src_file,take\n"
    "1-7-A-1.ogg,1,1,rain,7,A\n"
    "1-7-B-1.ogg,1,1,rain,7,B\n"
    "2-8-A-0.ogg,2,0,dog_bark,8,A\n"
)


def _esc(tmp_path, table, name="esc10.csv"):
    (tmp_path / "audio").mkdir(exist_ok=True)
    (tmp_path / "meta").mkdir(exist_ok=True)
    (tmp_path / "meta" / name).write_text(table)
    return tmp_path


def test_rows_have_fold_and_recording(tmp_path):
    source = EscSettings(audio_dir=_esc(tmp_path, _TABLE)).open()
    assert list(source.rows)[1] == ClipRow(
        "1-7-B-1.ogg",
        str(tmp_path / "audio" / "1-7-B-1.ogg"),
        ("rain",),
        group="7",
        fold=1,
    )


def test_classes_are_in_the_order_of_their_targets(tmp_path):
    source = EscSettings(audio_dir=_esc(tmp_path, _TABLE)).open()
    assert source.class_names == ("dog_bark", "rain")


def test_the_table_is_told_by_its_columns(tmp_path):
    _esc(tmp_path, "filename,author\n1-7-A-1.ogg,me\n", "attribution.csv")
    source = EscSettings(audio_dir=_esc(tmp_path, _TABLE, "zz.csv")).open()
    assert len(list(source.rows)) == 3


@pytest.mark.parametrize(
    "table",
    [
        _TABLE.replace(",", ";"),
        _TABLE.replace("filename", "Filename").replace("src_file", "SRC_File"),
        _TABLE.replace("\n", "\r\n") + ",,,,,\r\n",
        _TABLE.encode("utf-16"),
    ],
    ids=["semicolons", "other case", "blank row", "UTF-16"],
)
def test_a_table_that_a_program_has_saved_again_is_read(tmp_path, table):
    _esc(tmp_path, "")
    table = table if isinstance(table, bytes) else table.encode()
    (tmp_path / "meta" / "esc10.csv").write_bytes(table)
    (tmp_path / "meta" / "broken.csv").write_bytes(b"\xff\xff")
    rows = list(EscSettings(audio_dir=tmp_path).open().rows)
    assert [row.group for row in rows] == ["7", "7", "8"]


def test_a_row_that_leads_out_is_rejected_and_the_others_stay(tmp_path):
    table = _TABLE + "../meta/x.ogg,2,0,dog_bark,9,A\n"
    source = EscSettings(audio_dir=_esc(tmp_path, table)).open()
    *rows, skipped = source.rows
    assert [row.fold for row in rows] == [1, 1, 2]
    assert (skipped.code, skipped.clip_id) == (
        "path_escape",
        "../meta/x.ogg",
    )


def test_files_may_have_been_converted(tmp_path):
    directory = _esc(tmp_path, _TABLE.replace(".ogg", ".wav"))
    (directory / "audio" / "1-7-A-1.flac").touch()
    source = EscSettings(audio_dir=directory).open()
    first, second, _ = source.rows
    assert first.clip_id == "1-7-A-1.wav"
    assert first.path == str(directory / "audio" / "1-7-A-1.flac")
    assert second.path == str(directory / "audio" / "1-7-B-1.wav")
    assert source.notes == {"found_elsewhere": 1}


def test_files_may_be_spelt_otherwise(tmp_path):
    directory = _esc(tmp_path, _TABLE)
    (directory / "audio" / "1-7-a-1.OGG").touch()
    source = EscSettings(audio_dir=directory).open()
    first, second, _ = source.rows
    assert first.clip_id == "1-7-A-1.ogg"
    assert first.path == str(directory / "audio" / "1-7-a-1.OGG")
    assert second.path == str(directory / "audio" / "1-7-B-1.ogg")
    assert source.notes == {"found_elsewhere": 1}


@pytest.mark.skipif(
    not _ESC50.is_dir(), reason="ESC-50 is not here; set ESC50_DIR"
)
def test_esc50_is_divided_by_its_folds_though_four_recordings_cross_them():
    rows = list(EscSettings(audio_dir=_ESC50).open().rows)
    assert len(rows) == 2000
    # As cross-validation does: one tests what the others have trained.
    crossing = set()
    for fold in range(1, 6):
        others = [n for n in range(1, 6) if n != fold]
        divided = splits.by_fold(rows, {"train": others, "test": [fold]})
        assert sum(row.split == "test" for row in divided) == 400
        crossing.update(splits.crossing_groups(divided))
    assert crossing == {"131943", "134049", "209698", "234879"}


def test_the_directory_of_the_audio_may_be_a_link(tmp_path):
    directory = tmp_path / "esc"
    directory.mkdir()
    (tmp_path / "elsewhere").mkdir()
    (directory / "audio").symlink_to(tmp_path / "elsewhere")
    rows = list(EscSettings(audio_dir=_esc(directory, _TABLE)).open().rows)
    assert rows[0].path == str(directory / "audio" / "1-7-A-1.ogg")


def test_links_out_of_the_audio_need_permission(tmp_path):
    directory = _esc(tmp_path, _TABLE)
    (directory / "audio" / "1-7-A-1.ogg").symlink_to("../../x.ogg")
    first, *_ = EscSettings(audio_dir=directory).open().rows
    assert first.code == "path_escape"
    first, *_ = (
        EscSettings(audio_dir=directory, allow_symlinks=True).open().rows
    )
    assert first.labels == ("rain",)


def test_a_directory_without_a_table_is_refused(tmp_path):
    _esc(tmp_path, "filename,author\n1-7-A-1.ogg,me\n", "attribution.csv")
    with pytest.raises(ValueError, match=r"'meta/attribution.csv'\]"):
        EscSettings(audio_dir=tmp_path).open()


def test_a_directory_without_audio_is_refused(tmp_path):
    (_esc(tmp_path, _TABLE) / "audio").rmdir()
    with pytest.raises(ValueError, match=r"`audio/`.*Received: \['meta'"):
        EscSettings(audio_dir=tmp_path).open()


def test_a_row_that_is_there_twice_is_counted_and_another_is_skipped(tmp_path):
    table = _TABLE + "1-7-A-1.ogg,1,1,rain,7,A\n1-7-A-1.ogg,2,1,rain,7,A\n"
    source = EscSettings(audio_dir=_esc(tmp_path, table)).open()
    *rows, skipped = source.rows
    assert [row.clip_id for row in rows] == [
        "1-7-A-1.ogg",
        "1-7-B-1.ogg",
        "2-8-A-0.ogg",
    ]
    assert source.notes == {"repeated_row": 1}
    assert (skipped.clip_id, skipped.code) == ("1-7-A-1.ogg", "duplicate_id")
    assert "esc10.csv, line 6: there before" in skipped.reason


def test_a_target_with_two_names_is_refused(tmp_path):
    table = _TABLE + "3-9-A-1.ogg,3,1,snow,9,A\n"
    with pytest.raises(ValueError, match="the class 1 has two names"):
        EscSettings(audio_dir=_esc(tmp_path, table)).open()
