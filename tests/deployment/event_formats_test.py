import csv
import io
import json

import pytest

from ofa_aec_tf import audio
from ofa_aec_tf.deployment import event_formats
from ofa_aec_tf.deployment.events import Event
from ofa_aec_tf.deployment.prediction import FilePrediction
from ofa_aec_tf.deployment.prediction import WindowPrediction

_RAIN = Event("rain", 0.75, 1.0, 1.5)
_DOG = Event("big dog", 0.5, 0.0, 1.0)
_SOUND = FilePrediction("a, b.wav", 2, 0, [_RAIN, _DOG], None)
_SILENCE = FilePrediction("c.wav", 1, 1, [], None)
_BY_WINDOW = FilePrediction(
    "d.wav",
    2,
    1,
    [_RAIN],
    [
        WindowPrediction(0.0, 1.0, True, ()),
        WindowPrediction(1.0, 1.5, False, [_RAIN]),
    ],
)


def test_a_table_has_a_title_and_a_line_for_each_event():
    assert event_formats.format_table([_SOUND, _SILENCE]) == (
        "a, b.wav (2 windows)\n"
        "  rain     0.750000  from    1.00 s\n"
        "  big dog  0.500000  from    0.00 s\n"
        "c.wav (1 window, 1 silent)\n"
        "  nothing\n"
    )


def test_a_table_by_window_has_the_times_of_each():
    assert event_formats.format_table([_BY_WINDOW]) == (
        "d.wav (2 windows, 1 silent)\n"
        "     0.00 -     1.00 s  nothing\n"
        "     1.00 -     1.50 s  rain  0.750000\n"
    )


def test_csv_has_an_empty_class_where_nothing_was_heard():
    text = event_formats.format_csv([_SOUND, _SILENCE, _BY_WINDOW])
    assert text == (
        "file,rank,class,score,start_seconds,end_seconds\n"
        '"a, b.wav",1,rain,0.75,1.0,1.5\n'
        '"a, b.wav",2,big dog,0.5,0.0,1.0\n'
        "c.wav,,,,,\n"
        "d.wav,,,,0.0,1.0\n"
        "d.wav,1,rain,0.75,1.0,1.5\n"
    )
    assert len(list(csv.DictReader(io.StringIO(text)))) == 5


def test_json_says_where_nothing_was_heard():
    error = audio.AudioError("e.wav", "missing", "there is no such file")
    text = event_formats.format_json(
        [_SILENCE, _BY_WINDOW], [error], {"model": "m"}
    )
    rain = {
        "class": "rain",
        "score": 0.75,
        "start_seconds": 1.0,
        "end_seconds": 1.5,
    }
    assert json.loads(text) == {
        "model": "m",
        "files": [
            {
                "file": "c.wav",
                "num_windows": 1,
                "num_silent_windows": 1,
                "nothing": True,
                "events": [],
            },
            {
                "file": "d.wav",
                "num_windows": 2,
                "num_silent_windows": 1,
                "nothing": False,
                "events": [rain],
                "windows": [
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
                        "events": [rain],
                    },
                ],
            },
        ],
        "errors": [
            {
                "file": "e.wav",
                "code": "missing",
                "reason": "there is no such file",
            }
        ],
    }


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
