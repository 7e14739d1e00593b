"""Names the sound events of audio files.

python -m ofa_aec_tf.predict --model=exported/subnet_int8.tflite a.wav b.flac

The score of a class is its highest over consecutive windows of the length
that the model was trained on. Files that cannot be read are reported on
standard error and left out; the exit status is 2 when none could be read.
"""

import csv
import json
import sys

from absl import flags

from ofa_aec_tf import audio
from ofa_aec_tf import command_line
from ofa_aec_tf.data.model_info import ModelInfo
from ofa_aec_tf.deployment import prediction

_TABLE, _JSON, _CSV = "table", "json", "csv"

_MODEL = flags.DEFINE_string(
    "model", None, "Model: a .keras or .tflite file.", required=True
)
_TOP_K = flags.DEFINE_integer(
    "top_k", 5, "Events to show of each file.", lower_bound=1
)
_FORMAT = flags.DEFINE_enum(
    "format", _TABLE, (_TABLE, _JSON, _CSV), "How to print the events."
)


def _print_table(results):
    name_width = max(
        len(event.name) for _, _, events in results for event in events
    )
    for path, num_windows, events in results:
        plural = "" if num_windows == 1 else "s"
        print(f"{path} ({num_windows} window{plural})")
        for event in events:
            print(
                f"  {event.name:<{name_width}}  {event.score:8.6f}  "
                f"from {event.start_seconds:7.2f} s"
            )


def _print_json(results, errors):
    report = {
        "model": _MODEL.value,
        "files": [
            {
                "file": path,
                "num_windows": num_windows,
                "events": [
                    {
                        "class": event.name,
                        "score": event.score,
                        "start_seconds": event.start_seconds,
                    }
                    for event in events
                ],
            }
            for path, num_windows, events in results
        ],
        "errors": [
            {"file": path, "code": error.code, "reason": error.reason}
            for path, error in errors
        ],
    }
    print(json.dumps(report, indent=2))


def _print_csv(results):
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(("file", "rank", "class", "score", "start_seconds"))
    for path, _, events in results:
        for rank, event in enumerate(events, start=1):
            writer.writerow(
                (path, rank, event.name, event.score, event.start_seconds)
            )


def main(paths):
    """Runs the command on audio files."""
    if not paths:
        raise ValueError("Name at least one audio file after the flags.")
    info = ModelInfo.read(_MODEL.value)
    score_fn = prediction.load_scorer(_MODEL.value)
    results, errors = [], []
    for path in paths:
        try:
            waveform = audio.load_audio(path, info.frontend.sample_rate_hz)
        except audio.AudioError as error:
            print(
                f"warning: skipped {path}: {error.reason} ({error.code})",
                file=sys.stderr,
            )
            errors.append((path, error))
            continue
        window_scores = prediction.score_windows(
            waveform, score_fn, info.frontend, info.clip_seconds
        )
        events = prediction.top_events(
            window_scores, info.class_map.names, info.clip_seconds, _TOP_K.value
        )
        results.append((path, len(window_scores), events))
    if not results:
        raise ValueError(
            f"None of the {len(paths)} files could be read; the warnings "
            "above say why."
        )
    if _FORMAT.value == _JSON:
        _print_json(results, errors)
    elif _FORMAT.value == _CSV:
        _print_csv(results)
    else:
        _print_table(results)
    if errors:
        print(
            f"warning: skipped {len(errors)} of {len(paths)} files",
            file=sys.stderr,
        )


if __name__ == "__main__":
    command_line.run(main, takes_arguments=True)
