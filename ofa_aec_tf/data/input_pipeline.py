"""tf.data over log-mel TFRecords.

Training reads records at random: the clips of step n are a pure function of
(seed, n), so that a resumed run sees what an uninterrupted one would, at any
parallelism and with no shuffle buffer to fill. Evaluation reads in order.
"""

import os
import pathlib
import threading

import numpy as np
import tensorflow as tf

from ofa_aec_tf import workdir
from ofa_aec_tf.data import augmentation as augmentations
from ofa_aec_tf.data.parsing import parse_records
from ofa_aec_tf.data.records import side_car_path

_FRAME_HEADER_BYTES = 12  # length (8) and its checksum (4)
_FRAME_FOOTER_BYTES = 4


class RandomAccessReader:
    """Reads TFRecords by their number, through the offsets of side-cars.

    Args:
        data_dir: directory with the shards.
        split: SplitInfo.

    Raises:
        ValueError: if a shard or its side-car is missing or of another size
            than `dataset.json` says.
    """

    def __init__(self, data_dir, split):
        self._paths = []
        files, offsets, lengths = [], [], []
        for shard in split.shards:
            path = pathlib.Path(data_dir) / shard.file
            side_car = side_car_path(path)
            if not path.is_file() or path.stat().st_size != shard.num_bytes:
                size = path.stat().st_size if path.is_file() else "no file"
                raise ValueError(
                    f"{path} should have {shard.num_bytes} bytes. "
                    f"Received: {size}. Preprocess again: finished shards are "
                    "kept."
                )
            if not side_car.is_file():
                raise ValueError(
                    f"{side_car}, the offsets of its shard, is missing. "
                    "Preprocess again."
                )
            starts = workdir.read_json(side_car)["offsets"]
            ends = [*starts[1:], shard.num_bytes]
            files += [len(self._paths)] * len(starts)
            offsets += starts
            lengths += [end - start for start, end in zip(starts, ends)]
            self._paths.append(path)
        self._files = np.array(files)
        self._offsets = np.array(offsets, np.int64) + _FRAME_HEADER_BYTES
        self._lengths = (
            np.array(lengths, np.int64)
            - _FRAME_HEADER_BYTES
            - _FRAME_FOOTER_BYTES
        )
        self._descriptors = {}
        self._lock = threading.Lock()

    def __len__(self):
        return len(self._offsets)

    def _descriptor(self, file):
        with self._lock:
            if file not in self._descriptors:
                self._descriptors[file] = os.open(
                    self._paths[file], os.O_RDONLY
                )
            return self._descriptors[file]

    def read(self, numbers):
        """Serialized Examples.

        Args:
            numbers: int array of record numbers in the split.

        Returns:
            object array of bytes, of the same shape.
        """
        return np.array(
            [
                # pread leaves the file position alone: threads may share it.
                os.pread(
                    self._descriptor(self._files[n]),
                    self._lengths[n],
                    self._offsets[n],
                )
                for n in numbers
            ],
            object,
        )


def clip_numbers(step, batch_size, num_clips, seed):
    """Which clips are in the batch of a step.

    Every pass over the split is a permutation of its own; a batch may reach
    from one pass into the next.

    Args:
        step: scalar int64 tensor.
        batch_size: int.
        num_clips: int. Clips of the split.
        seed: int.

    Returns:
        int64 tensor of shape (batch_size,), in 0 ... num_clips - 1.
    """
    positions = step * batch_size + tf.range(batch_size, dtype=tf.int64)
    passes = tf.cast(positions // num_clips, tf.int32)
    # Hashed first: the shuffle itself mixes few bits, and with a key such as
    # (0, 1, 0) it leaves most clips beside the same neighbours.
    keys = tf.map_fn(
        lambda number: tf.random.stateless_uniform(
            (3,), tf.stack([seed, number]), None, None, tf.int32
        ),
        passes,
    )
    # `tf.random.experimental.index_shuffle` takes one seed for all indices.
    return tf.raw_ops.RandomIndexShuffle(
        index=positions % num_clips,
        seed=keys,
        max_index=tf.constant(num_clips - 1, tf.int64),
    )


def make_train_dataset(
    data_dir,
    info,
    batch_size,
    first_step,
    last_step,
    seed,
    augmentation,
    split="train",
):
    """Training batches, from one step up to another.

    Args:
        data_dir: directory with `dataset.json`.
        info: DatasetInfo of that directory.
        batch_size: int.
        first_step: int. Step of the first batch.
        last_step: int. The step after that of the last batch.
        seed: int.
        augmentation: AugmentationConfig.
        split: str.

    Returns:
        tf.data.Dataset of dicts with `log_mel`, float32 of shape (batch_size,
        num_frames, num_mel_bins), and `labels`, float32 of shape (batch_size,
        num_classes).
    """
    reader = RandomAccessReader(data_dir, info.split(split))
    mel_mean_db = tf.constant(info.mel_mean_db, tf.float32)

    def batch_of_step(step):
        numbers = clip_numbers(step, batch_size, len(reader), seed)
        serialized = tf.numpy_function(
            reader.read, [numbers], tf.string, stateful=False
        )
        batch = parse_records(
            tf.ensure_shape(serialized, (batch_size,)),
            info.num_frames,
            info.frontend.num_mel_bins,
            len(info.class_map),
        )
        log_mel, labels = augmentations.augment_batch(
            batch["log_mel"],
            batch["labels"],
            mel_mean_db,
            augmentation,
            tf.stack([tf.constant(seed, tf.int32), tf.cast(step, tf.int32)]),
        )
        return {"log_mel": log_mel, "labels": labels}

    return (
        tf.data.Dataset.range(first_step, last_step)
        .map(batch_of_step, num_parallel_calls=2, deterministic=True)
        .prefetch(2)
    )


def make_eval_dataset(data_dir, info, split, batch_size, max_clips=None):
    """The clips of a split in order.

    Args:
        data_dir: directory with `dataset.json`.
        info: DatasetInfo of that directory.
        split: str.
        batch_size: int. The last batch may be smaller.
        max_clips: int or None. Only the first so many clips.

    Returns:
        tf.data.Dataset of dicts with `id`, `log_mel` and `labels`.
    """
    shards = info.split(split).shards
    files = [str(pathlib.Path(data_dir) / shard.file) for shard in shards]
    records = tf.data.TFRecordDataset(files)
    if max_clips is not None:
        records = records.take(max_clips)
    return (
        records.batch(batch_size)
        .map(
            lambda serialized: parse_records(
                serialized,
                info.num_frames,
                info.frontend.num_mel_bins,
                len(info.class_map),
            ),
            num_parallel_calls=2,
            deterministic=True,
        )
        .prefetch(2)
    )


def load_split(data_dir, info, split, max_clips=None, seed=None):
    """Clips of a split as arrays, for what goes over them many times.

    Args:
        data_dir: directory with `dataset.json`.
        info: DatasetInfo of that directory.
        split: str.
        max_clips: int or None. At most so many clips.
        seed: int or None. With it, a random choice of them, else the first.

    Returns:
        `(log_mel, labels, ids)`: float32 arrays of shapes (clips, num_frames,
        num_mel_bins) and (clips, num_classes), and a list of str.
    """
    reader = RandomAccessReader(data_dir, info.split(split))
    numbers = np.arange(len(reader))
    if max_clips is not None and max_clips < len(numbers):
        if seed is not None:
            numbers = np.random.default_rng(seed).permutation(numbers)
        numbers = np.sort(numbers[:max_clips])
    batch = parse_records(
        tf.constant(reader.read(numbers)),
        info.num_frames,
        info.frontend.num_mel_bins,
        len(info.class_map),
    )
    ids = [clip_id.decode() for clip_id in batch["id"].numpy()]
    return batch["log_mel"].numpy(), batch["labels"].numpy(), ids
