"""Predicted events as a table, as JSON or as CSV."""

import csv
import io
import json
from collections.abc import Mapping
from collections.abc import Sequence

from ofa_aec_tf import audio
from ofa_aec_tf.deployment.events import Event
from ofa_aec_tf.deployment.prediction import FilePrediction
from ofa_aec_tf.deployment.prediction import WindowPrediction

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


def _name_width(predictions):
    names = [
        event.name
        for prediction in predictions
        for part in (prediction, *(prediction.windows or ()))
        for event in part.events
    ]
    return max(map(len, names), default=0)


def _title(prediction):
    plural = "" if prediction.num_windows == 1 else "s"
    silent = ""
    if prediction.num_silent_windows:
        silent = f", {prediction.num_silent_windows} silent"
    return (
        f"{prediction.path} ({prediction.num_windows} window{plural}{silent})"
    )


def format_table(predictions: Sequence[FilePrediction]) -> str:
    """Lines for people: a title for each file and what was heard in it.

    Args:
        predictions: sequence of FilePrediction. Those with windows are listed
            by window.

    Returns:
        str that ends with a line feed.
    """
    width = _name_width(predictions)
    lines = []
    for prediction in predictions:
        lines.append(_title(prediction))
        if prediction.windows is None:
            lines += [
                f"  {event_line(event, width)}  "
                f"from {event.start_seconds:7.2f} s"
                for event in prediction.events
            ] or [f"  {NOTHING}"]
            continue
        for window in prediction.windows:
            times = f"{window.start_seconds:9.2f} -{window.end_seconds:9.2f} s"
            lines += [
                f"{times}  {event_line(event, width)}"
                for event in window.events
            ] or [f"{times}  {NOTHING}"]
    return "".join(f"{line}\n" for line in lines)


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


def _json_file(prediction):
    values = {
        "file": prediction.path,
        "num_windows": prediction.num_windows,
        "num_silent_windows": prediction.num_silent_windows,
        **_json_events(prediction),
    }
    if prediction.windows is not None:
        values["windows"] = [
            {
                "start_seconds": window.start_seconds,
                "end_seconds": window.end_seconds,
                "silent": window.is_silent,
                **_json_events(window),
            }
            for window in prediction.windows
        ]
    return values


def format_json(
    predictions: Sequence[FilePrediction],
    errors: Sequence[audio.AudioError],
    settings: Mapping,
) -> str:
    """One JSON object for all files.

    Args:
        predictions: sequence of FilePrediction.
        errors: sequence of audio.AudioError of the files left out.
        settings: dict of JSON types that the object begins with.

    Returns:
        str that ends with a line feed.
    """
    report = {
        **settings,
        "files": [_json_file(prediction) for prediction in predictions],
        "errors": [
            {"file": error.path, "code": error.code, "reason": error.reason}
            for error in errors
        ],
    }
    return json.dumps(report, indent=2) + "\n"


def _csv_text(rows):
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue()


def format_csv(predictions: Sequence[FilePrediction]) -> str:
    """A row for each event; with an empty class where there is none.

    Args:
        predictions: sequence of FilePrediction. Those with windows have the
            rows of each window instead of those of the file.

    Returns:
        str that ends with a line feed.
    """
    rows = [_CSV_COLUMNS]
    for prediction in predictions:
        parts = [prediction]
        if prediction.windows is not None:
            parts = prediction.windows
        for part in parts:
            rows += [
                (
                    prediction.path,
                    rank,
                    event.name,
                    event.score,
                    event.start_seconds,
                    event.end_seconds,
                )
                for rank, event in enumerate(part.events, start=1)
            ] or [(prediction.path, "", "", "", *_times_of_nothing(part))]
    return _csv_text(rows)


def _times_of_nothing(part):
    if isinstance(part, WindowPrediction):
        return part.start_seconds, part.end_seconds
    return "", ""


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
