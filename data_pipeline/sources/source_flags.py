"""Flags that choose the clips of a job, and the clips that they choose."""

import dataclasses
import itertools
from collections import Counter
from collections.abc import Iterable

from absl import flags

from data_pipeline import sources
from data_pipeline.clips import mixtures
from data_pipeline.clips import splits
from data_pipeline.clips import synthetic_events
from data_pipeline.clips.class_names import clean
from data_pipeline.clips.clip import Clip
from data_pipeline.clips.clip import SkippedRow
from data_pipeline.clips.cutting import Cutter
from data_pipeline.sources import csv_flags
from data_pipeline.sources import segment_flags
from data_pipeline.sources import split_flags
from data_pipeline.sources.files.presence import check_files_are_there
from ofa_aec_tf import audio
from ofa_aec_tf.command_flags import path_flags
from ofa_aec_tf.data import dataset_info

_FOLD_SOURCES = ("csv", "folder", "esc", "urbansound8k")
_LIST_SOURCES = (*_FOLD_SOURCES, "speech_commands", "annotations")
_SPLIT_SOURCES = ("audioset", "fsd50k")
_FILE_SOURCES = (*_LIST_SOURCES, *_SPLIT_SOURCES)
_MIXES = ("synthetic", "mixture")
# Those of one class a clip.
_SINGLE_LABEL_SOURCES = ("folder", "esc", "urbansound8k", "speech_commands")
# Published for cross-validation, of which one division is usual.
_USUAL_FOLD_SOURCES = ("urbansound8k",)

_SOURCE = flags.DEFINE_enum(
    "source",
    None,
    (*_FILE_SOURCES, *_MIXES),
    "csv: --audio_dir and --labels_csv; folder: a sub-directory of "
    "--audio_dir for each class; esc: ESC-10 or ESC-50 in --audio_dir; "
    "urbansound8k, speech_commands: these sets as they are published, in "
    "--audio_dir; annotations: long recordings in --audio_dir with annotation "
    "files; "
    "audioset: --audio_dir, --class_labels_csv and segments tables; fsd50k: "
    "FSD50K in --audio_dir; synthetic: generated events mixed into "
    "multi-label clips; mixture: events of --event_source mixed likewise.",
    required=True,
)
_EVENT_SOURCE = flags.DEFINE_enum(
    "event_source",
    None,
    _FILE_SOURCES,
    "Where the events of --source=mixture come from.",
)
_AUDIO_DIR = path_flags.define_path(
    "audio_dir", None, "Directory of the audio files."
)
_ALLOW_SYMLINKS = flags.DEFINE_bool(
    "allow_symlinks",
    False,
    "Whether symbolic links may lead out of --audio_dir.",
)
_DECODER = flags.DEFINE_enum(
    "decoder",
    "auto",
    audio.DECODERS,
    "auto: libsndfile, and PyAV where that is better or the other fails; "
    "soundfile, av: that one alone; tfio: tensorflow-io, in an environment "
    "with TensorFlow 2.16.",
)
_CLASS_LABELS_CSV = path_flags.define_path(
    "class_labels_csv", None, "AudioSet's class_labels_indices.csv."
)
_TRAIN_SEGMENTS = path_flags.define_paths(
    "train_segments",
    [],
    "Segments tables of AudioSet to train on, such as "
    "balanced_train_segments.csv.",
)
_VALIDATION_SEGMENTS = path_flags.define_paths(
    "validation_segments",
    [],
    "Segments tables of AudioSet of which --validation_fraction of the videos "
    "validate. By default they are taken from --train_segments.",
)
_EVALUATION_SEGMENTS = path_flags.define_paths(
    "evaluation_segments",
    [],
    "Segments tables of AudioSet to test on, such as eval_segments.csv. None "
    "of their videos is used for training.",
)
_BLACKLIST = path_flags.define_path(
    "blacklist",
    None,
    "Videos of AudioSet that must not be used for training: a file with an id "
    "in each line, or a segments table.",
)
_WHOLE_RECORDINGS = flags.DEFINE_bool(
    "whole_recordings",
    False,
    "Whether AudioSet's files are whole videos; by default they are cut to "
    "the segments already.",
)
_CLASSES = flags.DEFINE_list(
    "classes",
    None,
    "Classes in the order of the model's outputs. By default all labels, "
    "sorted (esc, audioset, fsd50k: in the order of the publishers).",
)
_LABEL_TYPE = flags.DEFINE_enum(
    "label_type",
    None,
    (dataset_info.MULTI_LABEL, dataset_info.SINGLE_LABEL),
    "By default single_label for esc, folder, urbansound8k and "
    "speech_commands, else multi_label.",
)
_NUM_TRAIN = flags.DEFINE_integer(
    "num_train", 2000, "Training clips to mix.", lower_bound=1
)
_NUM_VALIDATION = flags.DEFINE_integer(
    "num_validation", 500, "Validation clips to mix.", lower_bound=0
)
_NUM_TEST = flags.DEFINE_integer(
    "num_test", 500, "Test clips to mix.", lower_bound=0
)
_SEED = flags.DEFINE_integer("seed", 0, "Seed of the mixtures.", lower_bound=0)

_AUDIOSET = ("audioset",)
# A flag that is given but cannot matter is a misunderstanding, and an error.
# Of mixtures it is the source of the events that counts.
_SOURCES_OF_FLAG = (
    (_AUDIO_DIR, _FILE_SOURCES),
    (_ALLOW_SYMLINKS, _FILE_SOURCES),
    (_DECODER, _FILE_SOURCES),
    (_CLASS_LABELS_CSV, _AUDIOSET),
    (_TRAIN_SEGMENTS, _AUDIOSET),
    (_VALIDATION_SEGMENTS, _AUDIOSET),
    (_EVALUATION_SEGMENTS, _AUDIOSET),
    (_BLACKLIST, _AUDIOSET),
    (_WHOLE_RECORDINGS, _AUDIOSET),
    *((flag, _FOLD_SOURCES) for flag in split_flags.FOLDS),
    (split_flags.VALIDATION_FRACTION, (*_LIST_SOURCES, "audioset")),
    (split_flags.TEST_FRACTION, _LIST_SOURCES),
    *csv_flags.SOURCES_OF_FLAG,
    *segment_flags.SOURCES_OF_FLAG,
)
_MIXES_OF_FLAG = (
    (_EVENT_SOURCE, ("mixture",)),
    (_LABEL_TYPE, _FILE_SOURCES),
    (_NUM_TRAIN, _MIXES),
    (_NUM_VALIDATION, _MIXES),
    (_NUM_TEST, _MIXES),
    (_SEED, _MIXES),
)
_REQUIRED_BY_SOURCE = {
    "csv": (_AUDIO_DIR, csv_flags.LABELS_CSV),
    "folder": (_AUDIO_DIR,),
    "esc": (_AUDIO_DIR,),
    "urbansound8k": (_AUDIO_DIR,),
    "speech_commands": (_AUDIO_DIR,),
    "annotations": (_AUDIO_DIR,),
    "audioset": (_AUDIO_DIR, _CLASS_LABELS_CSV),
    "fsd50k": (_AUDIO_DIR,),
    "synthetic": (),
}


@dataclasses.dataclass(frozen=True)
class ChosenClips:
    """What the flags choose.

    Args:
        clips: iterable of Clip with splits, and of SkippedRow; read once.
        class_names: tuple of str, or None for all labels, sorted.
        label_type: `"multi_label"` or `"single_label"`.
        notes: Counter of rows of the source that were read otherwise than
            they stand there, by code; complete when the clips are read.
        record: dict of JSON types. The flags, for people.
        unused_columns: tuple of str, as of a Source.
        remarks: tuple of str, as of a Source.
    """

    clips: Iterable[Clip | SkippedRow]
    class_names: tuple[str, ...] | None
    label_type: str
    notes: Counter
    record: dict
    unused_columns: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()


def _check_flags() -> None:
    source = _SOURCE.value
    for flag, allowed in _MIXES_OF_FLAG:
        if flag.present and source not in allowed:
            raise ValueError(
                f"--{flag.name} is for --source={'|'.join(allowed)}. "
                f"Received: --source={source}"
            )
    if source == "mixture" and not _EVENT_SOURCE.value:
        raise ValueError("--source=mixture needs --event_source.")
    name, kind = "source", source
    if source == "mixture":
        name, kind = "event_source", _EVENT_SOURCE.value
    for flag, allowed in _SOURCES_OF_FLAG:
        if flag.present and kind not in allowed:
            raise ValueError(
                f"--{flag.name} is for --{name}={'|'.join(allowed)}. "
                f"Received: --{name}={kind}"
            )
    for flag in _REQUIRED_BY_SOURCE[kind]:
        if not flag.value:
            raise ValueError(f"--{name}={kind} needs --{flag.name}.")


def _open_source(kind: str, cutter: Cutter) -> sources.Source:
    audio_dir, allow_symlinks = _AUDIO_DIR.value, _ALLOW_SYMLINKS.value
    if kind == "csv":
        return csv_flags.csv_source(
            audio_dir,
            _LABEL_TYPE.value == dataset_info.SINGLE_LABEL
            and _SOURCE.value != "mixture",
            allow_symlinks,
        )
    if kind == "folder":
        return sources.folder_source(audio_dir, allow_symlinks)
    if kind == "esc":
        return sources.esc_source(audio_dir, allow_symlinks)
    if kind == "urbansound8k":
        return sources.urbansound8k_source(audio_dir, allow_symlinks)
    if kind == "speech_commands":
        labels = (sources.BACKGROUND,)
        # Where a clip may have no labels it needs no class of its own.
        if _LABEL_TYPE.value == dataset_info.MULTI_LABEL or (
            _SOURCE.value == "mixture"
        ):
            labels = ()
        return sources.speech_commands_source(
            audio_dir, cutter, labels, allow_symlinks
        )
    if kind == "annotations":
        return segment_flags.annotations_source(
            audio_dir, cutter, allow_symlinks
        )
    if kind == "fsd50k":
        return sources.fsd50k_source(audio_dir, allow_symlinks)
    return sources.audioset_source(
        audio_dir,
        _CLASS_LABELS_CSV.value,
        _TRAIN_SEGMENTS.value,
        _EVALUATION_SEGMENTS.value,
        validation_fraction=split_flags.VALIDATION_FRACTION.value,
        validation_segments=_VALIDATION_SEGMENTS.value,
        blacklist=_BLACKLIST.value,
        whole_recordings=_WHOLE_RECORDINGS.value,
        allow_symlinks=allow_symlinks,
    )


def _with_decoder(row):
    if isinstance(row, SkippedRow) or _DECODER.value == row.decoder:
        return row
    return dataclasses.replace(row, decoder=_DECODER.value)


def _count_no_labels(rows: Iterable, notes: Counter) -> Iterable:
    """The rows; and in the end the number of clips of nothing."""
    count = 0
    for row in rows:
        count += not isinstance(row, SkippedRow) and not row.labels
        yield row
    if count:
        notes["no_labels"] = count


def _read_source(kind: str, clip_seconds: float) -> tuple[sources.Source, dict]:
    """The source, its rows with splits, and what its record says of them."""
    # Mistakes in flags are told before files are looked at; and whether the
    # decoder is installed.
    folds = split_flags.chosen_folds()
    audio.decoder_versions(_DECODER.value)
    cutter = segment_flags.cutter(clip_seconds, _DECODER.value)
    source = _open_source(kind, cutter)
    rows = (_with_decoder(row) for row in source.rows)
    facts: dict = {}
    if kind not in _SPLIT_SOURCES:
        rows = list(rows)
        check_files_are_there(rows)
        rows, facts, remarks = split_flags.with_splits(
            rows,
            folds,
            source.notes,
            has_usual_folds=kind in _USUAL_FOLD_SOURCES,
        )
        source = dataclasses.replace(
            source, remarks=(*source.remarks, *remarks)
        )
    if segment_flags.is_cut():
        rows = cutter.cut_all(rows)
    rows = _count_no_labels(rows, source.notes)
    return dataclasses.replace(source, rows=rows), facts


def _record() -> dict:
    """The flags that decided which clips there are, if not by default."""
    record = {_SOURCE.name: _SOURCE.value}
    for flag, _ in (
        (_CLASSES, None),
        *_MIXES_OF_FLAG,
        *_SOURCES_OF_FLAG,
    ):
        is_seed = flag is _SEED and _SOURCE.value in _MIXES
        if flag.value != flag.default or is_seed:
            record[flag.name] = flag.value
    return record


def read(clip_seconds: float) -> ChosenClips:
    """The clips that the flags choose.

    Args:
        clip_seconds: float. Of every clip.

    Returns:
        ChosenClips.

    Raises:
        ValueError: if flags do not fit together, or a table is none.
    """
    _check_flags()
    kind = _SOURCE.value
    classes = tuple(clean(name, "--classes") for name in _CLASSES.value or ())
    num_clips = {
        splits.TRAIN: _NUM_TRAIN.value,
        splits.VALIDATION: _NUM_VALIDATION.value,
        splits.TEST: _NUM_TEST.value,
    }
    label_type = dataset_info.MULTI_LABEL
    source = sources.Source(())
    facts: dict = {}
    if kind == "synthetic":
        clips = mixtures.plan_synthetic(num_clips, _SEED.value)
        class_names = synthetic_events.EVENT_CLASSES
    elif kind == "mixture":
        source, facts = _read_source(_EVENT_SOURCE.value, clip_seconds)
        rows = list(source.rows)
        events = [row for row in rows if not isinstance(row, SkippedRow)]
        skipped = [row for row in rows if isinstance(row, SkippedRow)]
        clips = itertools.chain(
            skipped,
            mixtures.plan_from_rows(events, num_clips, _SEED.value),
        )
        class_names = source.class_names or tuple(
            sorted({name for row in events for name in row.labels})
        )
    else:
        source, facts = _read_source(kind, clip_seconds)
        clips, class_names = source.rows, source.class_names
        if kind in _SINGLE_LABEL_SOURCES:
            label_type = dataset_info.SINGLE_LABEL
        label_type = _LABEL_TYPE.value or label_type
    return ChosenClips(
        clips,
        classes or class_names,
        label_type,
        source.notes,
        {**_record(), **facts},
        source.unused_columns,
        source.remarks,
    )
