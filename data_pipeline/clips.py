"""Clips: what preprocessing turns into records, and rows that it cannot use."""

import dataclasses
from typing import Protocol

import numpy as np

from ofa_aec_tf import audio

PADDED = "padded"

# Codes of what a source skips that was never meant as a clip, or cannot be
# one. It is listed, and is no fault of the data.
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


@dataclasses.dataclass(frozen=True)
class RenderedClip:
    """A clip as samples.

    Args:
        waveform: float32 array of shape (num_samples,).
        notes: tuple of str. Stable names, for counting, of what is odd about
            it: those of `ofa_aec_tf.audio.Recording`, and `padded` if its
            audio ended before it.
    """

    waveform: np.ndarray
    notes: tuple[str, ...]


class Clip(Protocol):
    """What the rest of preprocessing knows about a clip.

    Attributes:
        clip_id: str. Unique in the data set.
        labels: tuple of str, class names; none in a clip of nothing.
        split: str or None. `"train"`, `"validation"`, `"test"`, or undecided.
        audio_paths: tuple of str. The files that the clip is made from.
        decoders: tuple of str. What reads them, of `audio.DECODERS`.
    """

    clip_id: str
    labels: tuple[str, ...]
    split: str | None

    @property
    def audio_paths(self) -> tuple[str, ...]: ...

    @property
    def decoders(self) -> tuple[str, ...]: ...

    def render(self, sample_rate_hz: int, num_samples: int) -> RenderedClip:
        """Makes the waveform, of `num_samples` samples.

        Raises:
            ofa_aec_tf.audio.AudioError: if a file cannot be used.
        """

    def to_json(self) -> dict:
        """JSON types that change whenever the waveform or labels would."""


@dataclasses.dataclass(frozen=True)
class SkippedRow:
    """A row of a source that cannot become a clip, to be listed as such.

    Args:
        clip_id: str. As the source names it.
        filename: str. The file that it names, as far as known.
        code: str. Stable name of the kind of fault, for counting:
            `path_escape`, `bad_path`, `ambiguous_file`, `unreadable`,
            `unknown_label`, `duplicate_id`, `bad_segment`, a code of an
            AudioError where a source opens the files, or one of `NOT_CLIPS`.
        reason: str. What is wrong, for people.
        split: str or None. The split that it would have been in.
        labels: tuple of str. The labels that it would have had, as far as
            known.
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
        labels: tuple of str, class names; none in a clip of nothing.
        split: str or None. Its split, where the source or `splits` gave one.
        group: str or None. Clips of one group, such as cuts from the same
            recording, must stay in one split.
        fold: int or None. Its fold, where the source has folds.
        start_seconds: float. Where the clip starts in the file.
        end_seconds: float or None. Where it ends there at the latest: what
            is missing to the length of a clip is silence. None is the end of
            the file.
        decoder: str. One of `ofa_aec_tf.audio.DECODERS`.
        recording: str or None. The recording that it is a part of, by its name
            in the source, where other clips may be parts of it too.
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
    def audio_paths(self) -> tuple[str, ...]:
        """The one audio file."""
        return (self.path,)

    @property
    def decoders(self) -> tuple[str, ...]:
        """The one decoder."""
        return (self.decoder,)

    def render(self, sample_rate_hz: int, num_samples: int) -> RenderedClip:
        """Reads its part of the file, padded with silence at the end.

        Args:
            sample_rate_hz: int.
            num_samples: int.

        Returns:
            RenderedClip.

        Raises:
            ofa_aec_tf.audio.AudioError: if the file cannot be used.
        """
        max_seconds = num_samples / sample_rate_hz
        if self.end_seconds is not None:
            max_seconds = min(
                max_seconds, self.end_seconds - self.start_seconds
            )
        recording = audio.read_audio(
            self.path,
            sample_rate_hz,
            max_seconds,
            self.start_seconds,
            self.decoder,
        )
        notes = recording.notes
        if len(recording.waveform) < num_samples:
            notes += (PADDED,)
        return RenderedClip(
            audio.fit_length(recording.waveform, num_samples), notes
        )

    def to_json(self) -> dict:
        """This row as a dict of JSON types."""
        return dataclasses.asdict(self)
