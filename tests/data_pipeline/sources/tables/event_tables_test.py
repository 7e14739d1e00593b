"""Tests of reading annotation files, in the forms that programs write."""

import pytest

from data_pipeline.clips.clip import SkippedRow
from data_pipeline.sources.tables import event_tables

_RAVEN = (
    "Selection\tView\tChannel\tBegin Time (s)\tEnd Time (s)\tLow Freq (Hz)\t"
    "High Freq (Hz)\tSpecies\n"
    '1\tSpectrogram 1\t1\t0.5\t1.25\t100.0\t900.0\tAmerican "Robin"\n'
    "2\tSpectrogram 1\t1\t3\t4\t100.0\t900.0\tWren\n"
)
_DCASE = (
    "Audiofilename,Starttime,Endtime,AMRE,BBWA\n"
    "a.wav,1.0,2.0,POS,NEG\n"
    "a.wav,3.0,4.0,UNK,POS\n"
    "a.wav,5.0,6.0,NEG,UNK\n"
    "a.wav,7.0,8.0,NEG,NEG\n"
)


def _read(tmp_path, content, label_column=None):
    path = tmp_path / "a.txt"
    path.write_bytes(
        content if isinstance(content, bytes) else content.encode()
    )
    return event_tables.read_events(path, label_column)


def _seen(events):
    return [
        (event.start_seconds, event.end_seconds, event.labels)
        for event in events
    ]


@pytest.mark.parametrize(
    "content",
    [
        _RAVEN,
        _RAVEN.replace("\n", "\r\n"),
        b"\xef\xbb\xbf" + _RAVEN.encode(),
        _RAVEN.encode("utf-16"),
        _RAVEN.replace("0.5", "0,5").replace("1.25", "1,25"),
        _RAVEN.lower().replace('american "robin"', 'American "Robin"')
        .replace("wren", "Wren"),
    ],
    ids=["plain", "CRLF", "BOM", "UTF-16", "decimal comma", "lower case"],
)  # fmt: skip
def test_selection_tables_are_read(tmp_path, content):
    assert _seen(_read(tmp_path, content)) == [
        (0.5, 1.25, ('American "Robin"',)),
        (3.0, 4.0, ("Wren",)),
    ]


@pytest.mark.parametrize(
    "column",
    ["Annotation", "Label", "Common Name", "species_code", "event_labels"],
)
def test_usual_columns_have_the_labels(tmp_path, column):
    events = _read(tmp_path, _RAVEN.replace("Species", column))
    assert events[1].labels == ("Wren",)


def test_another_column_is_named(tmp_path):
    content = _RAVEN.replace("Species", "Ruf")
    with pytest.raises(ValueError, match="no column.*'Ruf'.*--annotation_lab"):
        _read(tmp_path, content)
    assert _read(tmp_path, content, "ruf")[1].labels == ("Wren",)
    with pytest.raises(ValueError, match="no column of labels Art"):
        _read(tmp_path, content, "Art")


def test_times_in_one_table_of_many_files_are_those_of_the_file(tmp_path):
    content = (
        "Selection\tBegin Time (s)\tEnd Time (s)\tBegin File\t"
        "File Offset (s)\tAnnotation\n"
        "1\t10\t12\ta.wav\t10\towl\n"
        "2\t70.5\t71\tb.wav\t10.5\towl\n"
    )
    events = _read(tmp_path, content)
    assert [event.filename for event in events] == ["a.wav", "b.wav"]
    assert _seen(events) == [(10, 12, ("owl",)), (10.5, 11, ("owl",))]


def test_labels_of_audacity_are_read(tmp_path):
    content = (
        "0.500000\t1.250000\tdog, barking\n"
        "\\\t100.000000\t900.000000\n"
        "2.000000\t2.000000\tclick\n"
        "3.000000\t4.000000\n"
    )
    events = _read(tmp_path, content)
    assert _seen(events) == [
        (0.5, 1.25, ("dog, barking",)),
        (2, 2, ("click",)),
        (3, 4, ()),
    ]
    # What has no name may be anything.
    assert [event.uncertain for event in events] == [False, False, True]


@pytest.mark.parametrize("separator", ["\t", " ", "  ", ","])
def test_lines_of_begin_end_and_label_are_read(tmp_path, separator):
    content = separator.join(["0.1", "2.25", "car_horn"]) + "\n"
    assert _seen(_read(tmp_path, content)) == [(0.1, 2.25, ("car_horn",))]


def test_states_of_classes_are_read(tmp_path):
    events = _read(tmp_path, _DCASE)
    assert _seen(events) == [(1, 2, ("AMRE",)), (3, 4, ("BBWA",)), (5, 6, ())]
    assert [event.uncertain for event in events] == [False, True, True]
    assert {event.filename for event in events} == {"a.wav"}


def test_tables_of_events_may_name_recordings_without_any(tmp_path):
    content = "filename\tonset\toffset\tevent_label\na.wav\t1\t2\tdog\nb.wav\n"
    first, second = _read(tmp_path, content)
    assert (first.filename, first.labels) == ("a.wav", ("dog",))
    assert (second.filename, second.labels) == ("b.wav", ())
    assert not second.uncertain


@pytest.mark.parametrize(
    ("begin", "end"), [("-1", "2"), ("3", "2"), ("", "2"), ("nan", "2")]
)
def test_times_that_cannot_be_skip_their_row_alone(tmp_path, begin, end):
    skipped, event = _read(
        tmp_path,
        "Begin Time (s)\tEnd Time (s)\tSpecies\n"
        f"{begin}\t{end}\towl\n1\t2\towl\n",
    )
    assert isinstance(skipped, SkippedRow)
    assert (skipped.code, skipped.filename) == ("bad_segment", "a.txt")
    assert "a.txt, line 2: an event needs 0 <= begin" in skipped.reason
    assert event.labels == ("owl",)


@pytest.mark.parametrize(
    "content",
    ["Recorded by hand.\n", "filename,labels\na.wav,dog\n", b"\x00\x01\xff"],
)
def test_other_texts_are_no_annotations(tmp_path, content):
    assert _read(tmp_path, content) is None


def test_a_file_without_lines_has_no_events(tmp_path):
    assert _read(tmp_path, "\n") == []
    assert _read(tmp_path, _RAVEN.split("\n")[0] + "\n") == []
