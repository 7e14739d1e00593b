"""Writes predicted events as a table, as JSON or as CSV."""

import csv
import io
import json
import textwrap
from collections.abc import Mapping
from collections.abc import Sequence
from typing import TextIO

from ofa_aec_tf.deployment.prediction.events import Event
from ofa_aec_tf.deployment.prediction.file_prediction import FilePrediction
from ofa_aec_tf.deployment.prediction.file_prediction import WindowPrediction

TABLE, JSON, CSV = "table", "json", "csv"
FORMATS = (TABLE, JSON, CSV)

NOTHING = "nothing"

_CSV_COLUMNS = (
    "file",
    "rank",
    "class",
    "score",
    "start_seconds",
    "end_seconds",
)
_LIVE_CSV_COLUMNS = ("time", "rank", "class", "score")


def event_line(event: Event, name_width: int) -> str:
    """Name and score of an event, for a table."""
    return f"{event.name:<{name_width}}  {event.score:8.6f}"


def _csv_text(rows):
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue()


class EventWriter:
    """Writes the events of files, one file after the other.

    What is written is flushed at once.

    Args:
        stream: text file.
    """

    def __init__(self, stream: TextIO):
        self._stream = stream

    def begin_file(self, path: str) -> None:
        """Begins the events of a file."""

    def add_window(self, window: WindowPrediction) -> None:
        """Takes the events of a window of the current file."""

    def end_file(self, prediction: FilePrediction) -> None:
        """Ends the current file with its events."""

    def skip_file(self, path: str, code: str, reason: str) -> None:
        """Ends a file that could not be read or scored to its end."""

    def close(self) -> None:
        """Ends the output."""

    def _write(self, text):
        self._stream.write(text)
        self._stream.flush()


class TableWriter(EventWriter):
    """Lines for people: each file, and the events in it.

    Args:
        stream: text file.
        class_names: sequence of str. All classes.
        by_window: bool. Whether to write events by `add_window`, or else by
            `end_file`.
    """

    def __init__(
        self, stream: TextIO, class_names: Sequence[str], by_window: bool
    ):
        super().__init__(stream)
        self._width = max(map(len, class_names))
        self._by_window = by_window

    def begin_file(self, path):
        if self._by_window:
            self._write(f"{path}\n")

    def add_window(self, window):
        times = f"{window.start_seconds:9.2f} -{window.end_seconds:9.2f} s"
        lines = [event_line(event, self._width) for event in window.events]
        self._write(
            "".join(f"{times}  {line}\n" for line in lines or [NOTHING])
        )

    def end_file(self, prediction):
        if self._by_window:
            return
        plural = "" if prediction.num_windows == 1 else "s"
        silent = ""
        if prediction.num_silent_windows:
            silent = f", {prediction.num_silent_windows} silent"
        width = max((len(e.name) for e in prediction.events), default=0)
        lines = [
            f"{event_line(event, width)}  from {event.start_seconds:7.2f} s"
            for event in prediction.events
        ]
        num_windows = f"{prediction.num_windows} window{plural}"
        title = f"{prediction.path} ({num_windows}{silent})\n"
        self._write(title + "".join(f"  {n}\n" for n in lines or [NOTHING]))


class CsvWriter(EventWriter):
    """A row for each event, or one with an empty class if there is none.

    Args:
        stream: text file.
        by_window: bool. As for TableWriter.
    """

    def __init__(self, stream: TextIO, by_window: bool):
        super().__init__(stream)
        self._by_window = by_window
        self._path = None
        self._write(_csv_text([_CSV_COLUMNS]))

    def begin_file(self, path):
        self._path = path

    def add_window(self, window):
        self._write_events(
            window.events, (window.start_seconds, window.end_seconds)
        )

    def end_file(self, prediction):
        if not self._by_window:
            self._write_events(prediction.events, ("", ""))

    def _write_events(self, events, times_of_nothing):
        rows = [
            (
                self._path,
                rank,
                event.name,
                event.score,
                event.start_seconds,
                event.end_seconds,
            )
            for rank, event in enumerate(events, start=1)
        ]
        nothing = (self._path, "", "", "", *times_of_nothing)
        self._write(_csv_text(rows or [nothing]))


class JsonWriter(EventWriter):
    """One JSON object for all files.

    If the stream can be rewound, it holds a complete object after each file;
    otherwise only at the end.

    Args:
        stream: text file.
        head: dict of JSON types that the object begins with; not empty.
        rewinds: bool. Whether to rewind the stream.
    """

    def __init__(self, stream: TextIO, head: Mapping, rewinds: bool):
        super().__init__(stream)
        self._rewinds = rewinds
        self._position = 0
        self._windows = []
        self._num_files = 0
        self._errors = []
        # Without the brace at its end.
        text = json.dumps(dict(head), indent=2)[:-2]
        self._append(f'{text},\n  "files": [')

    def begin_file(self, path):
        self._windows = []

    def add_window(self, window):
        self._windows.append(
            {
                "start_seconds": window.start_seconds,
                "end_seconds": window.end_seconds,
                "silent": window.is_silent,
                **_json_events(window),
            }
        )

    def end_file(self, prediction):
        values = {
            "file": prediction.path,
            "num_windows": prediction.num_windows,
            "num_silent_windows": prediction.num_silent_windows,
            **_json_events(prediction),
        }
        if self._windows:
            values["windows"] = self._windows
        comma = "," if self._num_files else ""
        self._num_files += 1
        self._append(f"{comma}\n{_indented(values, 4)}")

    def skip_file(self, path, code, reason):
        error = {"file": path, "code": code, "reason": reason}
        if self._windows:
            # Those before the fault.
            error["windows"] = self._windows
        self._errors.append(error)
        self._append("")

    def close(self):
        if not self._rewinds:
            self._write(self._tail())

    def _tail(self):
        end_of_files = "\n  ]" if self._num_files else "]"
        errors = _indented(self._errors, 2).lstrip()
        return f'{end_of_files},\n  "errors": {errors}\n}}\n'

    def _append(self, text):
        if not self._rewinds:
            self._write(text)
            return
        # The tail completes the object. The next text and its tail, which are
        # longer, overwrite it. All of it is ASCII.
        self._write(text + self._tail())
        self._position += len(text)
        self._stream.seek(self._position)


def make_writer(
    output_format: str,
    stream: TextIO,
    class_names: Sequence[str],
    head: Mapping,
    by_window: bool,
    rewinds: bool,
) -> EventWriter:
    """The writer of a format.

    Args:
        output_format: one of `FORMATS`.
        stream, class_names, head, by_window, rewinds: as for the writers.
    """
    if output_format == JSON:
        return JsonWriter(stream, head, rewinds)
    if output_format == CSV:
        return CsvWriter(stream, by_window)
    return TableWriter(stream, class_names, by_window)


def _indented(value, num_blanks):
    return textwrap.indent(json.dumps(value, indent=2), " " * num_blanks)


def _json_events(part):
    return {
        "nothing": not part.events,
        "events": [
            {
                "class": event.name,
                "score": event.score,
                "start_seconds": event.start_seconds,
                "end_seconds": event.end_seconds,
            }
            for event in part.events
        ],
    }


def live_header(output_format: str) -> str:
    """What precedes the events of a microphone."""
    return _csv_text([_LIVE_CSV_COLUMNS]) if output_format == CSV else ""


def format_live(
    output_format: str, time: str, events: Sequence[Event], name_width: int
) -> str:
    """The events of one window of a microphone.

    Args:
        output_format: one of `FORMATS`.
        time: str. When the window started.
        events: sequence of Event.
        name_width: int. Width of the names in a table.

    Returns:
        str: a line for each event, or in JSON a line for the window; empty if
        there is no event.
    """
    if not events:
        return ""
    if output_format == CSV:
        return _csv_text(
            (time, rank, event.name, event.score)
            for rank, event in enumerate(events, start=1)
        )
    if output_format == JSON:
        values = [{"class": e.name, "score": e.score} for e in events]
        return json.dumps({"time": time, "events": values}) + "\n"
    return "".join(
        f"{time}  {event_line(event, name_width)}\n" for event in events
    )
