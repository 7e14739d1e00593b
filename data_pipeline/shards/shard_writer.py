"""Writes a shard, which is a pure function of its plan and the audio."""

import dataclasses
import hashlib
import pathlib
from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Sequence

import numpy as np

from data_pipeline.clips import clip as clip_types
from data_pipeline.clips.clip import Clip
from data_pipeline.clips.clip import RenderedClip
from data_pipeline.shards import content_keys
from data_pipeline.shards.config import PreprocessConfig
from data_pipeline.shards.earlier import SHARD_SUFFIX
from data_pipeline.shards.earlier import Earlier
from ofa_aec_tf.audio import AudioError
from ofa_aec_tf.audio import frontend
from ofa_aec_tf.data import records
from ofa_aec_tf.runs import workdir

# Possibly temporary, so the next job tries again.
_PASSING_CODES = ("crashed", "timed_out", "unreadable")

# Enough to tell the versions of a shard apart.
_NAME_DIGITS = 16

Renderer = Callable[
    [Sequence[Clip], int, int], Iterator[RenderedClip | AudioError]
]


@dataclasses.dataclass(frozen=True)
class ShardPlan:
    """What to write into one shard.

    Args:
        name: str. Start of its file name.
        split: str.
        clips: tuple of Clip, in the order of the records.
        config: PreprocessConfig.
    """

    name: str
    split: str
    clips: tuple[Clip, ...]
    config: PreprocessConfig

    def label_indices(self, clip: Clip) -> list[int]:
        """Indices of the classes of a clip, ascending."""
        class_map = self.config.class_map
        return sorted(class_map.index(name) for name in clip.labels)

    def content_key(self, clip_keys: Sequence[str]) -> str:
        """Hashes what decides the content of the shard.

        Args:
            clip_keys: sequence of str. Content keys of its clips.
        """
        return content_keys.of_values(
            content_keys.CONTENT_VERSION,
            self.split,
            self.config.frontend.to_json(),
            self.config.num_samples,
            len(self.config.class_map),
            [
                (clip.clip_id, key, self.label_indices(clip), _group(clip))
                for clip, key in zip(self.clips, clip_keys)
            ],
        )


def _group(clip: Clip) -> str | None:
    """The group of a clip; mixtures have none."""
    return getattr(clip, "group", None)


def _finished_side_car(
    path: pathlib.Path, plan: ShardPlan, key: str
) -> dict | None:
    """Reads the side-car of a shard that is intact and needs no other try."""
    try:
        side_car = workdir.read_json(records.side_car_path(path))
        with open(path, "rb") as file:
            sha256 = hashlib.file_digest(file, "sha256").hexdigest()
        if (side_car["key"], side_car["sha256"]) != (key, sha256):
            return None
        paths = {clip.clip_id: clip.audio_paths for clip in plan.clips}
        for letter in side_car["dead_letters"]:
            if letter["code"] in _PASSING_CODES:
                return None
            # It names a file, which may have been moved.
            files = {str(pathlib.Path(p)) for p in paths[letter["clip_id"]]}
            if files and letter["filename"] not in files:
                return None
        return side_car
    # Damaged by a fault of the disk, or by hand.
    except (ValueError, KeyError, TypeError, OSError):
        return None


@dataclasses.dataclass(frozen=True)
class _Features:
    """Features of a record, as stored."""

    log_mel: np.ndarray
    notes: tuple[str, ...]
    seconds: float | None
    is_copied: bool = False


def _features(
    plan: ShardPlan,
    keys: Sequence[str],
    render: Renderer,
    earlier: Earlier | None,
) -> Iterator[_Features | AudioError]:
    """Yields the features of each clip, found or rendered."""
    config = plan.config
    key_of = dict(zip((clip.clip_id for clip in plan.clips), keys))
    for group in clip_types.in_one_pass(plan.clips):
        found = [
            earlier and earlier.clip(key_of[clip.clip_id], config.clip_shape)
            for clip in group
        ]
        missing = [clip for clip, old in zip(group, found) if not old]
        rendered = iter(())
        if missing:
            rendered = render(
                missing, config.frontend.sample_rate_hz, config.num_samples
            )
        for old in found:
            if old:
                yield _Features(
                    old.read().log_mel, old.notes, old.seconds, is_copied=True
                )
                continue
            result = next(rendered)
            if isinstance(result, AudioError):
                yield result
                continue
            # As stored, because training normalizes these values.
            log_mel = frontend.log_mel_spectrogram(
                result.waveform, config.frontend
            ).astype(records.STORED_DTYPE)
            yield _Features(log_mel, result.notes, result.seconds)


class _SideCar:
    """Collects what the side-car says about the records."""

    def __init__(self, plan: ShardPlan):
        self._plan = plan
        self._labels: list[list[int]] = []
        self._notes: dict[str, list[str]] = {}
        self._clips: dict[str, list] = {
            name: [] for name in ("ids", "keys", "groups", "digests", "seconds")
        }
        num_mel_bins = plan.config.frontend.num_mel_bins
        self._class_counts = np.zeros(len(plan.config.class_map), np.int64)
        self._num_frames = 0
        self._mel_sum = np.zeros(num_mel_bins, np.float64)
        self._mel_sum_squares = np.zeros(num_mel_bins, np.float64)
        self.dead_letters: list[dict] = []

    def add_dead_letter(self, clip: Clip, error: AudioError) -> None:
        self.dead_letters.append(
            {
                "filename": error.path,
                "code": error.code,
                "reason": error.reason,
                "clip_id": clip.clip_id,
                "split": self._plan.split,
            }
        )

    def add(
        self, clip: Clip, key: str, features: _Features, labels: list[int]
    ) -> None:
        self._labels.append(labels)
        for code in features.notes:
            self._notes.setdefault(code, []).append(clip.clip_id)
        for name, value in (
            ("ids", clip.clip_id),
            ("keys", key),
            ("groups", _group(clip)),
            ("digests", content_keys.of_features(features.log_mel)),
            ("seconds", features.seconds),
        ):
            self._clips[name].append(value)
        self._class_counts[labels] += 1
        exact = features.log_mel.astype(np.float64)
        self._num_frames += len(exact)
        self._mel_sum += exact.sum(axis=0)
        self._mel_sum_squares += np.square(exact).sum(axis=0)

    def details(self, key: str) -> dict:
        return {
            "shard": self._plan.name,
            "split": self._plan.split,
            "key": key,
            "class_counts": self._class_counts.tolist(),
            "num_frames": self._num_frames,
            "mel_sum_db": self._mel_sum.tolist(),
            "mel_sum_squares_db": self._mel_sum_squares.tolist(),
            "labels": self._labels,
            "notes": self._notes,
            "clips": self._clips,
        }


def write_shard(
    plan: ShardPlan,
    output_dir,
    render: Renderer = clip_types.render,
    earlier: Earlier | None = None,
) -> dict:
    """Writes a shard and its side-car, unless they exist already.

    The file name ends with a hash of the content, so that shards with different
    content do not collide. Clips whose audio cannot be used are skipped and
    listed.

    Args:
        plan: ShardPlan.
        output_dir: path of an existing directory.
        render: function like `clips.render`.
        earlier: Earlier or None. Shards and records of earlier jobs.

    Returns:
        dict, the side-car: what `records.RecordFileWriter.finish` returns and
        `file`, `shard` (name in the plan), `split`, `key`, `class_counts`,
        `num_frames`, `mel_sum_db`, `mel_sum_squares_db` (sums over the
        frames, for each mel band), `labels` (class indices of each record),
        `notes` (a dict from codes to the ids of clips that were kept although
        something is odd) and `clips` (of each record its id, content key,
        group, hash of the features, and seconds of audio before it was padded
        or cropped). Two more are not in the file: `reused`, whether the shard
        existed, and `num_copied`, how many records came from other shards.

    Raises:
        OSError: if the output cannot be written.
    """
    output_dir = pathlib.Path(output_dir)
    keys = content_keys.of_clips(plan.clips, plan.config)
    key = plan.content_key(keys)
    for file in earlier.shards(plan.name, key) if earlier else ():
        found = _finished_side_car(output_dir / file, plan, key)
        if found is not None:
            return {**found, "reused": True, "num_copied": 0}
    side_car = _SideCar(plan)
    num_copied = 0
    with records.RecordFileWriter(
        output_dir / (plan.name + SHARD_SUFFIX)
    ) as writer:
        for clip, clip_key, features in zip(
            plan.clips, keys, _features(plan, keys, render, earlier)
        ):
            if isinstance(features, AudioError):
                side_car.add_dead_letter(clip, features)
                continue
            labels = plan.label_indices(clip)
            writer.write(
                records.encode_record(clip.clip_id, features.log_mel, labels)
            )
            side_car.add(clip, clip_key, features, labels)
            num_copied += features.is_copied
        details = side_car.details(key)
        digest = content_keys.of_values(details, side_car.dead_letters)
        name = f"{plan.name}-{digest[:_NAME_DIGITS]}{SHARD_SUFFIX}"
        written = writer.finish(
            side_car.dead_letters, name, file=name, **details
        )
    return {**written, "reused": False, "num_copied": num_copied}
