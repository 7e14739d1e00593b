"""Reads the records of a split by their number, without TensorFlow."""

import dataclasses
import os
import pathlib

import numpy as np
from absl import logging

from ofa_aec_tf.data import records
from ofa_aec_tf.data.dataset_info import DatasetInfo
from ofa_aec_tf.data.dataset_info import ShardInfo
from ofa_aec_tf.data.open_files import OpenFiles
from ofa_aec_tf.runs import workdir

_NUM_LISTED = 5


@dataclasses.dataclass(frozen=True)
class ClipLabels:
    """The labels of all clips of a split, as pairs of clip and class.

    Args:
        clips: int64 array of shape (num_labels,). For each label the number of
            its clip, ascending.
        classes: int64 array of shape (num_labels,). For each label its class.
        num_clips: int. Clips without a label included.
    """

    clips: np.ndarray
    classes: np.ndarray
    num_clips: int

    def class_counts(self, num_classes: int) -> np.ndarray:
        """int64 array of shape (num_classes,), the clips of each class."""
        return np.bincount(self.classes, minlength=num_classes)

    def with_none_as_class(self, num_classes: int) -> "ClipLabels":
        """The same labels, and one more class for the clips without any.

        Args:
            num_classes: int. The index of that class.
        """
        unlabelled = np.setdiff1d(np.arange(self.num_clips), self.clips)
        clips = np.concatenate([self.clips, unlabelled])
        classes = np.concatenate(
            [self.classes, np.full_like(unlabelled, num_classes)]
        )
        order = np.argsort(clips, kind="stable")
        return ClipLabels(clips[order], classes[order], self.num_clips)

    def of_clips(self, kept: np.ndarray) -> "ClipLabels":
        """The labels of some clips, which are renumbered.

        Args:
            kept: bool array of shape (num_clips,).
        """
        new_numbers = np.cumsum(kept) - 1
        chosen = kept[self.clips]
        return ClipLabels(
            new_numbers[self.clips[chosen]],
            self.classes[chosen],
            int(np.count_nonzero(kept)),
        )


def read_side_car(data_dir, shard: ShardInfo) -> dict:
    """The side-car of a shard, its offsets checked.

    Args:
        data_dir: directory with the shards.
        shard: ShardInfo.

    Returns:
        dict, as `records.RecordFileWriter.finish` gives it.

    Raises:
        ValueError: if it is missing, no JSON object, or its offsets cannot be
            those of the shard.
    """
    path = records.side_car_path(pathlib.Path(data_dir) / shard.file)
    if not path.is_file():
        raise ValueError(
            f"{path}, with the offsets of records, is missing. Preprocess "
            "again: finished shards are kept."
        )
    side_car = workdir.read_json(path)
    offsets = side_car.get("offsets") if isinstance(side_car, dict) else None
    if (
        not isinstance(offsets, list)
        or len(offsets) != shard.num_records
        or not all(isinstance(offset, int) for offset in offsets)
        or any(a >= b for a, b in zip(offsets, [*offsets[1:], shard.num_bytes]))
        or offsets[:1] not in ([], [0])
    ):
        raise ValueError(
            f"{path} must have the offsets of {shard.num_records} records in "
            f"{shard.num_bytes} bytes, ascending from 0. Restore it, or "
            "preprocess again."
        )
    return side_car


class RandomAccessReader:
    """Reads clips by their number, at the offsets that side-cars list.

    Every read checks the length and the checksums of the record. Several
    threads may use one reader.

    Args:
        data_dir: directory with the shards.
        info: DatasetInfo of that directory.
        split: str.
        skip_corrupt: bool. Whether damaged records are skipped and the others
            renumbered; all records are read once to find them. By default,
            reading a damaged record is an error.

    Attributes:
        clip_shape: tuple of int, `(num_frames, num_mel_bins)`.
        num_classes: int.

    Raises:
        ValueError: if the split is empty; if a shard is missing, or its size
            differs from `dataset.json` (not with `skip_corrupt`); if its
            side-car is missing or damaged; if all records are damaged.
    """

    def __init__(
        self, data_dir, info: DatasetInfo, split: str, skip_corrupt=False
    ):
        self._data_dir = pathlib.Path(data_dir)
        self._shards = info.split(split).shards
        self._split = split
        self.clip_shape = (info.num_frames, info.frontend.num_mel_bins)
        self.num_classes = len(info.class_map)
        self._paths = []
        files, starts, sizes = [], [], []
        for shard in self._shards:
            path = self._data_dir / shard.file
            _check_size(path, shard.num_bytes, skip_corrupt)
            offsets = read_side_car(data_dir, shard)["offsets"]
            files.append(np.full(len(offsets), len(self._paths)))
            starts.append(np.array(offsets, np.int64))
            sizes.append(np.diff(starts[-1], append=shard.num_bytes))
            self._paths.append(path)
        self._files = np.concatenate(files)
        self._offsets = np.concatenate(starts)
        self._sizes = np.concatenate(sizes)
        self._open_files = OpenFiles()
        self._kept = None
        if skip_corrupt:
            self._skip_damaged()

    def __len__(self):
        return len(self._offsets)

    def __del__(self):
        # Missing if the shards were refused.
        if hasattr(self, "_open_files"):
            self._open_files.close()

    def _skip_damaged(self):
        kept = np.ones(len(self), bool)
        errors = []
        for number in range(len(self)):
            try:
                self.read_record(number)
            except records.RecordError as error:
                kept[number] = False
                errors.append(error)
        logging.log(
            logging.WARNING if errors else logging.INFO,
            "%d of %d records of the split %s are damaged and skipped",
            len(errors),
            len(self),
            self._split,
        )
        for error in errors[:_NUM_LISTED]:
            logging.warning(
                "skipped: %s, byte %d: %s",
                error.path,
                error.offset,
                error.problem,
            )
        if not kept.any():
            raise ValueError(
                f"All {len(self)} records of the split {self._split!r} are "
                f"damaged. The first: {errors[0]}"
            )
        self._files = self._files[kept]
        self._offsets = self._offsets[kept]
        self._sizes = self._sizes[kept]
        self._kept = kept

    def location(self, number) -> tuple[pathlib.Path, int]:
        """Path of the shard of a record, and its offset there in bytes."""
        return self._paths[self._files[number]], int(self._offsets[number])

    def read_record(self, number) -> records.Record:
        """One clip.

        Args:
            number: int, in 0 ... len(self) - 1.

        Raises:
            RecordError: if the record is damaged.
        """
        path, offset = self.location(number)
        num_bytes = int(self._sizes[number])
        with self._open_files.opened(path) as descriptor:
            frame = os.pread(descriptor, num_bytes, offset)
        if len(frame) < num_bytes:
            raise records.RecordError(
                path,
                offset,
                f"it ends early: {num_bytes} bytes with its checksums, of "
                f"which the file has {len(frame)}",
            )
        return records.decode_record(
            records.unframe_record(frame, path, offset),
            path,
            offset,
            self.clip_shape,
            self.num_classes,
        )

    def read(self, numbers):
        """Some clips.

        Args:
            numbers: int array of shape (batch,).

        Returns:
            `(ids, log_mel, labels)`: object array of bytes of shape (batch,),
            float16 array of shape (batch, num_frames, num_mel_bins), in dB,
            and float32 array of shape (batch, num_classes), 1 for the classes
            of a clip.

        Raises:
            RecordError: if one of the records is damaged.
        """
        ids = np.empty(len(numbers), object)
        log_mel = np.empty((len(numbers), *self.clip_shape), np.float16)
        labels = np.zeros((len(numbers), self.num_classes), np.float32)
        for row, number in enumerate(numbers):
            record = self.read_record(number)
            ids[row] = record.clip_id.encode()
            log_mel[row] = record.log_mel
            labels[row, list(record.labels)] = 1
        return ids, log_mel, labels

    def labels(self) -> ClipLabels:
        """The labels of all clips, from the side-cars or else the records.

        Raises:
            ValueError: if the labels in a side-car do not fit its shard.
            RecordError: if a record that has to be read is damaged.
        """
        parts = []
        for shard in self._shards:
            listed = read_side_car(self._data_dir, shard).get("labels")
            if listed is None:
                logging.info(
                    "%s lists no labels: reading all %d records for them",
                    records.side_car_path(self._data_dir / shard.file),
                    len(self),
                )
                return _clip_labels(
                    [
                        _flatten(
                            self.read_record(number).labels
                            for number in range(len(self))
                        )
                    ]
                )
            self._check_labels(shard, listed)
            parts.append(_flatten(listed))
        labels = _clip_labels(parts)
        return labels if self._kept is None else labels.of_clips(self._kept)

    def _check_labels(self, shard, listed):
        path = records.side_car_path(self._data_dir / shard.file)
        if not isinstance(listed, list) or len(listed) != shard.num_records:
            raise ValueError(
                f"{path} must list the labels of {shard.num_records} records. "
                "Restore it, or preprocess again."
            )
        for labels in listed:
            if not isinstance(labels, list) or not all(
                isinstance(label, int) and 0 <= label < self.num_classes
                for label in labels
            ):
                raise ValueError(
                    f"{path} must list labels as class indices from 0 to "
                    f"{self.num_classes - 1}. Received: {labels}. Restore "
                    "it, or preprocess again."
                )


def _check_size(path, num_bytes, may_be_shorter):
    if not path.is_file():
        size = "no file"
    elif path.stat().st_size == num_bytes or may_be_shorter:
        return
    else:
        size = path.stat().st_size
    raise ValueError(
        f"{path} should have {num_bytes} bytes. Received: {size}. Preprocess "
        "again: finished shards are kept."
    )


def _flatten(labels_of_clips) -> tuple[np.ndarray, np.ndarray]:
    """The number of labels of each clip, and all labels."""
    counts, classes = [], []
    for labels in labels_of_clips:
        counts.append(len(labels))
        classes += labels
    return np.array(counts, np.int64), np.array(classes, np.int64)


def _clip_labels(parts) -> ClipLabels:
    counts, classes = map(np.concatenate, zip(*parts))
    return ClipLabels(
        np.repeat(np.arange(len(counts)), counts), classes, len(counts)
    )
