import csv
import io
import json

import pytest

from ofa_aec_tf.deployment.prediction import event_formats
from ofa_aec_tf.deployment.prediction.events import Event
from ofa_aec_tf.deployment.prediction.file_prediction import FilePrediction
from ofa_aec_tf.deployment.prediction.file_prediction import WindowPrediction

_RAIN = Event("rain", 0.75, 1.0, 1.5)
_DOG = Event("big dog", 0.5, 0.0, 1.0)
_SOUND = FilePrediction("a, b.wav", 2, 0, [_RAIN, _DOG])
_SILENCE = FilePrediction("c.wav", 1, 1, [])
_WITH_WINDOWS = FilePrediction("d.wav", 2, 1, [_RAIN])
_WINDOWS = (
    WindowPrediction(0.0, 1.0, True, ()),
    WindowPrediction(1.0, 1.5, False, [_RAIN]),
)
_NAMES = ("rain", "big dog", "none of these")


def _write_file(writer, prediction, windows=()):
    writer.begin_file(prediction.path)
    for window in windows:
        writer.add_window(window)
    writer.end_file(prediction)


def test_a_table_has_a_title_and_a_line_for_each_event():
    stream = io.StringIO()
    writer = event_formats.TableWriter(stream, _NAMES, by_window=False)
    _write_file(writer, _SOUND)
    _write_file(writer, _SILENCE)
    writer.close()
    assert stream.getvalue() == (
        "a, b.wav (2 windows)\n"
        "  rain     0.750000  from    1.00 s\n"
        "  big dog  0.500000  from    0.00 s\n"
        "c.wav (1 window, 1 silent)\n"
        "  nothing\n"
    )


def test_a_table_by_window_has_the_times_of_each():
    stream = io.StringIO()
    writer = event_formats.TableWriter(stream, _NAMES, by_window=True)
    _write_file(writer, _WITH_WINDOWS, _WINDOWS)
    assert stream.getvalue() == (
        "d.wav\n"
        "     0.00 -     1.00 s  nothing\n"
        "     1.00 -     1.50 s  rain           0.750000\n"
    )


def test_csv_has_an_empty_class_where_nothing_was_heard():
    stream = io.StringIO()
    writer = event_formats.CsvWriter(stream, by_window=False)
    _write_file(writer, _SOUND)
    _write_file(writer, _SILENCE)
    assert stream.getvalue() == (
        "file,rank,class,score,start_seconds,end_seconds\n"
        '"a, b.wav",1,rain,0.75,1.0,1.5\n'
        '"a, b.wav",2,big dog,0.5,0.0,1.0\n'
        "c.wav,,,,,\n"
    )


def test_csv_by_window_has_a_row_as_soon_as_it_is_heard():
    stream = io.StringIO()
    writer = event_formats.CsvWriter(stream, by_window=True)
    writer.begin_file("d.wav")
    writer.add_window(_WINDOWS[0])
    assert stream.getvalue().endswith("d.wav,,,,0.0,1.0\n")
    writer.add_window(_WINDOWS[1])
    writer.end_file(_WITH_WINDOWS)
    (*_, row) = csv.DictReader(io.StringIO(stream.getvalue()))
    assert list(row.values()) == ["d.wav", "1", "rain", "0.75", "1.0", "1.5"]


_RAIN_JSON = {
    "class": "rain",
    "score": 0.75,
    "start_seconds": 1.0,
    "end_seconds": 1.5,
}
_SILENCE_JSON = {
    "file": "c.wav",
    "num_windows": 1,
    "num_silent_windows": 1,
    "nothing": True,
    "events": [],
}
_WINDOWS_JSON = [
    {
        "start_seconds": 0.0,
        "end_seconds": 1.0,
        "silent": True,
        "nothing": True,
        "events": [],
    },
    {
        "start_seconds": 1.0,
        "end_seconds": 1.5,
        "silent": False,
        "nothing": False,
        "events": [_RAIN_JSON],
    },
]
_WITH_WINDOWS_JSON = {
    "file": "d.wav",
    "num_windows": 2,
    "num_silent_windows": 1,
    "nothing": False,
    "events": [_RAIN_JSON],
    "windows": _WINDOWS_JSON,
}
_MISSING = ("é.wav", "missing", "there is no such file")
_MISSING_JSON = dict(zip(("file", "code", "reason"), _MISSING))


@pytest.mark.parametrize("rewinds", [True, False], ids=["file", "pipe"])
def test_json_says_where_nothing_was_heard(rewinds):
    stream = io.StringIO()
    writer = event_formats.JsonWriter(stream, {"model": "m"}, rewinds)
    _write_file(writer, _SILENCE)
    writer.begin_file("é.wav")
    writer.skip_file(*_MISSING)
    _write_file(writer, _WITH_WINDOWS, _WINDOWS)
    writer.close()
    assert json.loads(stream.getvalue()) == {
        "model": "m",
        "files": [_SILENCE_JSON, _WITH_WINDOWS_JSON],
        "errors": [_MISSING_JSON],
    }


def test_a_json_file_is_whole_after_each_recording():
    stream = io.StringIO()
    writer = event_formats.JsonWriter(stream, {"model": "m"}, rewinds=True)
    found = [json.loads(stream.getvalue())]
    _write_file(writer, _SILENCE)
    found.append(json.loads(stream.getvalue()))
    writer.begin_file("é.wav")
    writer.add_window(_WINDOWS[0])
    writer.skip_file(*_MISSING)
    found.append(json.loads(stream.getvalue()))
    _write_file(writer, _WITH_WINDOWS, _WINDOWS)
    found.append(json.loads(stream.getvalue()))
    assert [len(values["files"]) for values in found] == [0, 1, 1, 2]
    # What was heard of it before is not lost.
    skipped = {**_MISSING_JSON, "windows": _WINDOWS_JSON[:1]}
    assert [values["errors"] for values in found] == [
        [],
        [],
        [skipped],
        [skipped],
    ]


@pytest.mark.parametrize(
    ("output_format", "text"),
    [
        ("table", "12:00  rain     0.750000\n12:00  big dog  0.500000\n"),
        ("csv", "12:00,1,rain,0.75\n12:00,2,big dog,0.5\n"),
        (
            "json",
            '{"time": "12:00", "events": [{"class": "rain", "score": 0.75}, '
            '{"class": "big dog", "score": 0.5}]}\n',
        ),
    ],
)
def test_events_of_a_microphone_are_lines(output_format, text):
    found = event_formats.format_live(output_format, "12:00", [_RAIN, _DOG], 7)
    assert found == text
    assert event_formats.format_live(output_format, "12:00", [], 7) == ""


def test_only_csv_begins_with_a_header():
    assert event_formats.live_header("csv") == "time,rank,class,score\n"
    assert event_formats.live_header("json") == ""
