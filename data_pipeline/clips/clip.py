"""Clips, which become records, and rows that cannot become clips."""

import dataclasses
import itertools
from collections.abc import Iterator
from collections.abc import Sequence
from typing import Protocol

import numpy as np

from ofa_aec_tf import audio
from ofa_aec_tf.audio import AudioError

PADDED = "padded"
CROPPED = "cropped"

# Codes of what was never meant as a clip or cannot be one. It is listed, but
# does not count as bad.
NOT_CLIPS: frozenset[str] = frozenset(
    {
        "cropped_rest",
        "empty_class",
        "hidden",
        "loose_file",
        "no_annotations",
        "not_annotations",
        "not_audio",
        "repeated_link",
        "uncertain",
    }
)


def format_seconds(seconds: float) -> str:
    """Shortest text for a time, such as `30` or `2.5`."""
    return repr(seconds).removesuffix(".0")


@dataclasses.dataclass(frozen=True)
class RenderedClip:
    """The raw audio samples of a clip.

    Args:
        waveform: float32 array of shape (num_samples,).
        notes: tuple of str. Stable codes of what is odd about it, for counting:
            those of `ofa_aec_tf.audio.Recording`, `padded` if the audio was
            shorter than the clip, and `cropped` if it was longer.
        seconds: float or None. Length of the audio before it was padded or
            cropped, if known.
    """

    waveform: np.ndarray
    notes: tuple[str, ...]
    seconds: float | None = None


class Clip(Protocol):
    """What becomes a record.

    Attributes:
        clip_id: str. Unique in the data set.
        labels: tuple of str, class names; empty for a negative clip.
        split: str or None. `"train"`, `"validation"`, `"test"`, or undecided.
        audio_paths: tuple of str. The files that the clip is made from.
        decoders: tuple of str. Their decoders, of `audio.DECODERS`.
    """

    clip_id: str
    labels: tuple[str, ...]
    split: str | None

    @property
    def audio_paths(self) -> tuple[str, ...]: ...

    @property
    def decoders(self) -> tuple[str, ...]: ...

    def render(self, sample_rate_hz: int, num_samples: int) -> RenderedClip:
        """Makes the waveform of `num_samples` raw audio samples.

        Raises:
            ofa_aec_tf.audio.AudioError: if a file cannot be used.
        """

    def to_json(self) -> dict:
        """Returns what decides the waveform, beside the bytes of the files."""


@dataclasses.dataclass(frozen=True)
class SkippedRow:
    """A row of a source that cannot become a clip.

    Args:
        clip_id: str. As the source names it.
        filename: str. The file that it names, as far as known.
        code: str. Stable code of the reason, for counting: `path_escape`,
            `bad_path`, `ambiguous_file`, `unreadable`, `unknown_label`,
            `duplicate_id`, `bad_segment`, the code of an AudioError if the
            source opens the files, or one of `NOT_CLIPS`.
        reason: str. What is wrong, for the user.
        split: str or None. The split that it would be in.
        labels: tuple of str. The labels that it would have, as far as known.
    """

    clip_id: str
    filename: str
    code: str
    reason: str
    split: str | None = None
    labels: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True)
class ClipRow:
    """A clip that is one audio file, or a part of one; a row of a source.

    Args:
        clip_id: str. Unique in the source.
        path: str. The audio file.
        labels: tuple of str, class names; empty for a negative clip.
        split: str or None. Its split, if the source or `splits` gave one.
        group: str or None. Clips of one group, such as cuts from the same
            recording, must stay in one split.
        fold: int or None. Its fold, if the source has folds.
        start_seconds: float. Where the clip starts in the file.
        end_seconds: float or None. Where it ends in the file at the latest; a
            shorter clip is padded with silence. None is the end of the file.
        decoder: str. One of `ofa_aec_tf.audio.DECODERS`.
        recording: str or None. The name of the recording in the source, if
            other clips may be parts of it, too.
    """

    clip_id: str
    path: str
    labels: tuple[str, ...]
    split: str | None = None
    group: str | None = None
    fold: int | None = None
    start_seconds: float = 0.0
    end_seconds: float | None = None
    decoder: str = "auto"
    recording: str | None = None

    @property
    def is_part(self) -> bool:
        """Whether it is a part of a file rather than a whole one."""
        return (
            self.recording is not None
            or self.start_seconds > 0
            or self.end_seconds is not None
        )

    @property
    def audio_paths(self) -> tuple[str, ...]:
        """Its audio file."""
        return (self.path,)

    @property
    def decoders(self) -> tuple[str, ...]:
        """Its decoder."""
        return (self.decoder,)

    def render(self, sample_rate_hz: int, num_samples: int) -> RenderedClip:
        """Reads its part of the file, padded with silence at the end."""
        recording = audio.read_audio(
            self.path,
            sample_rate_hz,
            self._max_seconds(num_samples / sample_rate_hz),
            self.start_seconds,
            self.decoder,
        )
        return self._rendered(recording, sample_rate_hz, num_samples)

    def to_json(self) -> dict:
        """Returns what decides the waveform, beside the bytes of the file."""
        return {
            "start_seconds": self.start_seconds,
            "end_seconds": self.end_seconds,
            "decoder": self.decoder,
        }

    def _max_seconds(self, clip_seconds):
        if self.end_seconds is None:
            return clip_seconds
        return min(clip_seconds, self.end_seconds - self.start_seconds)

    def _rendered(self, recording, sample_rate_hz, num_samples):
        num_read = len(recording.waveform)
        seconds = self._audio_seconds(recording, num_read / sample_rate_hz)
        notes = recording.notes
        if num_read < num_samples:
            notes += (PADDED,)
        elif seconds > num_samples / sample_rate_hz + audio.MIN_SECONDS:
            notes += (CROPPED,)
        waveform = audio.fit_length(recording.waveform, num_samples)
        return RenderedClip(waveform, notes, seconds)

    def _audio_seconds(self, recording, read_seconds):
        """Seconds of the audio that the row names."""
        if self.end_seconds is None and (
            self.start_seconds or self.recording is not None
        ):
            # Only its start is given, which may be 0.
            return read_seconds
        end_seconds = self.end_seconds
        if recording.file_seconds is not None:
            end_seconds = min(
                recording.file_seconds, end_seconds or recording.file_seconds
            )
        if end_seconds is None:
            return read_seconds
        return max(read_seconds, end_seconds - self.start_seconds)


def _of_one_pass(clip: Clip):
    """Key of clips that are read in one pass over their file."""
    if getattr(clip, "recording", None) is None:
        return clip.clip_id
    return clip.path, clip.decoder


def in_one_pass(clips: Sequence[Clip]) -> Iterator[tuple[Clip, ...]]:
    """Groups clips, in their order, for `render`.

    Args:
        clips: sequence of Clip.

    Yields:
        tuple of Clip: adjacent parts of one recording, or a single clip.
    """
    for _, group in itertools.groupby(clips, key=_of_one_pass):
        yield tuple(group)


def render(
    clips: Sequence[Clip], sample_rate_hz: int, num_samples: int
) -> Iterator[RenderedClip | AudioError]:
    """Makes the waveforms of clips in one pass over their recording.

    Args:
        clips: sequence of Clip, as `in_one_pass` yields; several are in the
            order of their starts.
        sample_rate_hz: int.
        num_samples: int. Raw audio samples of every clip.

    Yields:
        For each clip a RenderedClip, or an AudioError if its audio cannot be
        used.
    """
    if len(clips) == 1:
        try:
            yield clips[0].render(sample_rate_hz, num_samples)
        except AudioError as error:
            yield error
        return
    clip_seconds = num_samples / sample_rate_hz
    parts = [
        (clip.start_seconds, clip._max_seconds(clip_seconds)) for clip in clips
    ]
    for clip, part in zip(
        clips,
        audio.read_parts(
            clips[0].path, sample_rate_hz, parts, clips[0].decoder
        ),
    ):
        if isinstance(part, AudioError):
            yield part
        else:
            yield clip._rendered(part, sample_rate_hz, num_samples)
