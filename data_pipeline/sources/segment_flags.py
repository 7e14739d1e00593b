"""Flags of long recordings: how they are cut, and what is heard in them."""

import math

from absl import flags

from data_pipeline import sources
from data_pipeline.clips.cutting import Cutter
from data_pipeline.sources import annotations
from ofa_aec_tf.command_flags import path_flags

_SEGMENT_SECONDS = flags.DEFINE_float(
    "segment_seconds",
    None,
    "Cuts each recording into clips of this length, at most --clip_seconds, "
    "instead of using its beginning alone. Those with annotations, and the "
    "background noise of speech_commands, are cut in any case, by default "
    "into clips of --clip_seconds.",
)
_ANNOTATIONS_DIR = path_flags.define_path(
    "annotations_dir",
    None,
    "Directory of the annotation files, or the one file; by default "
    "--audio_dir.",
)
_ANNOTATION_LABEL_COLUMN = flags.DEFINE_string(
    "annotation_label_column",
    None,
    "Column of the labels in annotation files with a header; by default one "
    "with a usual name, such as Species, Annotation or Label.",
)
_MIN_OVERLAP_SECONDS = flags.DEFINE_float(
    "min_overlap_seconds",
    annotations.MIN_OVERLAP_SECONDS,
    "A clip has the label of an event that lasts in it for at least this "
    "long, or for half of the event.",
    lower_bound=0.0,
)

_ANNOTATIONS = ("annotations",)
# As `source_flags` checks them.
SOURCES_OF_FLAG = (
    (
        _SEGMENT_SECONDS,
        (
            "csv",
            "folder",
            "esc",
            "urbansound8k",
            "speech_commands",
            "annotations",
            "fsd50k",
        ),
    ),
    (_ANNOTATIONS_DIR, _ANNOTATIONS),
    (_ANNOTATION_LABEL_COLUMN, _ANNOTATIONS),
    (_MIN_OVERLAP_SECONDS, _ANNOTATIONS),
)


def is_cut() -> bool:
    """Whether the flags ask to cut whole files."""
    return _SEGMENT_SECONDS.value is not None


def cutter(clip_seconds: float, decoder: str) -> Cutter:
    """What cuts recordings.

    Args:
        clip_seconds: float. Of every clip.
        decoder: str. One of `ofa_aec_tf.audio.DECODERS`.

    Raises:
        ValueError: if segments are longer than clips, or have no length.
    """
    if not 0 < clip_seconds < math.inf:
        raise ValueError(
            f"--clip_seconds must be positive. Received: {clip_seconds:g}"
        )
    segment_seconds = clip_seconds
    if is_cut():
        segment_seconds = _SEGMENT_SECONDS.value
    if not 0 < segment_seconds <= clip_seconds:
        raise ValueError(
            "--segment_seconds must be positive, and at most "
            f"--clip_seconds={clip_seconds:g}: the rest of a segment would be "
            f"lost. Received: --segment_seconds={segment_seconds:g}"
        )
    return Cutter(segment_seconds, decoder)


def annotations_source(
    audio_dir, clip_cutter: Cutter, allow_symlinks: bool
) -> sources.Source:
    """The recordings and annotation files that the flags name.

    Args:
        audio_dir: path of the directory of the recordings.
        clip_cutter: Cutter.
        allow_symlinks: bool. Whether links may lead out of it.

    Raises:
        ValueError: as `sources.annotations_source`.
    """
    return sources.annotations_source(
        audio_dir,
        clip_cutter,
        _ANNOTATIONS_DIR.value,
        _ANNOTATION_LABEL_COLUMN.value,
        _MIN_OVERLAP_SECONDS.value,
        allow_symlinks,
    )
