"""Small data sets for tests, written through the product's own writer."""

import numpy as np

from ofa_aec_tf.audio.frontend import FrontendConfig
from ofa_aec_tf.data.class_map import ClassMap
from ofa_aec_tf.data.dataset_info import MULTI_LABEL
from ofa_aec_tf.data.dataset_info import DatasetInfo
from ofa_aec_tf.data.dataset_info import ShardInfo
from ofa_aec_tf.data.dataset_info import SplitInfo
from ofa_aec_tf.data.records import RecordFileWriter
from ofa_aec_tf.data.records import encode_record

CLASS_NAMES = ("low", "middle", "high")


def make_clip(rng, labels, num_frames, num_mel_bins):
    """Noise with a louder third of the mel bands for each class."""
    log_mel = rng.normal(-60, 5, (num_frames, num_mel_bins))
    third = num_mel_bins // 3
    for label in labels:
        start = rng.integers(num_frames // 2)
        stop = start + num_frames // 3
        log_mel[start:stop, label * third : (label + 1) * third] += 8
    return log_mel.astype(np.float32)


def write_dataset(
    directory,
    num_clips=(24, 12, 12),
    num_shards=2,
    clip_seconds=0.5,
    seed=0,
    label_type=MULTI_LABEL,
):
    """Writes a data set of three classes that a small network can learn.

    Returns:
        DatasetInfo, and a dict from clip id to `(log_mel, labels)`.
    """
    frontend = FrontendConfig()
    num_frames = frontend.num_frames(frontend.num_samples(clip_seconds))
    rng = np.random.default_rng(seed)
    clips, splits, train = {}, {}, []
    for split, count in zip(("train", "validation", "test"), num_clips):
        shards = []
        class_counts = [0] * len(CLASS_NAMES)
        for shard in range(num_shards):
            name = f"{split}-{shard:05d}-of-{num_shards:05d}.tfrecord"
            shard_labels = []
            with RecordFileWriter(directory / name) as writer:
                for number in range(shard, count, num_shards):
                    # Every class alone first, then any mixture.
                    labels = [number % 3]
                    if label_type == MULTI_LABEL and rng.random() < 0.4:
                        labels = sorted({*labels, int(rng.integers(3))})
                    clip_id = f"{split}-{number}"
                    log_mel = make_clip(
                        rng, labels, num_frames, frontend.num_mel_bins
                    )
                    writer.write(encode_record(clip_id, log_mel, labels))
                    clips[clip_id] = (log_mel, labels)
                    shard_labels.append(labels)
                    for label in labels:
                        class_counts[label] += 1
                    if split == "train":
                        train.append(log_mel)
                side_car = writer.finish(labels=shard_labels)
            shards.append(
                ShardInfo(
                    name,
                    side_car["num_records"],
                    side_car["num_bytes"],
                    side_car["sha256"],
                )
            )
        splits[split] = SplitInfo(tuple(shards), tuple(class_counts))
    frames = np.concatenate(train)
    info = DatasetInfo(
        frontend=frontend,
        clip_seconds=clip_seconds,
        class_map=ClassMap(CLASS_NAMES),
        label_type=label_type,
        splits=splits,
        mel_mean_db=tuple(float(v) for v in frames.mean(0)),
        mel_std_db=tuple(float(v) for v in frames.std(0)),
        source={"kind": "test"},
        num_dead_letters=0,
    )
    info.write(directory)
    return info, clips


def damage(path, position):
    """Flips a bit of one byte of a file."""
    content = bytearray(path.read_bytes())
    content[position] ^= 0x10
    path.write_bytes(content)


def damage_a_record(path, offsets, seed):
    """Damages some byte of some record of a shard.

    Args:
        path: pathlib.Path of the shard.
        offsets: sequence of int. Where its records begin.
        seed: int.

    Returns:
        number: int. Which record.
        part: str. Whose checksum is wrong then, "length" or "data".
    """
    rng = np.random.default_rng(seed)
    number = int(rng.integers(len(offsets)))
    start, end = [*offsets, path.stat().st_size][number : number + 2]
    # Length, its checksum, data, its checksum.
    first, last = (
        (start, start + 8),
        (start + 8, start + 12),
        (start + 12, end - 4),
        (end - 4, end),
    )[seed % 4]
    damage(path, int(rng.integers(first, last)))
    return number, "length" if seed % 4 < 2 else "data"
