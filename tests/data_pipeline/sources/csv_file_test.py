"""Tests of reading a directory of audio with a labels file."""

import pytest

from data_pipeline.clips import splits
from data_pipeline.clips.clip import ClipRow
from data_pipeline.sources.csv_file import CsvSettings

_NO_FOLDS = {"train": [], "validation": [], "test": []}


def _csv_rows(tmp_path, content, **options):
    path = tmp_path / "labels.csv"
    path.write_bytes(
        content if isinstance(content, bytes) else content.encode()
    )
    return list(
        CsvSettings(audio_dir=tmp_path, labels_csv=path, **options).open().rows
    )


def test_csv_rows_have_path_and_labels(tmp_path):
    rows = _csv_rows(tmp_path, "filename,labels\na/1.wav,dog; cat\n")
    assert rows == [
        ClipRow("a/1.wav", str(tmp_path / "a/1.wav"), ("dog", "cat"))
    ]


def test_csv_splits_and_folds_are_read(tmp_path):
    rows = _csv_rows(
        tmp_path,
        "labels,split,filename,fold\ndog,Val,1.wav,\ncat,train,2.wav,3\n",
    )
    assert [(row.split, row.fold) for row in rows] == [
        ("validation", None),
        ("train", 3),
    ]


def test_groups_and_starts_are_read(tmp_path):
    rows = _csv_rows(
        tmp_path,
        "filename,labels,group,start_seconds\n"
        "1.wav,dog,g,2.50\n1.wav,cat,g,0\n2.wav,cat,,\n",
    )
    assert rows == [
        ClipRow(
            "1.wav@2.5",
            str(tmp_path / "1.wav"),
            ("dog",),
            group="g",
            start_seconds=2.5,
            recording="1.wav",
        ),
        ClipRow(
            "1.wav@0",
            str(tmp_path / "1.wav"),
            ("cat",),
            group="g",
            recording="1.wav",
        ),
        ClipRow("2.wav", str(tmp_path / "2.wav"), ("cat",), group="2.wav"),
    ]


def test_clips_of_one_file_stay_in_one_split(tmp_path):
    lines = [
        f"{name}.wav,dog,{start}" for name in range(40) for start in ("", 5, 10)
    ]
    rows = _csv_rows(
        tmp_path, "filename,labels,start_seconds\n" + "\n".join(lines)
    )
    found = {
        (row.path, row.split)
        for row in splits.assign(rows, _NO_FOLDS, 0.3, 0.3)
    }
    assert len(found) == 40
    assert {split for _, split in found} == {"train", "validation", "test"}


def test_parts_of_a_file_with_folds_still_need_a_choice_of_folds(tmp_path):
    rows = _csv_rows(
        tmp_path,
        "filename,labels,fold,start_seconds\n"
        + "".join(f"{i}.wav,dog,{i % 3},1\n" for i in range(9)),
    )
    with pytest.raises(ValueError, match="Say which are for what"):
        splits.assign(rows, _NO_FOLDS, 0.1, 0.1)


@pytest.mark.parametrize(
    ("columns", "first", "second"),
    [
        ("split", "train", "test"),
        ("fold", "1", "2"),
        ("group", "a", "b"),
        ("group", "a", ""),
    ],
)
def test_a_file_cannot_be_in_two_places(tmp_path, columns, first, second):
    table = (
        f"filename,labels,start_seconds,{columns}\n"
        f"1.wav,dog,0,{first}\n2.wav,dog,0,{first}\n1.wav,dog,5,{second}\n"
    )
    with pytest.raises(ValueError, match="line 4: all rows of a file.*1.wav"):
        _csv_rows(tmp_path, table)


def test_a_split_column_is_kept_where_a_group_crosses_it(tmp_path):
    rows = _csv_rows(
        tmp_path,
        "filename,labels,split,group\n1.wav,a,train,g\n2.wav,a,test,g\n",
    )
    assigned = splits.assign(rows, _NO_FOLDS, 0.1, 0.1)
    assert [row.split for row in assigned] == ["train", "test"]


@pytest.mark.parametrize("start", ["-1", "1:30", "soon", "inf"])
def test_a_start_that_is_no_time_rejects_its_row_alone(tmp_path, start):
    skipped, row = _csv_rows(
        tmp_path,
        "filename,labels,split,start_seconds\n"
        f"1.wav,dog,val,{start}\n1.wav,dog,val,3\n",
    )
    assert skipped.code == "bad_segment"
    assert skipped.clip_id == f"1.wav@{start}"
    assert skipped.filename == "1.wav"
    assert skipped.split == "validation"
    assert "line 2: `start_seconds`" in skipped.reason
    assert row.start_seconds == 3


@pytest.mark.parametrize(
    ("filename", "code"),
    [
        ("../x.wav", "path_escape"),
        ("/etc/passwd", "path_escape"),
        ("a\0b.wav", "bad_path"),
    ],
)
def test_a_bad_path_rejects_its_row_alone(tmp_path, filename, code):
    skipped, row = _csv_rows(
        tmp_path,
        f"filename,labels,split\n{filename},dog,test\n1.wav,dog,train\n",
    )
    assert (skipped.code, skipped.clip_id) == (code, filename)
    assert skipped.split == "test"
    assert row.clip_id == "1.wav"


def test_links_out_of_the_directory_need_permission(tmp_path):
    directory = tmp_path / "sounds"
    directory.mkdir()
    (directory / "1.wav").symlink_to(tmp_path / "x.wav")
    table = "filename,labels\n1.wav,dog\n"
    (row,) = _csv_rows(directory, table)
    assert row.code == "path_escape"
    (row,) = _csv_rows(directory, table, allow_symlinks=True)
    assert row.path == str(directory / "1.wav")


@pytest.mark.parametrize(
    "content",
    [
        b"\xef\xbb\xbffilename,labels\n1.wav,dog\n",
        b"filename,labels\r\n1.wav,dog\r\n",
        b"filename,labels\n1.wav,dog",
        b"filename, labels\n1.wav, dog\n\n",
        b"\nfilename,labels\n1.wav,dog\n",
        b'"filename","labels"\n"1.wav","dog"\n',
        b"labels,note,filename\ndog,,1.wav\n",
        b"filename;labels\n1.wav;dog\n",
        b"filename\tlabels\n1.wav\tdog\n",
        b"filename|labels\n1.wav|dog\n",
        b"sep=;\r\nfilename;labels\r\n1.wav;dog\r\n",
        b"filename,labels\r1.wav,dog\r",
        "filename,labels\n1.wav,dog\n".encode("utf-16"),
        "\ufefffilename\tlabels\r\n1.wav\tdog\r\n".encode("utf-16-be"),
        "filename,labels\n1.wav,dog\n".encode("utf-32"),
        b"FileName , LABELS\n1.wav,dog\n",
        b"File Name,Class-Name\n1.wav,dog\n",
        b"filename,labels\n,\n1.wav,dog\n , \n,,,\n",
    ],
    ids=[
        "BOM",
        "CRLF",
        "no last newline",
        "blanks",
        "empty first line",
        "quotes",
        "more columns",
        "semicolons",
        "tabs",
        "bars",
        "Excel's first line",
        "CR",
        "UTF-16",
        "UTF-16 BE",
        "UTF-32",
        "other case",
        "other names",
        "blank rows",
    ],
)
def test_csv_dialects_that_programs_write_are_read(tmp_path, content):
    (row,) = _csv_rows(tmp_path, content)
    assert (row.clip_id, row.labels) == ("1.wav", ("dog",))


def test_quoted_commas_and_newlines_stay_in_their_cell(tmp_path):
    rows = _csv_rows(
        tmp_path, 'filename,labels\n"a, b.wav","Speech, male;dog"\n2.wav,cat\n'
    )
    assert [(row.clip_id, row.labels) for row in rows] == [
        ("a, b.wav", ("Speech, male", "dog")),
        ("2.wav", ("cat",)),
    ]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "is empty. Expected a header"),
        ("\n , \n", "is empty. Expected a header"),
        ("name,labels\n1.wav,dog\n", r"no column has a usual name of files"),
        ("filename,length\n1.wav,7\n", "no column has a usual name of classes"),
        (
            "filename\n1.wav\n",
            "no column has a usual name of classes.*separated",
        ),
        ("Filename:labels\n1.wav:a\n", "--delimiter .tried: comma, semicolon"),
        (
            "a.wav,dog;wind\nb.wav,dog;wind\n",
            "comma or semicolon .tried.*--delimiter",
        ),
        ("filename,labels,split\n1.wav,a,all\n", "line 2: `split` must be"),
        ("filename,labels,Split\n1.wav,a,val\n2.wav,a,x", "line 3: `split`"),
        ("filename,labels,subset\n1.wav,a,val\n2.wav,a,x", "line 3: `split`"),
        ("filename,labels,FileName\n1.wav,a,val\n", "'filename' twice"),
        ('filename,labels\n1.wav,"a\nb"\n', "line 3: .*a line of text.*a.nb"),
        ("filename;labels\n1.wav;a;b\n", "line 2: expected 2 cells.*hold ';'"),
        ("file,dog,rain\n1.wav,0,1\n2.wav,1,0\n3.wav,2,1", "line 4: .*'dog'"),
        ("file,dog, dog\n1.wav,0,1\n2.wav,1,0\n", "one column"),
        ("file,labels,labels\n1.wav,0,1\n", "'labels' twice"),
        ("filename,labels\n", "no rows"),
        ("filename,labels\n1.wav\n", r"line 2: expected 2 cells.*\['1.wav'\]"),
        ("filename,labels\n1.wav,a\n2.wav,b,c\n", "line 3: expected 2 cells"),
        ('filename,labels\n1.wav,"dog\n2.wav,cat\n', "Close every quote"),
        ("filename,labels\n,dog\n", "line 2: every row needs a file name"),
        ("filename,labels,fold\n1.wav,a,one\n", "line 2: `fold` must be an in"),
        (b"filename,labels\n1.wav,h\xe4user\n", "Windows-1252.*as UTF-8"),
        (
            b"filename;labels\n1.wav;h\xe4user\n",
            "line 2: .*Windows-1252.*UTF-8",
        ),
        ("filename,labels\n1.wav,dog\n".encode("utf-16-le"), "UTF-16.*order"),
        ("filename,labels\n1.wav,dog\n".encode("utf-16-be"), "UTF-16.*order"),
        (b"PK\3\4\x14\0\6\0\xff\xff", "spreadsheet.*Save it as CSV"),
        (b"\xff\xfef\0i\0l\0e", "UTF-16|usual name"),
        (b"\xff\xfef\0\0\xd8a\0", "not a text in UTF-16"),
    ],
)
def test_broken_labels_files_are_refused(tmp_path, content, message):
    with pytest.raises(ValueError, match=message):
        _csv_rows(tmp_path, content)


def test_a_missing_labels_file_is_refused(tmp_path):
    with pytest.raises(ValueError, match="no labels file .*none.csv"):
        CsvSettings(audio_dir=tmp_path, labels_csv=tmp_path / "none.csv").open()
