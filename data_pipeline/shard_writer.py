"""One shard: the unit of work, a pure function of its plan and the audio."""

import dataclasses
import hashlib
import json
import os
import pathlib
from collections.abc import Callable

import numpy as np

from data_pipeline.clips import Clip
from data_pipeline.clips import RenderedClip
from data_pipeline.config import PreprocessConfig
from ofa_aec_tf import audio
from ofa_aec_tf import frontend
from ofa_aec_tf import workdir
from ofa_aec_tf.audio import AudioError
from ofa_aec_tf.data import records

# Part of the content key: raise it when the same plan gives other records.
CONTENT_VERSION = 2

# Of the moment rather than of the file: tried again by the next job.
_PASSING_CODES = ("crashed", "timed_out", "unreadable")

SHARD_SUFFIX = ".tfrecord"

Renderer = Callable[[Clip, int, int], RenderedClip]


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
        was replaced, or mended after it was skipped, is read again; and so
        are the versions of the decoders.
        """
        digest = hashlib.sha256()
        values = [CONTENT_VERSION, self.config.to_json()]
        values += [clip.to_json() for clip in self.clips]
        paths = {path for clip in self.clips for path in clip.audio_paths}
        values += [_file_state(path) for path in sorted(paths)]
        if paths:
            # What one decoder cannot read, another may.
            values += [
                audio.decoder_versions(name)
                for name in sorted({n for c in self.clips for n in c.decoders})
            ]
        for value in values:
            digest.update(json.dumps(value, sort_keys=True).encode() + b"\n")
        return digest.hexdigest()


def _file_state(path: str) -> list:
    try:
        status = os.stat(path)
    except OSError:
        return [path]
    return [path, status.st_size, status.st_mtime_ns]


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
    if any(d["code"] in _PASSING_CODES for d in side_car["dead_letters"]):
        return None
    with open(path, "rb") as file:
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    return side_car if sha256 == side_car["sha256"] else None


def _render(clip: Clip, sample_rate_hz: int, num_samples: int) -> RenderedClip:
    return clip.render(sample_rate_hz, num_samples)


def write_shard(
    plan: ShardPlan, output_dir, render: Renderer = _render
) -> dict:
    """Writes a shard and its side-car, unless they are there already.

    Clips whose audio cannot be used are skipped and listed.

    Args:
        plan: ShardPlan.
        output_dir: path of an existing directory.
        render: function from a clip, a sample rate in Hz and a number of
            samples to a RenderedClip; by default the clip's own.

    Returns:
        dict, the side-car: what `records.RecordFileWriter.finish` gives and
        `file`, `split`, `key`, `class_counts`, `num_frames`, `mel_sum_db`,
        `mel_sum_squares_db` (sums over the frames, for each mel band),
        `labels` (class indices of each record) and `notes` (what is odd about
        clips that were kept: a dict from codes to clip ids); and `reused`,
        whether the shard was there, which is not in the file.

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
    all_labels = []
    notes: dict[str, list[str]] = {}
    class_counts = np.zeros(len(config.class_map), np.int64)
    mel_sum = np.zeros(config.frontend.num_mel_bins, np.float64)
    mel_sum_squares = np.zeros_like(mel_sum)
    num_frames = 0
    with records.RecordFileWriter(path) as writer:
        for clip in plan.clips:
            try:
                rendered = render(
                    clip, config.frontend.sample_rate_hz, config.num_samples
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
            # As stored: these values are what training normalizes.
            log_mel = frontend.log_mel_spectrogram(
                rendered.waveform, config.frontend
            ).astype(records.STORED_DTYPE)
            labels = sorted(config.class_map.index(n) for n in clip.labels)
            all_labels.append(labels)
            for code in rendered.notes:
                notes.setdefault(code, []).append(clip.clip_id)
            writer.write(records.encode_record(clip.clip_id, log_mel, labels))
            class_counts[labels] += 1
            exact = log_mel.astype(np.float64)
            mel_sum += exact.sum(axis=0)
            mel_sum_squares += np.square(exact).sum(axis=0)
            num_frames += len(exact)
        side_car = writer.finish(
            dead_letters,
            file=plan.file,
            split=plan.split,
            key=key,
            class_counts=class_counts.tolist(),
            num_frames=num_frames,
            mel_sum_db=mel_sum.tolist(),
            mel_sum_squares_db=mel_sum_squares.tolist(),
            labels=all_labels,
            notes=notes,
        )
    return {**side_car, "reused": False}
