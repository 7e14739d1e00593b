"""Statistics of all records of a data set."""

import csv
import dataclasses
import io
import pathlib
from collections.abc import Iterable

import numpy as np
import tqdm

from ofa_aec_tf.data import sampling
from ofa_aec_tf.data.dataset_info import DatasetInfo
from ofa_aec_tf.data.record_reader import RandomAccessReader
from ofa_aec_tf.runs import workdir

STATISTICS = "statistics.json"
MEL_TABLE = "mel_bands.csv"
CLASS_TABLE = "class_counts.csv"
WEIGHTS = "sampling_weights.json"
WEIGHT_TABLE = "sampling_weights.csv"


@dataclasses.dataclass(frozen=True)
class SplitStatistics:
    """Statistics of one split.

    Args:
        clip_ids: list of str in the order of the records.
        class_counts: int64 array of shape (num_classes,).
        clip_weights: float64 array of shape (num_clips,), as in
            `sampling.clip_weights`.
        mel_mean_db: float64 array of shape (num_mel_bins,).
        mel_std_db: float64 array of shape (num_mel_bins,).
    """

    clip_ids: list[str]
    class_counts: np.ndarray
    clip_weights: np.ndarray
    mel_mean_db: np.ndarray
    mel_std_db: np.ndarray


def compute(data_dir, info: DatasetInfo) -> dict[str, SplitStatistics]:
    """Computes statistics of all records.

    Args:
        data_dir: directory with `dataset.json`.
        info: DatasetInfo of that directory.

    Returns:
        dict from the name of every split with clips to SplitStatistics.

    Raises:
        ValueError: if a record is damaged.
    """
    return {
        name: _of_split(RandomAccessReader(data_dir, info, name))
        for name, split in info.splits.items()
        if split.num_clips
    }


def _of_split(reader):
    num_frames, num_mel_bins = reader.clip_shape
    clip_ids = []
    sums, squares = np.zeros((2, num_mel_bins))
    for number in tqdm.trange(len(reader), unit="clip", disable=None):
        record = reader.read_record(number)
        clip_ids.append(record.clip_id)
        values = record.log_mel.astype(np.float64)
        sums += values.sum(axis=0)
        squares += np.square(values).sum(axis=0)
    mean = sums / (num_frames * len(reader))
    variance = squares / (num_frames * len(reader)) - mean**2
    labels = reader.labels()
    return SplitStatistics(
        clip_ids,
        labels.class_counts(reader.num_classes),
        sampling.clip_weights(labels, reader.num_classes),
        mean,
        np.sqrt(np.maximum(variance, 0)),
    )


def write(
    output_dir, info: DatasetInfo, statistics: dict[str, SplitStatistics]
) -> list[pathlib.Path]:
    """Writes statistics as JSON and as tables.

    Args:
        output_dir: path of a directory; it is created.
        info: DatasetInfo.
        statistics: dict, as of `compute`.

    Returns:
        list of the paths that were written.
    """
    names = info.class_map.names
    tables = {
        MEL_TABLE: (
            ("split", "band", "mean_db", "std_db"),
            (
                (split, band, mean, std)
                for split, values in statistics.items()
                for band, (mean, std) in enumerate(
                    zip(values.mel_mean_db, values.mel_std_db)
                )
            ),
        ),
        CLASS_TABLE: (
            ("index", "class", *statistics),
            (
                (
                    index,
                    name,
                    *(s.class_counts[index] for s in statistics.values()),
                )
                for index, name in enumerate(names)
            ),
        ),
        WEIGHT_TABLE: (
            ("split", "clip_id", "weight"),
            (
                (split, clip_id, weight)
                for split, values in statistics.items()
                for clip_id, weight in zip(values.clip_ids, values.clip_weights)
            ),
        ),
    }
    objects = {
        STATISTICS: {
            "data_fingerprint": info.fingerprint,
            "class_names": list(names),
            "splits": {
                split: {
                    "num_clips": len(values.clip_ids),
                    "class_counts": values.class_counts.tolist(),
                    "class_weights": sampling.class_weights(
                        values.class_counts
                    ).tolist(),
                    "mel_mean_db": values.mel_mean_db.tolist(),
                    "mel_std_db": values.mel_std_db.tolist(),
                }
                for split, values in statistics.items()
            },
        },
        WEIGHTS: {
            "data_fingerprint": info.fingerprint,
            "count_epsilon": sampling.COUNT_EPSILON,
            "weights": {
                split: dict(zip(values.clip_ids, values.clip_weights.tolist()))
                for split, values in statistics.items()
            },
        },
    }
    output_dir = pathlib.Path(output_dir)
    for name, value in objects.items():
        workdir.write_json(output_dir / name, value)
    for name, (header, rows) in tables.items():
        workdir.write_text(output_dir / name, _csv_text(header, rows))
    return [output_dir / name for name in (*objects, *tables)]


def _csv_text(header, rows: Iterable) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    return text.getvalue()
