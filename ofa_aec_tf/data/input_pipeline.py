"""tf.data over log-mel TFRecords.

Training reads records at random: the clips of step n are a pure function of
(seed, n), so that a resumed run gets the batches of an uninterrupted one, at
any parallelism and without a shuffle buffer. Evaluation reads in order, with
the same reader.
"""

import contextlib
import math
import re
import threading

import numpy as np
import tensorflow as tf

from ofa_aec_tf.checks.argument_checks import check_choice
from ofa_aec_tf.data import augmentation as augmentations
from ofa_aec_tf.data import sampling as samplings
from ofa_aec_tf.data import stored_views
from ofa_aec_tf.data.record_reader import RandomAccessReader
from ofa_aec_tf.data.records import RecordError

_DEFAULT_PARALLELISM = 2
# The longest that a batch may take to read, and that may pass between two.
_READ_SECONDS, _IDLE_SECONDS = 10.0, 0.2
# TensorFlow wraps the errors of Python functions.
_WRAPPED_ERROR = re.compile(rf"{RecordError.__name__}: (.*)")


class _ReadsInBackground:
    """Counts the reads that tf.data's threads are running."""

    def __init__(self):
        self._changed = threading.Condition()
        self._num_running = 0
        self._num_begun = 0

    def __enter__(self):
        with self._changed:
            self._num_running += 1
            self._num_begun += 1

    def __exit__(self, *unused_exception):
        with self._changed:
            self._num_running -= 1
            self._changed.notify_all()

    def wait_until_idle(self):
        """Waits until no read is running, and none has begun for a while."""
        with self._changed:
            num_begun = None
            while num_begun != self._num_begun:
                num_begun = self._num_begun
                self._changed.wait_for(
                    lambda: not self._num_running, _READ_SECONDS
                )
                self._changed.wait_for(
                    lambda begun=num_begun: self._num_begun != begun,
                    _IDLE_SECONDS,
                )


_reads = _ReadsInBackground()


@contextlib.contextmanager
def reading_errors():
    """A context to iterate over these data sets in, directly or in `fit`.

    tf.data turns an error of the reader into a tf.errors.OpError with a trace
    in its text; this restores the original.

    On any error it also waits until the data set has stopped prefetching.
    Otherwise the process may deadlock at its end: TensorFlow waits for the
    reads while it holds Python's lock, and the reads wait for that lock.

    Raises:
        ValueError: with the text of the `RecordError` of a damaged record.
    """
    try:
        yield
    except BaseException as error:
        _reads.wait_until_idle()
        if isinstance(error, tf.errors.OpError):
            wrapped = _WRAPPED_ERROR.search(error.message)
            if wrapped is not None:
                raise ValueError(wrapped[1]) from error
        raise


def clip_numbers(step, batch_size, num_clips, seed):
    """Which clips are in the batch of a step.

    Every pass over the split is another permutation; a batch may span two
    passes.

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
    # Hashed first: the shuffle mixes few bits, and with a key such as (0, 1, 0)
    # most clips keep their neighbours.
    keys = tf.map_fn(
        lambda number: tf.random.stateless_uniform(
            (3,), tf.stack([seed, number]), None, None, tf.int32
        ),
        passes,
    )
    # `tf.random.experimental.index_shuffle` has one seed for all indices.
    return tf.raw_ops.RandomIndexShuffle(
        index=positions % num_clips,
        seed=keys,
        max_index=tf.constant(num_clips - 1, tf.int64),
    )


def _read_clips(reader, numbers):
    """Reads clips in a graph.

    Args:
        reader: RandomAccessReader.
        numbers: int64 tensor of shape (batch,).

    Returns:
        dict of tensors: `id`, string of shape (batch,); `log_mel`, float32 of
        shape (batch, num_frames, num_mel_bins), in dB; `labels`, float32 of
        shape (batch, num_classes), 1 for the classes of a clip.
    """

    def read(numbers):
        with _reads:
            return reader.read(numbers)

    ids, log_mel, labels = tf.numpy_function(
        read,
        [numbers],
        (tf.string, tf.float16, tf.float32),
        stateful=False,
    )
    batch = numbers.shape[0]
    return {
        "id": tf.ensure_shape(ids, (batch,)),
        "log_mel": tf.cast(
            tf.ensure_shape(log_mel, (batch, *reader.clip_shape)), tf.float32
        ),
        "labels": tf.ensure_shape(labels, (batch, reader.num_classes)),
    }


def _numbers_of_step(reader, batch_size, seed, sampling):
    """The function from a step to the numbers of its clips."""
    check_choice("sampling", sampling, samplings.SAMPLINGS)
    if sampling == samplings.UNIFORM:
        return lambda step: clip_numbers(step, batch_size, len(reader), seed)
    sampler = samplings.make_sampler(
        sampling, reader.labels(), reader.num_classes, seed
    )
    return lambda step: tf.ensure_shape(
        tf.numpy_function(
            lambda step: sampler.clip_numbers(step, batch_size),
            [step],
            tf.int64,
            stateful=False,
        ),
        (batch_size,),
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
    sampling=samplings.UNIFORM,
    skip_corrupt=False,
    stored=None,
    num_parallel_calls=_DEFAULT_PARALLELISM,
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
        sampling: one of `sampling.SAMPLINGS`. Uniform sampling reads every
            clip once per pass; the others favour clips of rare classes.
        skip_corrupt: bool. As in RandomAccessReader.
        stored: StoredLogits or None. If given, clips are augmented to the
            views that the logits belong to.
        num_parallel_calls: int. Batches that are read in parallel. It does not
            change them.

    Returns:
        tf.data.Dataset of dicts with `log_mel`, float32 of shape (batch_size,
        num_frames, num_mel_bins), and `labels`, float32 of shape (batch_size,
        num_classes); with stored logits also `teacher_logits`, float32 of
        shape (batch_size, num_teachers, num_classes), and `is_taught`, bool of
        shape (batch_size,). Iterate in `reading_errors`.

    Raises:
        ValueError: as RandomAccessReader does; or if no clip has a label, and
            sampling is by class.
    """
    reader = RandomAccessReader(data_dir, info, split, skip_corrupt)
    numbers_of_step = _numbers_of_step(reader, batch_size, seed, sampling)
    mel_mean_db, floor_db = augmentation_levels(info)

    def batch_of_step(step):
        clips = _read_clips(reader, numbers_of_step(step))
        step_seed = tf.stack(
            [tf.constant(seed, tf.int32), tf.cast(step, tf.int32)]
        )
        if stored is not None:
            return stored_views.taught_batch(
                clips, stored, mel_mean_db, floor_db, step_seed
            )
        log_mel, labels = augmentations.augment_batch(
            clips["log_mel"],
            clips["labels"],
            mel_mean_db,
            floor_db,
            augmentation,
            step_seed,
        )
        return {"log_mel": log_mel, "labels": labels}

    return (
        tf.data.Dataset.range(first_step, last_step)
        .map(
            batch_of_step,
            num_parallel_calls=num_parallel_calls,
            deterministic=True,
        )
        .prefetch(2)
    )


def augmentation_levels(info):
    """The levels of masked frames and bands, and of silence.

    Args:
        info: DatasetInfo.

    Returns:
        `(mel_mean_db, floor_db)`, as `augment_batch` takes them.
    """
    # The floor as records hold it, rounded to float16.
    return (
        tf.constant(info.mel_mean_db, tf.float32),
        float(np.float16(10 * math.log10(info.frontend.power_floor))),
    )


def make_eval_dataset(
    data_dir, info, split, batch_size, max_clips=None, skip_corrupt=False
):
    """The clips of a split in order.

    Args:
        data_dir: directory with `dataset.json`.
        info: DatasetInfo of that directory.
        split: str.
        batch_size: int. The last batch may be smaller.
        max_clips: int or None. How many clips to take, from the first on.
        skip_corrupt: bool. As in RandomAccessReader.

    Returns:
        tf.data.Dataset of dicts with `id`, `log_mel` and `labels`. Iterate in
        `reading_errors`.

    Raises:
        ValueError: as RandomAccessReader does.
    """
    reader = RandomAccessReader(data_dir, info, split, skip_corrupt)
    num_clips = len(reader)
    if max_clips is not None:
        num_clips = min(num_clips, max_clips)
    return (
        tf.data.Dataset.range(num_clips)
        .batch(batch_size)
        .map(
            lambda numbers: _read_clips(reader, numbers),
            num_parallel_calls=_DEFAULT_PARALLELISM,
            deterministic=True,
        )
        .prefetch(2)
    )


def eval_batches(data_dir, info, split, batch_size, skip_corrupt=False):
    """The clips of a split in order, as arrays.

    Args:
        data_dir: directory with `dataset.json`.
        info: DatasetInfo of that directory.
        split: str.
        batch_size: int. The last batch may be smaller.
        skip_corrupt: bool. As in RandomAccessReader.

    Yields:
        `(log_mel, labels)`: float32 arrays of shapes (batch, num_frames,
        num_mel_bins) and (batch, num_classes).

    Raises:
        ValueError: as RandomAccessReader does, and for a damaged record.
    """
    with reading_errors():
        for batch in make_eval_dataset(
            data_dir, info, split, batch_size, skip_corrupt=skip_corrupt
        ):
            yield batch["log_mel"].numpy(), batch["labels"].numpy()


def load_split(
    data_dir, info, split, max_clips=None, seed=None, skip_corrupt=False
):
    """Clips of a split as arrays, for several passes over them.

    Args:
        data_dir: directory with `dataset.json`.
        info: DatasetInfo of that directory.
        split: str.
        max_clips: int or None. How many clips to take, at most.
        seed: int or None. Takes random clips if given, else the first ones.
        skip_corrupt: bool. As in RandomAccessReader.

    Returns:
        `(log_mel, labels, ids)`: float32 arrays of shapes (clips, num_frames,
        num_mel_bins) and (clips, num_classes), and a list of str.

    Raises:
        ValueError: as RandomAccessReader does, and for a damaged record.
    """
    reader = RandomAccessReader(data_dir, info, split, skip_corrupt)
    numbers = np.arange(len(reader))
    if max_clips is not None and max_clips < len(numbers):
        if seed is not None:
            numbers = np.random.default_rng(seed).permutation(numbers)
        numbers = np.sort(numbers[:max_clips])
    ids, log_mel, labels = reader.read(numbers)
    ids = [clip_id.decode() for clip_id in ids]
    # NumPy takes twenty times as long to cast.
    return tf.cast(log_mel, tf.float32).numpy(), labels, ids
