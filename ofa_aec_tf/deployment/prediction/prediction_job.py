"""Names the events of files or of a microphone, as they come."""

import contextlib
import dataclasses
import datetime
import math
import pathlib
import signal
import sys
from collections.abc import Iterator
from collections.abc import Sequence
from typing import TextIO

from ofa_aec_tf import audio
from ofa_aec_tf.checks import settings
from ofa_aec_tf.checks.settings import setting
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
# The number of classes that are listed if there are no thresholds.
_DEFAULT_TOP_K = 5
# A year. Much longer times have no exact number of samples.
_MAX_SECONDS = 365 * 24 * 3600.0


@dataclasses.dataclass(frozen=True)
class PredictionSettings(settings.Settings):
    """Which events are named, and where they are written."""

    top_k: int | None = setting(
        None,
        "Events to list at most of each file or window. By default "
        f"{_DEFAULT_TOP_K}; with thresholds all that reach them.",
        at_least=1,
    )
    thresholds: str | None = setting(
        None,
        "File of ofa_aec_tf.choose_thresholds: events below the threshold of "
        "their class are not listed. By default the one beside the model, or "
        "else those in its metadata, if they are there; "
        f"`{_NO_THRESHOLDS}` for none.",
        is_path=True,
    )
    threshold: float | None = setting(
        None,
        "One threshold for all classes instead.",
        at_least=0.0,
        at_most=1.0,
    )
    window_hop_seconds: float | None = setting(
        None,
        "Seconds from the start of a window to that of the next. By default "
        "the length of a window; with less they overlap.",
        at_least=0.0,
        at_most=_MAX_SECONDS,
    )
    per_window: bool = setting(False, "List the events of every window.")
    silence_dbfs: float = setting(
        -70.0,
        "Windows with a peak below this, in dB relative to full scale, are "
        "silent: they are not scored and have no events. -inf scores all.",
        at_most=0.0,
        is_finite=False,
    )
    format: str = setting(
        event_formats.TABLE,
        "How to print the events.",
        choices=event_formats.FORMATS,
    )
    output: str | None = setting(
        None,
        "File for the events, instead of standard output, which is also "
        f"`{_STANDARD_OUTPUT}`. Its directory is made; what is in it is "
        "replaced.",
        is_path=True,
    )
    microphone: bool = setting(
        False,
        "Listen to a microphone instead of files, until Ctrl-C, and print the "
        "events with the time.",
    )
    microphone_device: str | None = setting(
        None,
        "Number or part of the name of the device. By default that of the "
        "system.",
        when={"microphone": True},
    )
    microphone_seconds: float | None = setting(
        None,
        "How long to listen.",
        at_least=0.0,
        at_most=_MAX_SECONDS,
        when={"microphone": True},
    )

    def __post_init__(self):
        super().__post_init__()
        if self.threshold is not None and self.thresholds is not None:
            raise ValueError(
                "Name --threshold, for all classes, or --thresholds, for "
                f"each. Received: --threshold={self.threshold} "
                f"--thresholds={self.thresholds}"
            )
        if self.microphone and (self.output or self.per_window):
            raise ValueError(
                "--microphone prints each window as it is heard; leave out "
                "--output and --per_window, and redirect standard output."
            )

    @property
    def output_file(self) -> str | None:
        """The file for the events; None for standard output."""
        return None if self.output == _STANDARD_OUTPUT else self.output


def find_audio_files(paths: Sequence[str]) -> list[str]:
    """The files to predict. Warns of files that are left out.

    Args:
        paths: sequence of str. A directory stands for all files in and below
            it that are named as audio files.

    Raises:
        ValueError: if there is no file.
    """
    found = []
    for path in paths:
        directory = pathlib.Path(path)
        if not directory.is_dir():
            found.append(path)
            continue
        files = sorted(
            str(file)
            for file in directory.rglob("*")
            # Some systems keep notes on files in hidden files.
            if not file.name.startswith(".") and file.is_file()
        )
        sounds = [file for file in files if _is_named_as_audio(file)]
        others = [file for file in files if not _is_named_as_audio(file)]
        if others or not sounds:
            names = ", ".join(others[:_MAX_NAMES])
            print(
                f"warning: skipped {len(others)} files in {directory} that "
                f"are not named as audio files: {names or 'it is empty'}",
                file=sys.stderr,
            )
        found += sounds
    if not found:
        raise ValueError(
            f"There is no audio file in the directory {paths[0]}. "
            f"Expected names that end with {list(audio.AUDIO_SUFFIXES)}."
        )
    return found


def _is_named_as_audio(path):
    return pathlib.Path(path).suffix.lower() in audio.AUDIO_SUFFIXES


class PredictionJob:
    """A model with its thresholds, ready to name events.

    Args:
        model_path: path of a `.keras` or `.tflite` file.
        config: PredictionSettings.

    Raises:
        ValueError: if the model or its thresholds cannot be used, or if the
            hop is longer than a window.
    """

    def __init__(self, model_path: str, config: PredictionSettings):
        self._config = config
        info = ModelInfo.read(model_path)
        self._class_names = info.class_map.names
        thresholds, named = _thresholds(model_path, info.class_map, config)
        self._scorer = scorer = scorers.load_scorer(
            model_path,
            info.frontend,
            info.clip_seconds,
            len(self._class_names),
        )
        top_k = config.top_k
        if top_k is None and thresholds is None:
            top_k = _DEFAULT_TOP_K
        hop_samples = scorer.window_samples
        if config.window_hop_seconds is not None:
            hop_samples = round(
                config.window_hop_seconds * scorer.sample_rate_hz
            )
            sliding_windows.check_hop(hop_samples, scorer.window_samples)
        self._scoring = {
            "selector": EventSelector(self._class_names, thresholds, top_k),
            "hop_samples": hop_samples,
            "silence_dbfs": config.silence_dbfs,
        }
        self._json_head = {
            "model": model_path,
            "window_seconds": scorer.window_seconds,
            "hop_seconds": hop_samples / scorer.sample_rate_hz,
            "thresholds": named,
            # JSON has no infinity.
            "silence_dbfs": None
            if math.isinf(config.silence_dbfs)
            else config.silence_dbfs,
        }

    def predict_files(self, paths: Sequence[str]) -> None:
        """Writes the events of each file as soon as they are known.

        Args:
            paths: sequence of str.

        Raises:
            ValueError: if the model cannot score a file, or if no file can be
                read. All files are tried before.
        """
        config = self._config
        num_skipped = num_not_scored = 0
        with _output_stream(config.output_file) as stream:
            writer = event_formats.make_writer(
                config.format,
                stream,
                self._class_names,
                self._json_head,
                config.per_window,
                # A pipe cannot be rewound.
                rewinds=config.output_file is not None and stream.seekable(),
            )
            for path in paths:
                writer.begin_file(path)
                try:
                    found = file_prediction.predict_file(
                        path,
                        self._scorer,
                        on_window=writer.add_window
                        if config.per_window
                        else None,
                        **self._scoring,
                    )
                except audio.AudioError as error:
                    code, reason = error.code, error.reason
                except ValueError as error:
                    code, reason = _NOT_SCORED, str(error)
                    num_not_scored += 1
                else:
                    writer.end_file(found)
                    continue
                writer.skip_file(path, code, reason)
                print(
                    f"warning: skipped {path}: {reason} ({code})",
                    file=sys.stderr,
                )
                num_skipped += 1
            writer.close()
        _report_skipped(len(paths), num_skipped, num_not_scored)

    def listen(self) -> None:
        """Prints the events of a microphone until SIGINT, or long enough.

        Raises:
            ValueError: if the microphone cannot be used.
        """
        config = self._config
        device = config.microphone_device
        if device is not None and device.isdigit():
            device = int(device)
        rate_hz = self._scorer.sample_rate_hz
        with microphone.open_microphone(rate_hz, device) as source:
            print(
                f"listening at {source.sample_rate_hz} Hz, Ctrl-C ends",
                file=sys.stderr,
            )
            # An exception could get lost in native code, where most of the
            # time is spent.
            signal.signal(signal.SIGINT, lambda *unused: source.stop())
            self._print_live(
                microphone.listen(
                    microphone.resample(
                        source.blocks(), source.sample_rate_hz, rate_hz
                    ),
                    self._scorer,
                    max_seconds=config.microphone_seconds,
                    **self._scoring,
                )
            )
        if source.num_lost_blocks:
            print(
                f"warning: lost {source.num_lost_blocks} blocks of sound; the "
                "model is slower than the windows come. Make "
                "--window_hop_seconds longer.",
                file=sys.stderr,
            )

    def _print_live(self, windows):
        output_format = self._config.format
        width = max(map(len, self._class_names))
        print(event_formats.live_header(output_format), end="", flush=True)
        for start_time, window in windows:
            local_time = datetime.datetime.fromtimestamp(start_time)
            text = event_formats.format_live(
                output_format,
                local_time.astimezone().isoformat(
                    sep=" ", timespec="milliseconds"
                ),
                window.events,
                width,
            )
            print(text, end="", flush=True)


def _thresholds(model_path, class_map, config):
    """The thresholds of all classes, or None; and what JSON says of them."""
    if config.threshold is not None:
        return (config.threshold,) * len(class_map), config.threshold
    if config.thresholds == _NO_THRESHOLDS:
        return None, None
    if config.thresholds is not None:
        # They may have been chosen for another file of the same network.
        thresholds = ClassThresholds.read(config.thresholds)
        return thresholds.of_classes(class_map), config.thresholds
    return model_thresholds.find(model_path, class_map)


@contextlib.contextmanager
def _output_stream(output_file) -> Iterator[TextIO]:
    if output_file is None:
        yield sys.stdout
        return
    path = pathlib.Path(output_file)
    path.parent.mkdir(parents=True, exist_ok=True)
    # File names need not be valid text.
    with (
        workdir.naming_the_file(path),
        path.open(
            "w", encoding="utf-8", errors="backslashreplace", newline=""
        ) as stream,
    ):
        yield stream
    print(f"wrote {path}")


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
