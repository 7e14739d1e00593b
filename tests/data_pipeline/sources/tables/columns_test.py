"""Tests of tables as people have them: columns, labels, names of files."""

import unicodedata

import pytest

from data_pipeline.clips.clip import ClipRow
from data_pipeline.clips.clip import SkippedRow
from data_pipeline.sources.csv_file import CsvSettings


def _source(tmp_path, content, *names, directory="audio", **options):
    """A source of a table, with empty files of some names."""
    root = tmp_path / directory
    root.mkdir(exist_ok=True)
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()
    table = tmp_path / "table.csv"
    table.write_text(content)
    return CsvSettings(audio_dir=root, labels_csv=table, **options).open()


def _clips(source):
    return {
        row.clip_id: row.labels
        for row in source.rows
        if isinstance(row, ClipRow)
    }


def _skipped(source):
    return [row for row in source.rows if isinstance(row, SkippedRow)]


@pytest.mark.parametrize(
    ("header", "unused"),
    [
        ("fname,label,manually_verified", ("manually_verified",)),
        ("FILE,Category,note", ("note",)),
        ("file_name,classname,x", ("x",)),
        ("path,species,site", ("site",)),
        ("filepath,scene_label,source_label", ("source_label",)),
        ("filename,primary_label,secondary_labels", ("secondary_labels",)),
        ("audio_filename,label,target", ("target",)),
        ("filename,class,classID", ("classID",)),
        ("filename,label,label_id", ("label_id",)),
        ("wav,tags,", ("column 3",)),
    ],
)
def test_usual_names_of_columns_are_known(tmp_path, header, unused):
    source = _source(tmp_path, f"{header}\n1.wav,dog,7\n2.wav,rain,3\n")
    assert _clips(source) == {"1.wav": ("dog",), "2.wav": ("rain",)}
    assert source.unused_columns == unused


@pytest.mark.parametrize(
    ("header", "label"),
    [
        ("filename,target,category", "dog"),
        ("filename,label,classname", "dog"),
        ("filename,target,classID", "0"),
        ("filename,target,length", "0"),
    ],
)
def test_numbers_are_classes_where_nothing_else_is(tmp_path, header, label):
    cell = label if label != "0" else "5"
    source = _source(tmp_path, f"{header}\n1.wav,0,{cell}\n")
    assert _clips(source) == {"1.wav": (label,)}


def test_scenes_of_dcase_are_read(tmp_path):
    source = _source(
        tmp_path,
        "filename\tscene_label\tidentifier\tsource_label\n"
        "audio/airport-lisbon-1000-40000-a.wav\tairport\tlisbon-1000\ta\n"
        "audio/bus-lyon-1001-40001-a.wav\tbus\tlyon-1001\ta\n"
        "audio/bus-lyon-1002-40002-a.wav\tbus\tlyon-1002\ta\n",
        "audio/airport-lisbon-1000-40000-a.wav",
        directory="TAU",
    )
    assert [(r.labels, r.group, r.split) for r in source.rows] == [
        (("airport",), "lisbon-1000", None),
        (("bus",), "lyon-1001", None),
        (("bus",), "lyon-1002", None),
    ]
    assert source.unused_columns == ("source_label",)
    assert not source.notes


def test_a_table_may_name_the_directory_that_is_given(tmp_path):
    source = _source(
        tmp_path, "filename\tscene_label\naudio/1.wav\tbus\n", "1.wav"
    )
    (row,) = source.rows
    assert row.path == str(tmp_path / "audio/1.wav")


@pytest.mark.parametrize("first", ["a.wav,dog", "dog,a.wav"])
def test_a_table_without_a_header_is_read_by_its_files(tmp_path, first):
    second = first.replace("a.wav", "b.wav").replace("dog", "rain")
    source = _source(tmp_path, f"{first}\n{second}\n", "a.wav", "b.wav")
    assert _clips(source) == {"a.wav": ("dog",), "b.wav": ("rain",)}
    assert source.unused_columns == ()


def test_columns_without_a_header_have_numbers(tmp_path):
    names = {
        "filename_column": "1",
        "labels_column": ("2",),
        "group_column": "3",
    }
    source = _source(
        tmp_path, "a.wav\tdog\tx\nb.wav\train\ty\n", "a.wav", **names
    )
    assert [(r.clip_id, r.group) for r in source.rows] == [
        ("a.wav", "x"),
        ("b.wav", "y"),
    ]


def test_the_column_of_files_is_known_by_what_lies_there(tmp_path):
    source = _source(
        tmp_path, "site,sound,label\nx,1.wav,dog\ny,2.wav,cat\n", "2.wav"
    )
    assert _clips(source) == {"1.wav": ("dog",), "2.wav": ("cat",)}
    # Of two that may be, the one whose files are there.
    source = _source(
        tmp_path, "filename,path,label\nx,1.wav,dog\ny,2.wav,cat\n", "2.wav"
    )
    assert _clips(source) == {"1.wav": ("dog",), "2.wav": ("cat",)}


def test_a_column_that_is_called_so_but_has_no_files_is_not_theirs(tmp_path):
    source = _source(tmp_path, "id,clip,label\n1.wav,x,dog\n", "a/1.wav")
    assert _clips(source) == {"1.wav": ("dog",)}
    # Where nothing is there, the name decides.
    source = _source(tmp_path, "id,clip,label\n2.wav,x,dog\n")
    assert _clips(source) == {"x": ("dog",)}


def test_a_directory_is_not_the_file_that_is_meant(tmp_path):
    (row,) = _source(tmp_path, "file,label\n7,dog\n", "7/a.txt", "7.wav").rows
    assert row.path == str(tmp_path / "audio" / "7.wav")


def test_columns_are_named_by_the_user(tmp_path):
    names = {
        "filename_column": "b",
        "labels_column": ("primary_label", "others"),
        "split_column": "s",
        "group_column": "",
        "start_column": "t0",
        "end_column": "t1",
    }
    source = _source(
        tmp_path,
        "b,filename,primary_label,others,s,group,t0,t1\n"
        "1.wav,x,dog,\"['cat', 'owl']\",val,g,1,2.5\n"
        "2.wav,x,dog,[],train,g,,\n",
        **names,
    )
    first, second = source.rows
    assert (first.labels, second.labels) == (("dog", "cat", "owl"), ("dog",))
    assert (first.split, first.clip_id) == ("validation", "1.wav@1-2.5")
    assert (first.start_seconds, first.end_seconds) == (1, 2.5)
    # No group but the file, of which there may be several clips.
    assert (first.group, second.group) == ("1.wav", "2.wav")
    assert source.unused_columns == ("filename", "group")


@pytest.mark.parametrize("name", ["labels", "0", "4", ""])
def test_a_column_that_is_not_there_is_refused(tmp_path, name):
    with pytest.raises(ValueError, match="no column for --labels_column="):
        _source(
            tmp_path,
            "file,b,c\n1.wav,dog,7\n",
            labels_column=(name,),
        )


def test_columns_of_0_and_1_are_classes_in_their_order(tmp_path):
    source = _source(
        tmp_path,
        "file,Rain,site,dog,owl\n"
        "1.wav,1,a,no,\n2.wav,0.0,b,1.0,nan\n3.wav,Yes,c,TRUE,0\n4.wav,,d,0,0\n",
    )
    assert _clips(source) == {
        "1.wav": ("Rain",),
        "2.wav": ("dog",),
        "3.wav": ("Rain", "dog"),
        "4.wav": (),
    }
    assert source.class_names == ("Rain", "dog", "owl")
    assert source.unused_columns == ("site",)


def test_a_single_column_of_0_and_1_is_a_class(tmp_path):
    source = _source(
        tmp_path,
        "itemid,datasetid,hasbird\n64486,ff,1\n2525.5,ff,0\nabc,ff,1\n",
        "wav/64486.wav",
        "wav/64486.json",
        "wav/2525.5.wav",
        "wav/a/abc.wav",
        "wav/b/abc.wav",
    )
    assert _clips(source) == {"64486": ("hasbird",), "2525.5": ()}
    assert source.class_names == ("hasbird",)
    assert source.unused_columns == ("datasetid",)
    assert source.notes == {"found_elsewhere": 2}
    (row,) = _skipped(source)
    assert (row.clip_id, row.code) == ("abc", "ambiguous_file")
    assert "'wav/a/abc.wav' and 'wav/b/abc.wav'" in row.reason
    assert row.labels == ("hasbird",)
    named = _source(
        tmp_path,
        "itemid,datasetid,hasbird\n64486,ff,1\n",
        labels_column=("hasbird",),
    )
    assert _clips(named) == {"64486": ("hasbird",)}


def test_one_recording_in_several_formats_is_no_doubt(tmp_path):
    source = _source(tmp_path, "file,label\n1,dog\n", "1.mp3", "1.wav", "1.txt")
    (row,) = source.rows
    assert row.path.endswith("/1.wav")


@pytest.mark.parametrize("form", ["NFC", "NFD"])
@pytest.mark.parametrize("other", ["NFC", "NFD"])
def test_both_unicode_forms_of_a_name_are_one_file(tmp_path, form, other):
    name = unicodedata.normalize(form, "Vögel/Grünspecht_0.wav")
    on_disk = unicodedata.normalize(other, name)
    source = _source(tmp_path, f"file,label\n{name},a\n{on_disk},a\n", on_disk)
    (row,) = source.rows
    assert row.path == str(tmp_path / "audio" / on_disk)


def test_separators_and_case_of_windows_are_understood(tmp_path):
    source = _source(
        tmp_path,
        "file,label\na\\b\\1.wav,dog\nA/B/2.WAV,cat\na\\3.wav,owl\n",
        "a/b/1.wav",
        "a/b/2.wav",
        "a\\3.wav",
    )
    assert [row.path.split("/audio/")[1] for row in source.rows] == [
        "a/b/1.wav",
        "a/b/2.wav",
        "a\\3.wav",
    ]
    for name in ("..\\..\\x.wav", "C:\\sounds\\3.wav"):
        (row,) = _source(tmp_path, f"file,label\n{name},dog\n").rows
        assert row.code == "path_escape"


def test_absolute_paths_into_the_directory_are_taken(tmp_path):
    name = tmp_path / "audio" / "1.wav"
    source = _source(tmp_path, f"file,label\n{name},a\n/x/1.wav,a\n", "1.wav")
    first, second = source.rows
    assert first.path == str(name)
    assert second.code == "path_escape"


def test_rows_of_one_clip_are_united(tmp_path):
    content = (
        "file,label,start,end\n"
        "1.wav,dog,,\n1.wav,cat,0,\n./1.wav,dog,,\n1.wav,dog,0,2\n1.wav,,0,3\n"
        "1.wav,owl,0.0,2.00\n2.wav,nan,,\n../3.wav,a,,\n../3.wav,b,,\n\n,,,\n"
    )
    source = _source(tmp_path, content)
    assert _clips(source) == {
        "1.wav": ("dog", "cat"),
        "1.wav@0-2": ("dog", "owl"),
        "1.wav@0-3": (),
        "2.wav": (),
    }
    assert source.notes == {
        "united_labels": 2,
        "repeated_row": 2,
        "blank_row": 1,
    }
    with pytest.raises(ValueError, match="line 3: .*'cat'.*before .'dog'"):
        _source(tmp_path, content, label_type="single_label")


def test_a_single_label_cannot_be_none(tmp_path):
    with pytest.raises(ValueError, match="line 3: .*single_label.* for 2.wav"):
        _source(
            tmp_path,
            "file,label\n1.wav,dog\n2.wav,nan\n",
            label_type="single_label",
        )


@pytest.mark.parametrize(
    ("header", "first"),
    [
        ("file,label,start_seconds,end_seconds", (0.2, 0.4)),
        ("file,label,onset,offset", (0.2, 0.4)),
        ("file,label,Start Time (s),End Time (s)", (0.2, 0.4)),
        ("file,label,Start,END", (0.2, 0.4)),
        ("filename,label,Start Time,Duration", (0.2, 0.6)),
        ("slice_file_name,class,start,end", (0.0, None)),
        ("file,label,offset,end", (0.0, None)),
    ],
)
def test_starts_and_ends_are_honoured(tmp_path, header, first):
    source = _source(tmp_path, f'{header}\n1.wav,dog,0.2,0.4\n2.wav,a,"1,5",2')
    row = next(iter(source.rows))
    assert (row.start_seconds, row.end_seconds) == first
    assert bool(source.unused_columns) == (first[1] is None)


@pytest.mark.parametrize("end", ["0.2", "0", "-1", "soon"])
def test_an_end_before_the_start_skips_its_row(tmp_path, end):
    row, other = _source(
        tmp_path,
        f"file,label,start_seconds,end_seconds\n1.wav,a,.2,{end}\n2.wav,b,0,1",
    ).rows
    assert (row.code, row.labels) == ("bad_segment", ("a",))
    assert "line 2: " in row.reason
    assert other.end_seconds == 1


def test_columns_of_another_meaning_are_left_out_and_named(tmp_path):
    source = _source(
        tmp_path,
        "file,label,subset,start,Fold\n"
        "1.wav,a,small,2019-01-01,1.0\n2.wav,a,large,2019-01-02,fold2\n",
    )
    assert [(r.split, r.start_seconds, r.fold) for r in source.rows] == [
        (None, 0, 1),
        (None, 0, 2),
    ]
    assert source.unused_columns == ("subset", "start")
    subset, start = source.remarks
    assert "'subset' is not used as split" in subset and "'small'" in subset
    assert "'start' is not used as start" in start


def test_groups_that_cannot_be_divided_are_left_out(tmp_path):
    content = "file,label,speaker\n" + "".join(
        f"{i}.wav,a,{'xy'[i % 2]}\n" for i in range(6)
    )
    source = _source(tmp_path, content)
    assert {row.group for row in source.rows} == {None}
    assert source.unused_columns == ("speaker",)
    assert "'speaker' is not used as group: it has 2" in source.remarks[0]
    for more, options in (
        ("6.wav,a,z\n", {}),
        ("", {"group_column": "speaker"}),
    ):
        source = _source(tmp_path, content + more, **options)
        assert {row.group for row in source.rows} >= {"x", "y"}
        assert not source.unused_columns


def test_labels_are_cleaned(tmp_path):
    source = _source(
        tmp_path,
        "file,label\n1,do\u0308g\n2,d\u00f6g\n3,wild\u00a0 cat\n"
        "4,wild\u200b cat\ufeff\n5,rain; \u200b ;Rain\n",
    )
    assert list(_clips(source).values()) == [
        ("d\u00f6g",),
        ("d\u00f6g",),
        ("wild cat",),
        ("wild cat",),
        ("rain", "Rain"),
    ]


@pytest.mark.parametrize("separator", [",", "|", " / "])
def test_labels_are_taken_apart_as_the_user_says(tmp_path, separator):
    source = _source(
        tmp_path,
        f'file,label\n1,"dog{separator}wind"\n2,a;b\n',
        label_separator=separator,
    )
    assert list(_clips(source).values()) == [("dog", "wind"), ("a;b",)]


@pytest.mark.parametrize("delimiter", [":", "tab", "\\t", ";"])
def test_a_delimiter_can_be_named(tmp_path, delimiter):
    character = {"tab": "\t", "\\t": "\t"}.get(delimiter, delimiter)
    source = _source(
        tmp_path,
        "filename,labels\n1.wav,dog\n".replace(",", character),
        delimiter=delimiter,
    )
    assert _clips(source) == {"1.wav": ("dog",)}


@pytest.mark.parametrize("delimiter", ["ab", '"', "\n"])
def test_other_delimiters_are_refused(tmp_path, delimiter):
    with pytest.raises(ValueError, match="--delimiter is one of comma"):
        _source(tmp_path, "filename,labels\n1,a\n", delimiter=delimiter)


@pytest.mark.parametrize(
    ("content", "notes"),
    [
        ("# by hand, in May\nfname,label\n1.wav,dog\n2.wav,rain\n", {}),
        (
            '# says "dog"\n\n#\nfname,label\n1.wav,dog\n2.wav,rain\n# end\n',
            {"comment_row": 1},
        ),
        ("fname,label\n1.wav,dog,,\n2.wav,rain,\n", {}),
        ("fname;label\n1.wav;dog\n2.wav;rain\nnan;NaN\n", {"blank_row": 1}),
        (
            "fname,label\n1.wav,dog\nfname,label\n2.wav,rain\n",
            {"repeated_header": 1},
        ),
    ],
)
def test_what_stands_between_the_rows_is_left_out(tmp_path, content, notes):
    source = _source(tmp_path, content, "1.wav", "2.wav")
    assert _clips(source) == {"1.wav": ("dog",), "2.wav": ("rain",)}
    assert source.notes == notes


def test_a_hash_is_also_the_beginning_of_a_name(tmp_path):
    source = _source(tmp_path, "#filename,label\n#1.wav,dog\n", "#1.wav")
    assert _clips(source) == {"#1.wav": ("dog",)}


def test_a_row_of_other_width_is_refused_with_the_header(tmp_path):
    content = "My labels\nfname,label\n1.wav,dog\n"
    with pytest.raises(ValueError, match=r"line 2: .*line 1: \['My labels'\]"):
        _source(tmp_path, content, "1.wav")


@pytest.mark.parametrize(
    ("yes", "no"),
    [
        ("1.00", "0.00"),
        ("1,", "0,0"),
        ("Y", "N"),
        ("t", "F"),
        ("x", ""),
        ("1.0", "NaN"),
    ],
)
def test_marks_of_classes(tmp_path, yes, no):
    source = _source(
        tmp_path, f"file;dog;rain\n1.wav;{yes};{no}\n2.wav;{no};{yes}\n"
    )
    assert _clips(source) == {"1.wav": ("dog",), "2.wav": ("rain",)}


@pytest.mark.parametrize("cell", ["NA", "N/A", "#N/A", "null", "NULL", "NaN"])
def test_words_of_programs_for_nothing_are_no_class(tmp_path, cell):
    source = _source(tmp_path, f"file,label\n1.wav,{cell}\n2.wav,none\n")
    assert _clips(source) == {"1.wav": (), "2.wav": ("none",)}


@pytest.mark.parametrize(
    "cell", ["{'rain', 'dog'}", "('dog', 'rain')", "['dog', 'rain']"]
)
def test_labels_as_python_writes_several(tmp_path, cell):
    source = _source(tmp_path, f'file,label\n1.wav,"{cell}"\n2.wav,(dog)\n')
    assert _clips(source) == {"1.wav": ("dog", "rain"), "2.wav": ("(dog)",)}


def test_files_that_were_converted_are_found(tmp_path):
    content = "file,label\n1.mp3,dog\nsite_1.5,rain\n"
    source = _source(tmp_path, content, "1.flac", "site_1.wav")
    assert [row.path.rsplit("/")[-1] for row in source.rows] == [
        "1.flac",
        # Another file than `site_1`.
        "site_1.5",
    ]
    assert source.notes == {"found_elsewhere": 1}


def test_audio_files_in_no_row_are_told(tmp_path):
    names = ("1.wav", "2.wav", "a/3.wav", ".4.wav", "notes.txt")
    source = _source(tmp_path, "file,label\n1.wav,dog\n2.mp3,dog\n", *names)
    (remark,) = source.remarks
    assert "in no row" in remark and remark.endswith("1, such as a/3.wav")


@pytest.mark.parametrize(
    "content",
    [
        "Audiofilename,Starttime,Endtime,Q\n1.wav,0,1,POS\n1.wav,1,2,UNK\n",
        "Audiofilename,Starttime,Endtime,Q,R\n1.wav,0,1,NEG,POS\n",
    ],
)
def test_tables_of_the_few_shot_task_are_of_another_source(tmp_path, content):
    with pytest.raises(ValueError, match="'Q' .*--source=annotations"):
        _source(tmp_path, content, "1.wav")


def test_a_file_in_two_splits_is_refused_with_both(tmp_path):
    content = "file,label,split\n1.wav,dog,train\n1.wav,dog,test\n"
    with pytest.raises(ValueError, match="the split test, and before train"):
        _source(tmp_path, content, "1.wav")
