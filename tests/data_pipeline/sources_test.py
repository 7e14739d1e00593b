"""Tests of reading labelled audio."""

import pytest
from hypothesis import given
from hypothesis import settings
from hypothesis import strategies

from data_pipeline import sources
from data_pipeline.clips import ClipRow

# A busy machine is no fault of the code.
_PATIENT = settings(deadline=None, max_examples=50)


def _csv_rows(tmp_path, content):
    path = tmp_path / "labels.csv"
    path.write_bytes(
        content if isinstance(content, bytes) else content.encode()
    )
    return sources.csv_rows(tmp_path, path)


def _esc(tmp_path, table, name="esc10.csv"):
    (tmp_path / "meta").mkdir(exist_ok=True)
    (tmp_path / "meta" / name).write_text(table)
    return tmp_path


_ESC_TABLE = (
    "filename,fold,target,category,src_file,take\n"
    "1-7-A-1.ogg,1,1,rain,7,A\n"
    "1-7-B-1.ogg,1,1,rain,7,B\n"
    "2-8-A-0.ogg,2,0,dog_bark,8,A\n"
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


@pytest.mark.parametrize(
    "content",
    [
        b"\xef\xbb\xbffilename,labels\n1.wav,dog\n",
        b"filename,labels\r\n1.wav,dog\r\n",
        b"filename,labels\n1.wav,dog",
        b"filename, labels\n1.wav, dog\n\n",
        b'"filename","labels"\n"1.wav","dog"\n',
        b"labels,note,filename\ndog,,1.wav\n",
    ],
    ids=["BOM", "CRLF", "no last newline", "blanks", "quotes", "more columns"],
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
        ("", r"columns filename,labels.*Missing: \['filename', 'labels'\]"),
        ("file,labels\n1.wav,dog\n", r"Missing: \['filename'\].*'file'"),
        ("filename,labels\n", "no rows"),
        ("filename,labels\n1.wav\n", r"line 2: expected 2 cells.*\['1.wav'\]"),
        ("filename,labels\n1.wav,a\n2.wav,b,c\n", "line 3: expected 2 cells"),
        ('filename,labels\n1.wav,"dog\n2.wav,cat\n', "Close every quote"),
        ("filename,labels\n1.wav, ;\n", "line 2: every row needs a file"),
        ("filename,labels\n,dog\n", "line 2: every row needs a file name"),
        ("filename,labels\n1.wav,a\n1.wav,b\n", r"several times: \['1.wav'\]"),
        ("filename,labels,split\n1.wav,a,eval\n", "line 2: `split` must be"),
        ("filename,labels,fold\n1.wav,a,one\n", "line 2: `fold` must be an in"),
        (b"filename,labels\n1.wav,h\xe4user\n", "save it as UTF-8"),
    ],
)
def test_broken_labels_files_are_refused(tmp_path, content, message):
    with pytest.raises(ValueError, match=message):
        _csv_rows(tmp_path, content)


def test_a_missing_labels_file_is_refused(tmp_path):
    with pytest.raises(ValueError, match="no labels file .*none.csv"):
        sources.csv_rows(tmp_path, tmp_path / "none.csv")


def test_a_missing_audio_directory_is_refused(tmp_path):
    with pytest.raises(ValueError, match="--audio_dir must be an existing"):
        sources.folder_rows(tmp_path / "none")


_NAMES = strategies.text(
    strategies.characters(exclude_characters=";", exclude_categories=["Cs"]),
    min_size=1,
).map(str.strip)


@_PATIENT
@given(strategies.lists(_NAMES.filter(bool), unique=True))
def test_labels_that_were_joined_are_parsed(names):
    assert sources.parse_labels(";".join(names)) == tuple(names)


@_PATIENT
@given(strategies.text())
def test_parsed_labels_are_clean_whatever_the_cell(text):
    names = sources.parse_labels(text)
    assert len(set(names)) == len(names)
    assert all(name and name == name.strip() for name in names)
    assert not any(";" in name for name in names)


def test_folder_names_are_the_classes(tmp_path):
    for name in (
        "dog/b.wav",
        "dog/deep/a.FLAC",
        "cat/c.ogg",
        "cat/notes.txt",
        "cat/.hidden.wav",
        ".cache/d.wav",
        "loose.wav",
    ):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    rows = sources.folder_rows(tmp_path)
    assert [(row.clip_id, row.labels) for row in rows] == [
        ("cat/c.ogg", ("cat",)),
        ("dog/b.wav", ("dog",)),
        ("dog/deep/a.FLAC", ("dog",)),
    ]


def test_a_folder_without_classes_is_refused(tmp_path):
    (tmp_path / "loose.wav").touch()
    with pytest.raises(ValueError, match="use --source=csv with --labels_csv"):
        sources.folder_rows(tmp_path)


def test_esc_rows_have_fold_and_recording(tmp_path):
    rows, _ = sources.esc_rows(_esc(tmp_path, _ESC_TABLE))
    assert rows[1] == ClipRow(
        "1-7-B-1.ogg",
        str(tmp_path / "audio" / "1-7-B-1.ogg"),
        ("rain",),
        group="7",
        fold=1,
    )


def test_esc_classes_are_in_the_order_of_their_targets(tmp_path):
    _, class_names = sources.esc_rows(_esc(tmp_path, _ESC_TABLE))
    assert class_names == ("dog_bark", "rain")


def test_the_esc_table_is_told_by_its_columns(tmp_path):
    _esc(tmp_path, "filename,author\n1-7-A-1.ogg,me\n", "attribution.csv")
    rows, _ = sources.esc_rows(_esc(tmp_path, _ESC_TABLE, "zz.csv"))
    assert len(rows) == 3


def test_a_directory_without_an_esc_table_is_refused(tmp_path):
    _esc(tmp_path, "filename,author\n1-7-A-1.ogg,me\n", "attribution.csv")
    with pytest.raises(ValueError, match=r"in meta: \['attribution.csv'\]"):
        sources.esc_rows(tmp_path)


def test_a_target_with_two_names_is_refused(tmp_path):
    table = _ESC_TABLE + "3-9-A-1.ogg,3,1,snow,9,A\n"
    with pytest.raises(ValueError, match="target 1 has two names"):
        sources.esc_rows(_esc(tmp_path, table))
