"""Predicted events as a table, as JSON or as CSV, written as they come."""

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
    """Name and score of an event, for people."""
    return f"{event.name:<{name_width}}  {event.score:8.6f}"


def _csv_text(rows):
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue()


class TableWriter:
    """Lines for people: a title for each file and what was heard in it.

    What is written is flushed at once, in this class and the others.

    Args:
        stream: text file.
        class_names: sequence of str. All that may be heard.
        by_window: bool. Whether `add_window` gives the events, and not
            `end_file`.
    """

    def __init__(
        self, stream: TextIO, class_names: Sequence[str], by_window: bool
    ):
        self._stream = stream
        self._width = max(map(len, class_names))
        self._by_window = by_window

    def begin_file(self, path: str) -> None:
        """Begins the events of a file."""
        if self._by_window:
            self._write([path])

    def add_window(self, window: WindowPrediction) -> None:
        """Writes the events of a window of the file that was begun."""
        times = f"{window.start_seconds:9.2f} -{window.end_seconds:9.2f} s"
        self._write(
            [f"{times}  {event_line(e, self._width)}" for e in window.events]
            or [f"{times}  {NOTHING}"]
        )

    def end_file(self, prediction: FilePrediction) -> None:
        """Writes the events of the file that was begun."""
        if self._by_window:
            return
        plural = "" if prediction.num_windows == 1 else "s"
        silent = ""
        if prediction.num_silent_windows:
            silent = f", {prediction.num_silent_windows} silent"
        width = max((len(e.name) for e in prediction.events), default=0)
        lines = [
            f"  {event_line(event, width)}  from {event.start_seconds:7.2f} s"
            for event in prediction.events
        ]
        num_windows = f"{prediction.num_windows} window{plural}"
        title = f"{prediction.path} ({num_windows}{silent})"
        self._write([title, *(lines or [f"  {NOTHING}"])])

    def skip_file(self, path: str, code: str, reason: str) -> None:
        """Ends a file that could not be read or scored to its end."""

    def close(self) -> None:
        """Ends what is written."""

    def _write(self, lines):
        self._stream.write("".join(f"{line}\n" for line in lines))
        self._stream.flush()


class CsvWriter:
    """A row for each event; with an empty class where there is none.

    Args:
        stream: text file.
        by_window: bool. As for TableWriter.
    """

    def __init__(self, stream: TextIO, by_window: bool):
        self._stream = stream
        self._by_window = by_window
        self._path = None
        self._write([_CSV_COLUMNS])

    def begin_file(self, path: str) -> None:
        """As TableWriter's."""
        self._path = path

    def add_window(self, window: WindowPrediction) -> None:
        """As TableWriter's."""
        self._write_events(
            window.events, (window.start_seconds, window.end_seconds)
        )

    def end_file(self, prediction: FilePrediction) -> None:
        """As TableWriter's."""
        if not self._by_window:
            self._write_events(prediction.events, ("", ""))

    def skip_file(self, path: str, code: str, reason: str) -> None:
        """As TableWriter's."""

    def close(self) -> None:
        """As TableWriter's."""

    def _write_events(self, events, times_of_nothing):
        self._write(
            [
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
            or [(self._path, "", "", "", *times_of_nothing)]
        )

    def _write(self, rows):
        self._stream.write(_csv_text(rows))
        self._stream.flush()


class JsonWriter:
    """One JSON object for all files.

    A file of which the writing can go back is a whole object after each
    recording; a pipe only in the end.

    Args:
        stream: text file.
        settings: dict of JSON types that the object begins with; not empty.
        rewinds: bool. Whether the stream is a file of which the writing can
            go back.
    """

    def __init__(self, stream: TextIO, settings: Mapping, rewinds: bool):
        self._stream = stream
        self._rewinds = rewinds
        self._position = 0
        self._windows = []
        self._num_files = 0
        self._errors = []
        # Without the brace at its end.
        head = json.dumps(dict(settings), indent=2)[:-2]
        self._write(f'{head},\n  "files": [')

    def begin_file(self, path: str) -> None:
        """As TableWriter's."""
        self._windows = []

    def add_window(self, window: WindowPrediction) -> None:
        """As TableWriter's; written with the file."""
        self._windows.append(
            {
                "start_seconds": window.start_seconds,
                "end_seconds": window.end_seconds,
                "silent": window.is_silent,
                **_json_events(window),
            }
        )

    def end_file(self, prediction: FilePrediction) -> None:
        """As TableWriter's."""
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
        self._write(f"{comma}\n{_indented(values, 4)}")

    def skip_file(self, path: str, code: str, reason: str) -> None:
        """As TableWriter's; with the windows that were heard before."""
        error = {"file": path, "code": code, "reason": reason}
        if self._windows:
            error["windows"] = self._windows
        self._errors.append(error)
        self._write("")

    def close(self) -> None:
        """As TableWriter's."""
        if not self._rewinds:
            self._stream.write(self._tail())
            self._stream.flush()

    def _tail(self):
        end_of_files = "\n  ]" if self._num_files else "]"
        errors = _indented(self._errors, 2).lstrip()
        return f'{end_of_files},\n  "errors": {errors}\n}}\n'

    def _write(self, text):
        if self._rewinds:
            # In one go with the text, and what comes next takes its place:
            # that is longer, for no error is ever taken back.
            self._stream.write(text + self._tail())
            self._stream.flush()
            # All of it is ASCII.
            self._position += len(text)
            self._stream.seek(self._position)
        else:
            self._stream.write(text)
            self._stream.flush()


def make_writer(
    output_format: str,
    stream: TextIO,
    class_names: Sequence[str],
    settings: Mapping,
    by_window: bool,
    rewinds: bool,
) -> TableWriter | CsvWriter | JsonWriter:
    """The writer of a format.

    Args:
        output_format: one of `FORMATS`.
        stream, class_names, settings, by_window, rewinds: as of the writers.
    """
    if output_format == JSON:
        return JsonWriter(stream, settings, rewinds)
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
    """What comes before the events of a microphone."""
    return _csv_text([_LIVE_CSV_COLUMNS]) if output_format == CSV else ""


def format_live(
    output_format: str, time: str, events: Sequence[Event], name_width: int
) -> str:
    """The events of one window of a microphone.

    Args:
        output_format: one of `FORMATS`.
        time: str. When the window began.
        events: sequence of Event.
        name_width: int. Of the names in a table.

    Returns:
        str: a line for each event; in JSON one object in one line. Nothing if
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
