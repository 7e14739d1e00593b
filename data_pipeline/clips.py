"""Clips: what preprocessing turns into records."""

import dataclasses
from typing import Protocol

import numpy as np

from ofa_aec_tf import audio


class Clip(Protocol):
    """What the rest of preprocessing knows about a clip.

    Attributes:
        clip_id: str. Unique in the data set.
        labels: tuple of str, class names.
        split: str or None. `"train"`, `"validation"`, `"test"`, or undecided.
        audio_paths: tuple of str. The files that the clip is made from.
    """

    clip_id: str
    labels: tuple[str, ...]
    split: str | None

    @property
    def audio_paths(self) -> tuple[str, ...]: ...

    def waveform(self, sample_rate_hz: int, num_samples: int) -> np.ndarray:
        """float32 waveform of shape (num_samples,).

        Raises:
            ofa_aec_tf.audio.AudioError: if a file cannot be used.
        """

    def to_json(self) -> dict:
        """JSON types that change whenever the waveform or labels would."""


@dataclasses.dataclass(frozen=True)
class ClipRow:
    """A clip that is one audio file; a row of a source.

    Args:
        clip_id: str. Unique in the source.
        path: str. The audio file.
        labels: tuple of str, class names.
        split: str or None. Its split, where the source or `splits` gave one.
        group: str or None. Clips of one group, such as cuts from the same
            recording, must stay in one split.
        fold: int or None. Its fold, where the source has folds.
    """

    clip_id: str
    path: str
    labels: tuple[str, ...]
    split: str | None = None
    group: str | None = None
    fold: int | None = None

    @property
    def audio_paths(self) -> tuple[str, ...]:
        """The one audio file."""
        return (self.path,)

    def waveform(self, sample_rate_hz: int, num_samples: int) -> np.ndarray:
        """The start of the file, padded with silence where it is too short."""
        waveform = audio.load_audio(
            self.path, sample_rate_hz, num_samples / sample_rate_hz
        )
        return audio.fit_length(waveform, num_samples)

    def to_json(self) -> dict:
        """This row as a dict of JSON types."""
        return dataclasses.asdict(self)
