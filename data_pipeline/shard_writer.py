"""One shard: the unit of work, a pure function of its plan and the audio."""

import dataclasses
import hashlib
import json
import os
import pathlib
from collections.abc import Sequence

import numpy as np

from data_pipeline import splits
from data_pipeline.clips import Clip
from data_pipeline.config import PreprocessConfig
from ofa_aec_tf import frontend
from ofa_aec_tf import workdir
from ofa_aec_tf.audio import AudioError
from ofa_aec_tf.data import records

# Part of the content key: raise it when the same plan gives other records.
CONTENT_VERSION = 1

SHARD_SUFFIX = ".tfrecord"


@dataclasses.dataclass(frozen=True)
class ShardPlan:
    """What to write into one shard.

    Args:
        file: str. Its name in the output directory.
        split: str.
        clips: tuple of Clip, in the order of the records.
        config: PreprocessConfig.
    """

    file: str
    split: str
    clips: tuple[Clip, ...]
    config: PreprocessConfig

    def content_key(self) -> str:
        """Hash that changes whenever the shard would.

        Size and time of the audio files are part of it, so that a file that
        was replaced, or mended after it was left out, is read again.
        """
        digest = hashlib.sha256()
        values = [CONTENT_VERSION, self.config.to_json()]
        values += [clip.to_json() for clip in self.clips]
        paths = {path for clip in self.clips for path in clip.audio_paths}
        values += [_file_state(path) for path in sorted(paths)]
        for value in values:
            digest.update(json.dumps(value, sort_keys=True).encode() + b"\n")
        return digest.hexdigest()


def _file_state(path: str) -> list:
    try:
        status = os.stat(path)
    except OSError:
        return [path]
    return [path, status.st_size, status.st_mtime_ns]


def plan_shards(
    clips: Sequence[Clip],
    split: str,
    num_shards: int,
    config: PreprocessConfig,
) -> list[ShardPlan]:
    """Divides the clips of a split into shards.

    The shard of a clip, and its place there, come from a hash of its id: they
    do not depend on the order of the source, and a shard mixes the classes.

    Args:
        clips: sequence of Clip, of that split.
        split: str.
        num_shards: int.
        config: PreprocessConfig.

    Returns:
        list of `num_shards` ShardPlan. Some may have no clips.
    """
    members: list[list[tuple[int, Clip]]] = [[] for _ in range(num_shards)]
    for clip in clips:
        value = splits.stable_hash("shard", clip.clip_id)
        members[value % num_shards].append((value // num_shards, clip))
    plans = []
    for index, of_shard in enumerate(members):
        of_shard.sort(key=lambda member: (member[0], member[1].clip_id))
        plans.append(
            ShardPlan(
                f"{split}-{index:05d}-of-{num_shards:05d}{SHARD_SUFFIX}",
                split,
                tuple(clip for _, clip in of_shard),
                config,
            )
        )
    return plans


def finished_side_car(path: pathlib.Path, key: str) -> dict | None:
    """Side-car of a shard, if the shard is whole and of this content key.

    Args:
        path: path of the shard.
        key: str. The content key that it must have.

    Returns:
        dict, or None where the shard has to be written.
    """
    side_car_file = records.side_car_path(path)
    if not path.is_file() or not side_car_file.is_file():
        return None
    try:
        side_car = workdir.read_json(side_car_file)
    except ValueError:
        return None
    if side_car.get("key") != key:
        return None
    with open(path, "rb") as file:
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    return side_car if sha256 == side_car["sha256"] else None


def write_shard(plan: ShardPlan, output_dir) -> dict:
    """Writes a shard and its side-car, unless they are there already.

    Clips whose audio cannot be used are left out and listed as dead letters.

    Args:
        plan: ShardPlan.
        output_dir: path of an existing directory.

    Returns:
        dict, the side-car: what `records.RecordFileWriter.finish` gives and
        `file`, `split`, `key`, `class_counts`, `num_frames`, `mel_sum_db`,
        `mel_sum_squares_db` (sums over the frames, for each mel band); and
        `reused`, whether the shard was there, which is not in the file.

    Raises:
        OSError: if the output cannot be written.
    """
    path = pathlib.Path(output_dir) / plan.file
    key = plan.content_key()
    side_car = finished_side_car(path, key)
    if side_car is not None:
        return {**side_car, "reused": True}
    config = plan.config
    dead_letters = []
    class_counts = np.zeros(len(config.class_map), np.int64)
    mel_sum = np.zeros(config.frontend.num_mel_bins, np.float64)
    mel_sum_squares = np.zeros_like(mel_sum)
    num_frames = 0
    with records.RecordFileWriter(path) as writer:
        for clip in plan.clips:
            try:
                waveform = clip.waveform(
                    config.frontend.sample_rate_hz, config.num_samples
                )
            except AudioError as error:
                dead_letters.append(
                    {
                        "filename": error.path,
                        "code": error.code,
                        "reason": error.reason,
                        "clip_id": clip.clip_id,
                        "split": plan.split,
                    }
                )
                continue
            log_mel = frontend.log_mel_spectrogram(waveform, config.frontend)
            labels = [config.class_map.index(name) for name in clip.labels]
            writer.write(records.encode_record(clip.clip_id, log_mel, labels))
            class_counts[labels] += 1
            # Of the values as stored: these are what training normalizes.
            stored = log_mel.astype(np.float16).astype(np.float64)
            mel_sum += stored.sum(axis=0)
            mel_sum_squares += np.square(stored).sum(axis=0)
            num_frames += len(stored)
        side_car = writer.finish(
            dead_letters,
            file=plan.file,
            split=plan.split,
            key=key,
            class_counts=class_counts.tolist(),
            num_frames=num_frames,
            mel_sum_db=mel_sum.tolist(),
            mel_sum_squares_db=mel_sum_squares.tolist(),
        )
    return {**side_car, "reused": False}
