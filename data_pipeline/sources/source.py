"""Audio files: where they are and how they are decoded.

Every source that reads files is a dataclass of settings that inherits from
`FileSettings`, and from the other classes here whose settings apply to it. Its
flags, their help and the record of the data set all come from its fields.
"""

import collections
import dataclasses
from collections.abc import Iterable
from typing import ClassVar

from data_pipeline.clips.clip import ClipRow
from data_pipeline.clips.clip import SkippedRow
from data_pipeline.clips.cutting import Cutter
from ofa_aec_tf import audio
from ofa_aec_tf.checks import settings
from ofa_aec_tf.checks.settings import setting
from ofa_aec_tf.data import dataset_info


@dataclasses.dataclass(frozen=True)
class Source:
    """Rows of labelled audio, and what is known about all of them.

    A mistake in a table as a whole is a ValueError, raised when the source is
    opened or while its rows are read. A row that cannot become a clip is a
    SkippedRow among the others.

    Args:
        rows: iterable of ClipRow and SkippedRow. It can be read once, because
            large sources make their rows on the fly.
        class_names: tuple of str, in the order of the model's outputs; None
            if the source does not define an order.
        notes: Counter of rows that were read differently from what the source
            says, by code; complete once the rows have been read. The codes are
            `unknown_label` (kept without the labels that are not classes),
            `repeated_row`, `united_labels` (the same clip with other labels),
            `in_evaluation` and `blacklisted` (both left out of training and
            validation), `in_training` (left out of validation),
            `in_both_lists` (used for testing only), `cut_event` (ends after
            its recording does), `uncertain_event`; of tables also `blank_row`,
            `comment_row`, `repeated_header`, `no_labels` (a negative clip) and
            `found_elsewhere` (the file is spelled differently, has another
            suffix, or is in a subdirectory). `choose` adds `no_labels`,
            `crossing_group` (a group in several splits, as published) and
            `other_fold` (of a fold that no flag names).
        unused_columns: tuple of str. Columns of its table without a meaning.
        remarks: tuple of str. Sentences for the user about the whole source.
    """

    rows: Iterable[ClipRow | SkippedRow]
    class_names: tuple[str, ...] | None = None
    notes: collections.Counter[str] = dataclasses.field(
        default_factory=collections.Counter
    )
    unused_columns: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True, kw_only=True)
class FileSettings(settings.Settings):
    """Base of the settings of all sources that read files.

    Args:
        clip_seconds: float. Length of every clip.
        label_type: `"multi_label"`, `"single_label"`, or None for what is
            usual for the source.
    """

    audio_dir: str = setting(
        settings.REQUIRED, "Directory of the audio files.", is_path=True
    )
    allow_symlinks: bool = setting(
        False, "Whether symbolic links may lead out of --audio_dir."
    )
    decoder: str = setting(
        "auto",
        "auto: libsndfile, and PyAV where that is better or libsndfile fails; "
        "soundfile, av: only that one; tfio: tensorflow-io, in an environment "
        "with TensorFlow 2.16.",
        choices=audio.DECODERS,
    )
    clip_seconds: float = 10.0
    label_type: str | None = None

    # What it reads, for the help of --source.
    summary: ClassVar[str]
    usual_label_type: ClassVar[str] = dataset_info.MULTI_LABEL
    # Whether its rows come with splits.
    has_splits: ClassVar[bool] = False
    # Whether its folds are used without being asked for.
    has_usual_folds: ClassVar[bool] = False
    # Whether all clips of a class may be skipped.
    may_lose_classes: ClassVar[bool] = False

    @property
    def is_single_label(self) -> bool:
        """Whether every clip must have exactly one label."""
        label_type = self.label_type or self.usual_label_type
        return label_type == dataset_info.SINGLE_LABEL

    def open(self) -> Source:
        """Opens the source.

        Returns:
            Source. Its rows have splits if `has_splits`.

        Raises:
            ValueError: if a directory or a table is not as expected.
        """
        raise NotImplementedError


@dataclasses.dataclass(frozen=True, kw_only=True)
class SegmentSettings(FileSettings):
    """Settings of sources whose recordings can be cut into clips."""

    segment_seconds: float | None = setting(
        None,
        "Cuts each recording into clips of this length, at most "
        "--clip_seconds, instead of using only its beginning. Recordings with "
        "annotations and the background noise of speech_commands are always "
        "cut, by default into clips of --clip_seconds.",
    )

    def cutter(self) -> Cutter:
        """Returns what cuts the recordings.

        Raises:
            ValueError: if segments are longer than clips, or not positive.
        """
        segment_seconds = self.segment_seconds
        if segment_seconds is None:
            segment_seconds = self.clip_seconds
        if not 0 < segment_seconds <= self.clip_seconds:
            raise ValueError(
                "--segment_seconds must be positive, and at most "
                f"--clip_seconds={self.clip_seconds:g}: the rest of a segment "
                "would be lost. Received: --segment_seconds="
                f"{segment_seconds:g}"
            )
        return Cutter(segment_seconds, self.decoder)
