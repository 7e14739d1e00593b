"""Command: labelled audio to sharded TFRecords of log-mel spectrograms.

    python -m data_pipeline.preprocess --source=csv --audio_dir=sounds \\
        --labels_csv=labels.csv --output_dir=data/sounds --clip_seconds=5
"""

import os
from collections import Counter

from absl import flags

from data_pipeline import job
from data_pipeline import mixtures
from data_pipeline import sources
from data_pipeline import splits
from data_pipeline import synthetic_events
from data_pipeline.config import PreprocessConfig
from ofa_aec_tf import command_line
from ofa_aec_tf.data import dataset_info
from ofa_aec_tf.data.class_map import ClassMap
from ofa_aec_tf.frontend import FrontendConfig

_DEFAULTS = FrontendConfig()
_FILE_SOURCES = ("csv", "folder", "esc")

_SOURCE = flags.DEFINE_enum(
    "source",
    None,
    (*_FILE_SOURCES, "synthetic", "mixture"),
    "csv: --audio_dir and --labels_csv; folder: a sub-directory of "
    "--audio_dir for each class; esc: ESC-10 or ESC-50 in --audio_dir; "
    "synthetic: generated events mixed into multi-label clips; mixture: "
    "events of --event_source mixed likewise.",
    required=True,
)
_EVENT_SOURCE = flags.DEFINE_enum(
    "event_source",
    None,
    _FILE_SOURCES,
    "Where the events of --source=mixture come from.",
)
_AUDIO_DIR = flags.DEFINE_string(
    "audio_dir", None, "Directory of the audio files."
)
_LABELS_CSV = flags.DEFINE_string(
    "labels_csv",
    None,
    "CSV file with the columns filename (relative to --audio_dir), labels "
    "(separated by ;) and optionally split or fold.",
)
_OUTPUT_DIR = flags.DEFINE_string(
    "output_dir", None, "Directory for the TFRecords.", required=True
)
_CLIP_SECONDS = flags.DEFINE_float(
    "clip_seconds",
    10.0,
    "Length of every clip: longer ones are cropped, shorter ones padded.",
)
_CLASSES = flags.DEFINE_list(
    "classes",
    None,
    "Classes in the order of the model's outputs. By default all labels, "
    "sorted (esc: by target).",
)
_LABEL_TYPE = flags.DEFINE_enum(
    "label_type",
    None,
    (dataset_info.MULTI_LABEL, dataset_info.SINGLE_LABEL),
    "By default single_label for esc and folder, else multi_label.",
)
_TRAIN_FOLDS = flags.DEFINE_list("train_folds", [], "Folds for training.")
_VALIDATION_FOLDS = flags.DEFINE_list(
    "validation_folds", [], "Folds for validation."
)
_TEST_FOLDS = flags.DEFINE_list("test_folds", [], "Folds for testing.")
_VALIDATION_FRACTION = flags.DEFINE_float(
    "validation_fraction",
    0.1,
    "Share of the clips for validation, chosen by a hash of their names, "
    "where there are neither folds nor a split column.",
)
_TEST_FRACTION = flags.DEFINE_float(
    "test_fraction", 0.1, "Share of the clips for testing, likewise."
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
_NUM_SHARDS = flags.DEFINE_integer(
    "num_shards",
    None,
    "TFRecord files of each split. By default one for about "
    f"{job.CLIPS_PER_SHARD} clips, and at least {job.MIN_SHARDS}.",
    lower_bound=1,
)
_NUM_WORKERS = flags.DEFINE_integer(
    "num_workers", os.cpu_count(), "Processes.", lower_bound=1
)
_SAMPLE_RATE_HZ = flags.DEFINE_integer(
    "sample_rate_hz", _DEFAULTS.sample_rate_hz, "Rate of the waveforms."
)
_WINDOW_SAMPLES = flags.DEFINE_integer(
    "window_samples", _DEFAULTS.window_samples, "Length of window and FFT."
)
_HOP_SAMPLES = flags.DEFINE_integer(
    "hop_samples", _DEFAULTS.hop_samples, "Distance between two frames."
)
_NUM_MEL_BINS = flags.DEFINE_integer(
    "num_mel_bins", _DEFAULTS.num_mel_bins, "Mel bands."
)
_MIN_FREQUENCY_HZ = flags.DEFINE_float(
    "min_frequency_hz", _DEFAULTS.min_frequency_hz, "Lower edge of the bands."
)
_MAX_FREQUENCY_HZ = flags.DEFINE_float(
    "max_frequency_hz", _DEFAULTS.max_frequency_hz, "Upper edge of the bands."
)

_NEEDS_AUDIO = (*_FILE_SOURCES, "mixture")
_MIXES = ("synthetic", "mixture")
# A flag that is given but cannot matter is a misunderstanding, and an error.
_SOURCES_OF_FLAG = (
    (_EVENT_SOURCE, ("mixture",)),
    (_AUDIO_DIR, _NEEDS_AUDIO),
    (_LABELS_CSV, ("csv", "mixture")),
    (_TRAIN_FOLDS, _NEEDS_AUDIO),
    (_VALIDATION_FOLDS, _NEEDS_AUDIO),
    (_TEST_FOLDS, _NEEDS_AUDIO),
    (_VALIDATION_FRACTION, _NEEDS_AUDIO),
    (_TEST_FRACTION, _NEEDS_AUDIO),
    (_LABEL_TYPE, _FILE_SOURCES),
    (_NUM_TRAIN, _MIXES),
    (_NUM_VALIDATION, _MIXES),
    (_NUM_TEST, _MIXES),
    (_SEED, _MIXES),
)


def _check_flags():
    source = _SOURCE.value
    for flag, allowed in _SOURCES_OF_FLAG:
        if flag.present and source not in allowed:
            raise ValueError(
                f"--{flag.name} is for --source={'|'.join(allowed)}. "
                f"Received: --source={source}"
            )
    reads_csv = "csv" in (source, _EVENT_SOURCE.value)
    if _LABELS_CSV.present and not reads_csv:
        raise ValueError("--labels_csv needs --event_source=csv.")
    required = []
    if source in _NEEDS_AUDIO:
        required.append(_AUDIO_DIR)
    if source == "mixture":
        required.append(_EVENT_SOURCE)
    if reads_csv:
        required.append(_LABELS_CSV)
    for flag in required:
        if not flag.value:
            raise ValueError(f"--source={source} needs --{flag.name}.")


def _folds(flag):
    try:
        return [int(text) for text in flag.value]
    except ValueError:
        raise ValueError(
            f"--{flag.name} must be integers, such as --{flag.name}=1,2. "
            f"Received: {','.join(flag.value)}"
        ) from None


def _read_rows(kind):
    """Rows with splits, and the classes in their order."""
    folds = {
        splits.TRAIN: _folds(_TRAIN_FOLDS),
        splits.VALIDATION: _folds(_VALIDATION_FOLDS),
        splits.TEST: _folds(_TEST_FOLDS),
    }
    class_names = None
    if kind == "csv":
        rows = sources.csv_rows(_AUDIO_DIR.value, _LABELS_CSV.value)
    elif kind == "folder":
        rows = sources.folder_rows(_AUDIO_DIR.value)
    else:
        rows, class_names = sources.esc_rows(_AUDIO_DIR.value)
    for flag in (_VALIDATION_FRACTION, _TEST_FRACTION):
        if flag.present and (
            any(folds.values()) or any(row.split for row in rows)
        ):
            raise ValueError(
                f"--{flag.name} is for clips without folds and without a "
                "split column. Leave it out."
            )
    class_names = class_names or tuple(
        sorted({name for row in rows for name in row.labels})
    )
    rows = splits.assign(
        rows, folds, _VALIDATION_FRACTION.value, _TEST_FRACTION.value
    )
    return rows, class_names


def _read_clips():
    """Clips with splits, the classes in their order and the label type."""
    source = _SOURCE.value
    num_clips = {
        splits.TRAIN: _NUM_TRAIN.value,
        splits.VALIDATION: _NUM_VALIDATION.value,
        splits.TEST: _NUM_TEST.value,
    }
    if source == "synthetic":
        clips = mixtures.plan_synthetic(num_clips, _SEED.value)
        return (
            clips,
            synthetic_events.EVENT_CLASSES,
            dataset_info.MULTI_LABEL,
        )
    if source == "mixture":
        rows, class_names = _read_rows(_EVENT_SOURCE.value)
        clips = mixtures.plan_from_rows(rows, num_clips, _SEED.value)
        return clips, class_names, dataset_info.MULTI_LABEL
    rows, class_names = _read_rows(source)
    label_type = _LABEL_TYPE.value or (
        dataset_info.MULTI_LABEL
        if source == "csv"
        else dataset_info.SINGLE_LABEL
    )
    return rows, class_names, label_type


def _source_record():
    """The flags that decided which clips there are, as far as given."""
    record = {_SOURCE.name: _SOURCE.value}
    for flag, allowed in _SOURCES_OF_FLAG:
        if flag.present or (flag is _SEED and _SOURCE.value in allowed):
            record[flag.name] = flag.value
    return record


def _print_summary(result, output_dir):
    dataset = result.dataset
    rows = [("split", "clips", "shards", "MiB")]
    for name, split in dataset.splits.items():
        num_bytes = sum(shard.num_bytes for shard in split.shards)
        rows.append(
            (
                name,
                str(split.num_clips),
                str(len(split.shards)),
                f"{num_bytes / 2**20:.1f}",
            )
        )
    print()
    for name, *numbers in rows:
        print(f"{name:<12}" + "".join(f"{number:>8}" for number in numbers))
    num_clips = sum(split.num_clips for split in dataset.splits.values())
    print()
    print(f"classes      {len(dataset.class_map)} ({dataset.label_type})")
    untrained = [
        name
        for name, count in zip(
            dataset.class_map.names, dataset.split(splits.TRAIN).class_counts
        )
        if not count
    ]
    if untrained:
        print(f"untrained    no training clip has {', '.join(untrained)}")
    codes = Counter(letter["code"] for letter in result.dead_letters)
    counts = ", ".join(f"{n} {code}" for code, n in sorted(codes.items()))
    print(f"left out     {sum(codes.values())}" + (counts and f" ({counts})"))
    num_written = num_clips - result.num_reused
    print(
        f"speed        {num_written / result.seconds:.0f} clips/s "
        f"({num_written} written in {result.seconds:.1f} s, "
        f"{result.num_reused} kept from an earlier run)"
    )
    print(f"written to   {output_dir}")
    if codes:
        print(f"left-out clips are listed in {output_dir}/{job.DEAD_LETTERS}")


def main(unused_arguments):
    """Preprocesses as the flags say."""
    _check_flags()
    frontend_config = FrontendConfig(
        sample_rate_hz=_SAMPLE_RATE_HZ.value,
        window_samples=_WINDOW_SAMPLES.value,
        hop_samples=_HOP_SAMPLES.value,
        num_mel_bins=_NUM_MEL_BINS.value,
        min_frequency_hz=_MIN_FREQUENCY_HZ.value,
        max_frequency_hz=_MAX_FREQUENCY_HZ.value,
    )
    clips, class_names, label_type = _read_clips()
    config = PreprocessConfig(
        frontend=frontend_config,
        clip_seconds=_CLIP_SECONDS.value,
        class_map=ClassMap(tuple(_CLASSES.value or class_names)),
        label_type=label_type,
    )
    result = job.run(
        clips,
        config,
        _OUTPUT_DIR.value,
        _source_record(),
        num_shards=_NUM_SHARDS.value,
        num_workers=_NUM_WORKERS.value,
    )
    _print_summary(result, _OUTPUT_DIR.value)


if __name__ == "__main__":
    command_line.run(main)
