r"""Names the sound events of audio files, or of a microphone.

python -m ofa_aec_tf.predict --model=exported/subnet_int8.tflite a.wav b.flac
python -m ofa_aec_tf.predict --model=exported/subnet_int8.tflite \
    --per_window --window_hop_seconds=0.5 --format=csv --output=events.csv DIR

Sound is heard in windows of the length that the model was trained on; the
score of a class in a file is its highest over the windows. What is known of a
file, or with --per_window of a window, is written at once. Files that cannot
be read are reported on standard error and skipped; the exit status is 2 when
none could be read, or the model cannot score one. Of a directory all audio
files are taken, those in its sub-directories too.
"""

import contextlib
import datetime
import math
import pathlib
import signal
import sys

from absl import flags

from ofa_aec_tf import audio
from ofa_aec_tf.command_flags import command_line
from ofa_aec_tf.command_flags import path_flags
from ofa_aec_tf.data.class_thresholds import ClassThresholds
from ofa_aec_tf.data.model_info import ModelInfo
from ofa_aec_tf.deployment import model_thresholds
from ofa_aec_tf.deployment.prediction import event_formats
from ofa_aec_tf.deployment.prediction import file_prediction
from ofa_aec_tf.deployment.prediction import microphone
from ofa_aec_tf.deployment.prediction import scorers
from ofa_aec_tf.deployment.prediction import sliding_windows
from ofa_aec_tf.deployment.prediction.events import EventSelector
from ofa_aec_tf.runs import workdir

_NO_THRESHOLDS = "none"
_STANDARD_OUTPUT = "-"
_NOT_SCORED = "not_scored"
_MAX_NAMES = 3
# Of all classes, so many are listed where no threshold leaves any out.
_DEFAULT_TOP_K = 5
# A year: bounds that a number of samples can be made of.
_MAX_SECONDS = 365 * 24 * 3600.0

_MODEL = path_flags.define_path(
    "model", None, "Model: a .keras or .tflite file.", required=True
)
_TOP_K = flags.DEFINE_integer(
    "top_k",
    None,
    "Events to list at most of each file or window. By default "
    f"{_DEFAULT_TOP_K}; with thresholds all that reach them.",
    lower_bound=1,
)
_THRESHOLDS = path_flags.define_path(
    "thresholds",
    None,
    "File of ofa_aec_tf.choose_thresholds: events below the threshold of "
    "their class are not listed. By default the one beside the model, or else "
    f"those in its metadata, if they are there; `{_NO_THRESHOLDS}` for none.",
)
_THRESHOLD = flags.DEFINE_float(
    "threshold",
    None,
    "One threshold for all classes instead.",
    lower_bound=0.0,
    upper_bound=1.0,
)
_WINDOW_HOP_SECONDS = flags.DEFINE_float(
    "window_hop_seconds",
    None,
    "A window begins every so many seconds. By default after the one before; "
    "less lets them overlap.",
    lower_bound=0.0,
    upper_bound=_MAX_SECONDS,
)
_PER_WINDOW = flags.DEFINE_bool(
    "per_window", False, "List the events of every window."
)
_SILENCE_DBFS = flags.DEFINE_float(
    "silence_dbfs",
    -70.0,
    "Windows with a peak below this, in dB relative to full scale, are silent: "
    "they are not scored and nothing is heard in them. -inf scores all.",
    upper_bound=0.0,
)
_FORMAT = flags.DEFINE_enum(
    "format",
    event_formats.TABLE,
    event_formats.FORMATS,
    "How to print the events.",
)
_OUTPUT = path_flags.define_path(
    "output",
    None,
    "File for the events, instead of standard output, which is also "
    f"`{_STANDARD_OUTPUT}`. Its directory is made; what is in it is replaced.",
)
_MICROPHONE = flags.DEFINE_bool(
    "microphone",
    False,
    "Listen to a microphone instead of files, until Ctrl-C, and print the "
    "events with the time.",
)
_MICROPHONE_DEVICE = flags.DEFINE_string(
    "microphone_device",
    None,
    "Number or part of the name of the device. By default that of the system.",
)
_MICROPHONE_SECONDS = flags.DEFINE_float(
    "microphone_seconds",
    None,
    "How long to listen.",
    lower_bound=0.0,
    upper_bound=_MAX_SECONDS,
)


def _check_flags(arguments):
    if _MICROPHONE.value == bool(arguments):
        raise ValueError(
            "Name at least one audio file after the flags, or else "
            f"--microphone. Received: --microphone={_MICROPHONE.value}, "
            f"{len(arguments)} files"
        )
    if _THRESHOLD.value is not None and _THRESHOLDS.value is not None:
        raise ValueError(
            "Name --threshold, for all classes, or --thresholds, for each. "
            f"Received: --threshold={_THRESHOLD.value} "
            f"--thresholds={_THRESHOLDS.value}"
        )
    for flag in (
        _THRESHOLD,
        _WINDOW_HOP_SECONDS,
        _SILENCE_DBFS,
        _MICROPHONE_SECONDS,
    ):
        # No bound keeps it out.
        if flag.value is not None and math.isnan(flag.value):
            raise ValueError(f"Expected a number. Received: --{flag.name}=nan")
    if _MICROPHONE.value and (_OUTPUT.value or _PER_WINDOW.value):
        raise ValueError(
            "--microphone prints each window as it is heard; leave out "
            "--output and --per_window, and redirect standard output."
        )


def _read_thresholds(class_map):
    """The thresholds of all classes, or None; and what JSON says of them."""
    if _THRESHOLD.value is not None:
        return (_THRESHOLD.value,) * len(class_map), _THRESHOLD.value
    if _THRESHOLDS.value == _NO_THRESHOLDS:
        return None, None
    if _THRESHOLDS.value is not None:
        # Those of a sibling may be named.
        thresholds = ClassThresholds.read(_THRESHOLDS.value)
        return thresholds.of_classes(class_map), _THRESHOLDS.value
    path = ClassThresholds.path_beside(_MODEL.value)
    if not path.is_file():
        packed = model_thresholds.read(_MODEL.value, class_map.names)
        return packed, None if packed is None else _MODEL.value
    thresholds = ClassThresholds.read(path)
    if thresholds.model_digest != workdir.file_digest(_MODEL.value):
        raise ValueError(
            f"{path} was chosen for another model than {_MODEL.value} now is. "
            "Choose the thresholds again with `python -m "
            "ofa_aec_tf.choose_thresholds`, or name them with --thresholds."
        )
    return thresholds.of_classes(class_map), str(path)


def _audio_files(arguments):
    """The files to read, with those of directories in their place."""
    paths = []
    for argument in map(path_flags.local_path, arguments):
        directory = pathlib.Path(argument)
        if not directory.is_dir():
            paths.append(argument)
            continue
        files = sorted(
            str(path)
            for path in directory.rglob("*")
            # Hidden ones hold what some systems note about the others.
            if not path.name.startswith(".") and path.is_file()
        )
        found = [path for path in files if _is_named_as_audio(path)]
        others = [path for path in files if not _is_named_as_audio(path)]
        if others or not found:
            names = ", ".join(others[:_MAX_NAMES])
            print(
                f"warning: skipped {len(others)} files in {directory} that "
                f"are not named as audio files: {names or 'it is empty'}",
                file=sys.stderr,
            )
        paths += found
    if arguments and not paths:
        raise ValueError(
            f"There is no audio file in the directory {arguments[0]}. "
            f"Expected names that end with {list(audio.AUDIO_SUFFIXES)}."
        )
    return paths


def _is_named_as_audio(path):
    return pathlib.Path(path).suffix.lower() in audio.AUDIO_SUFFIXES


def _predict_files(paths, writer, predict):
    """Writes the events of each file; returns how many were not heard."""
    num_skipped = num_not_scored = 0
    for path in paths:
        writer.begin_file(path)
        try:
            found = predict(path)
        except audio.AudioError as error:
            code, reason = error.code, error.reason
        except ValueError as error:
            code, reason = _NOT_SCORED, str(error)
            num_not_scored += 1
        else:
            writer.end_file(found)
            continue
        writer.skip_file(path, code, reason)
        print(f"warning: skipped {path}: {reason} ({code})", file=sys.stderr)
        num_skipped += 1
    return num_skipped, num_not_scored


def _report_skipped(num_files, num_skipped, num_not_scored):
    if num_not_scored:
        raise ValueError(
            f"{num_not_scored} of the {num_files} files could not be scored; "
            "the warnings above say why."
        )
    if num_skipped == num_files:
        raise ValueError(
            f"None of the {num_files} files could be read; the warnings "
            "above say why."
        )
    if num_skipped:
        print(
            f"warning: skipped {num_skipped} of {num_files} files",
            file=sys.stderr,
        )


def _writes_to_file():
    return _OUTPUT.value not in (None, _STANDARD_OUTPUT)


@contextlib.contextmanager
def _output_stream():
    if not _writes_to_file():
        yield sys.stdout
        return
    path = pathlib.Path(_OUTPUT.value)
    path.parent.mkdir(parents=True, exist_ok=True)
    # Names of files need not be text.
    with (
        workdir.naming_the_file(path),
        path.open(
            "w", encoding="utf-8", errors="backslashreplace", newline=""
        ) as stream,
    ):
        yield stream
    print(f"wrote {path}")


def _make_writer(stream, class_names, settings):
    if _FORMAT.value == event_formats.JSON:
        rewinds = _writes_to_file() and stream.seekable()
        return event_formats.JsonWriter(stream, settings, rewinds)
    if _FORMAT.value == event_formats.CSV:
        return event_formats.CsvWriter(stream, _PER_WINDOW.value)
    return event_formats.TableWriter(stream, class_names, _PER_WINDOW.value)


def _listen(scorer, class_names, options):
    """Prints the events of a microphone until it is told to stop."""
    device = _MICROPHONE_DEVICE.value
    if device is not None and device.isdigit():
        device = int(device)
    rate_hz = scorer.sample_rate_hz
    width = max(map(len, class_names))
    with microphone.open_microphone(rate_hz, device) as source:
        print(
            f"listening at {source.sample_rate_hz} Hz, Ctrl-C ends",
            file=sys.stderr,
        )
        # Not as an exception: native code, where most of the time is spent,
        # may swallow it.
        signal.signal(signal.SIGINT, lambda *unused: source.stop())
        print(event_formats.live_header(_FORMAT.value), end="", flush=True)
        for start_time, window in microphone.listen(
            microphone.resample(
                source.blocks(), source.sample_rate_hz, rate_hz
            ),
            scorer,
            max_seconds=_MICROPHONE_SECONDS.value,
            **options,
        ):
            local_time = datetime.datetime.fromtimestamp(start_time)
            text = event_formats.format_live(
                _FORMAT.value,
                local_time.astimezone().isoformat(
                    sep=" ", timespec="milliseconds"
                ),
                window.events,
                width,
            )
            print(text, end="", flush=True)
    if source.num_lost_blocks:
        print(
            f"warning: lost {source.num_lost_blocks} blocks of sound; the "
            "model is slower than the windows come. Make "
            "--window_hop_seconds longer.",
            file=sys.stderr,
        )


def main(arguments):
    """Runs the command on audio files, directories or a microphone."""
    _check_flags(arguments)
    if _writes_to_file():
        workdir.check_writable(_OUTPUT.value)
    info = ModelInfo.read(_MODEL.value)
    class_names = info.class_map.names
    thresholds, named_thresholds = _read_thresholds(info.class_map)
    paths = _audio_files(arguments)
    scorer = scorers.load_scorer(
        _MODEL.value, info.frontend, info.clip_seconds, len(class_names)
    )
    top_k = _TOP_K.value
    if top_k is None and thresholds is None:
        top_k = _DEFAULT_TOP_K
    hop_samples = scorer.window_samples
    if _WINDOW_HOP_SECONDS.value is not None:
        hop_samples = round(_WINDOW_HOP_SECONDS.value * scorer.sample_rate_hz)
        sliding_windows.check_hop(hop_samples, scorer.window_samples)
    options = {
        "selector": EventSelector(class_names, thresholds, top_k),
        "hop_samples": hop_samples,
        "silence_dbfs": _SILENCE_DBFS.value,
    }
    if _MICROPHONE.value:
        _listen(scorer, class_names, options)
        return
    settings = {
        "model": _MODEL.value,
        "window_seconds": scorer.window_seconds,
        "hop_seconds": hop_samples / scorer.sample_rate_hz,
        "thresholds": named_thresholds,
        # JSON has no infinity.
        "silence_dbfs": None
        if math.isinf(_SILENCE_DBFS.value)
        else _SILENCE_DBFS.value,
    }
    with _output_stream() as stream:
        writer = _make_writer(stream, class_names, settings)
        on_window = writer.add_window if _PER_WINDOW.value else None
        num_skipped, num_not_scored = _predict_files(
            paths,
            writer,
            lambda path: file_prediction.predict_file(
                path, scorer, on_window=on_window, **options
            ),
        )
        writer.close()
    _report_skipped(len(paths), num_skipped, num_not_scored)


if __name__ == "__main__":
    command_line.run(main, takes_arguments=True)
