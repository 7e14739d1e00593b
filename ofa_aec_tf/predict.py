r"""Names the sound events of audio files, or of a microphone.

python -m ofa_aec_tf.predict --model=exported/subnet_int8.tflite a.wav b.flac
python -m ofa_aec_tf.predict --model=exported/subnet_int8.tflite \
    --per_window --window_hop_seconds=0.5 --format=csv --output=events.csv DIR

Sound is heard in windows of the length that the model was trained on; the
score of a class in a file is its highest over the windows. Files that cannot
be read are reported on standard error and left out; the exit status is 2 when
none could be read. Of a directory all audio files are taken, those in its
sub-directories too.
"""

import datetime
import math
import pathlib
import signal
import sys

from absl import flags

from ofa_aec_tf import audio
from ofa_aec_tf import command_line
from ofa_aec_tf import path_flags
from ofa_aec_tf import workdir
from ofa_aec_tf.data.class_thresholds import ClassThresholds
from ofa_aec_tf.data.model_info import ModelInfo
from ofa_aec_tf.deployment import event_formats
from ofa_aec_tf.deployment import microphone
from ofa_aec_tf.deployment import prediction
from ofa_aec_tf.deployment import scorers
from ofa_aec_tf.deployment.events import EventSelector

_NO_THRESHOLDS = "none"
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
    "their class are not listed. By default the one beside the model, if it "
    f"is there; `{_NO_THRESHOLDS}` for none.",
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
    "output", None, "File for the events, instead of standard output."
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
        return None, None
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
        found = sorted(
            str(path)
            for path in directory.rglob("*")
            if path.suffix.lower() in audio.AUDIO_SUFFIXES
            # Hidden ones hold what some systems note about the others.
            and not path.name.startswith(".")
            and path.is_file()
        )
        if not found:
            raise ValueError(
                f"There is no audio file in the directory {directory}. "
                f"Expected names that end with {list(audio.AUDIO_SUFFIXES)}."
            )
        paths += found
    return paths


def _predict_files(paths, predict):
    predictions, errors = [], []
    for path in paths:
        try:
            predictions.append(predict(path))
        except audio.AudioError as error:
            print(
                f"warning: skipped {path}: {error.reason} ({error.code})",
                file=sys.stderr,
            )
            errors.append(error)
    if not predictions:
        raise ValueError(
            f"None of the {len(paths)} files could be read; the warnings "
            "above say why."
        )
    if errors:
        print(
            f"warning: skipped {len(errors)} of {len(paths)} files",
            file=sys.stderr,
        )
    return predictions, errors


def _write_predictions(predictions, errors, settings):
    if _FORMAT.value == event_formats.JSON:
        text = event_formats.format_json(predictions, errors, settings)
    elif _FORMAT.value == event_formats.CSV:
        text = event_formats.format_csv(predictions)
    else:
        text = event_formats.format_table(predictions)
    if _OUTPUT.value is None:
        sys.stdout.write(text)
        return
    workdir.write_text(_OUTPUT.value, text)
    print(f"wrote {_OUTPUT.value}")


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
    options = {
        "selector": EventSelector(class_names, thresholds, top_k),
        "hop_samples": hop_samples,
        "silence_dbfs": _SILENCE_DBFS.value,
    }
    if _MICROPHONE.value:
        _listen(scorer, class_names, options)
        return
    predictions, errors = _predict_files(
        paths,
        lambda path: prediction.predict_file(
            path, scorer, keeps_windows=_PER_WINDOW.value, **options
        ),
    )
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
    _write_predictions(predictions, errors, settings)


if __name__ == "__main__":
    command_line.run(main, takes_arguments=True)
