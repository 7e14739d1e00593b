"""Finds, describes and draws a record of a data set."""

import dataclasses
import pathlib

import numpy as np
from matplotlib import figure
from matplotlib.backends import backend_agg

from ofa_aec_tf.audio import frontend
from ofa_aec_tf.data.dataset_info import DatasetInfo
from ofa_aec_tf.data.record_reader import RandomAccessReader
from ofa_aec_tf.data.records import Record
from ofa_aec_tf.data.records import RecordError

_TICKS_HZ = (100, 200, 500, 1000, 2000, 5000, 10000, 20000)
_MAX_TITLE_CHARACTERS = 90


@dataclasses.dataclass(frozen=True)
class FoundRecord:
    """A record, and where it is.

    Args:
        record: Record.
        split: str.
        number: int. Its index in the split.
        path: path of its shard.
        offset: int. Byte where it starts.
    """

    record: Record
    split: str
    number: int
    path: pathlib.Path
    offset: int


def record_at(
    data_dir, info: DatasetInfo, split: str, number: int
) -> FoundRecord:
    """Reads the record with an index.

    Args:
        data_dir: directory with `dataset.json`.
        info: DatasetInfo of that directory.
        split: str.
        number: int, from 0.

    Raises:
        ValueError: if there is no such record, or it is damaged.
    """
    reader = RandomAccessReader(data_dir, info, split)
    if not 0 <= number < len(reader):
        raise ValueError(
            f"The split {split!r} has the records 0 to {len(reader) - 1}. "
            f"Received: {number}"
        )
    record = reader.read_record(number)
    return FoundRecord(record, split, number, *reader.location(number))


def record_of_clip(
    data_dir, info: DatasetInfo, splits: tuple[str, ...], clip_id: str
) -> FoundRecord:
    """Finds the record of a clip, by reading all records before it.

    Args:
        data_dir: directory with `dataset.json`.
        info: DatasetInfo of that directory.
        splits: tuple of str. Where to look.
        clip_id: str.

    Raises:
        ValueError: if no record has this id.
    """
    num_damaged = 0
    for split in splits:
        reader = RandomAccessReader(data_dir, info, split)
        for number in range(len(reader)):
            try:
                record = reader.read_record(number)
            except RecordError:
                num_damaged += 1
                continue
            if record.clip_id == clip_id:
                return FoundRecord(
                    record, split, number, *reader.location(number)
                )
    raise ValueError(
        f"No clip of {', '.join(splits)} has this id; {num_damaged} records "
        f"are damaged and cannot tell. Received: {clip_id!r}"
    )


def describe(found: FoundRecord, info: DatasetInfo) -> list[str]:
    """Describes a record.

    Args:
        found: FoundRecord.
        info: DatasetInfo.
    """
    # In float16, as stored, the mean would overflow.
    log_mel = found.record.log_mel.astype(np.float32)
    num_frames, num_mel_bins = log_mel.shape
    return [
        f"id      {found.record.clip_id}",
        f"split   {found.split}, record {found.number}",
        f"shard   {found.path.name}, byte {found.offset}",
        f"labels  {', '.join(_label_names(found, info)) or 'none'}",
        f"shape   {num_frames} frames x {num_mel_bins} mel bands "
        f"({info.clip_seconds:g} s)",
        f"dB      min {log_mel.min():.1f}, mean {log_mel.mean():.1f}, "
        f"max {log_mel.max():.1f}",
    ]


def draw(path, found: FoundRecord, info: DatasetInfo) -> None:
    """Draws the log-mel spectrogram of a record into a PNG file.

    Args:
        path: path of the PNG file; its directory is created.
        found: FoundRecord.
        info: DatasetInfo.
    """
    log_mel = found.record.log_mel.astype(np.float32)
    num_frames, num_mel_bins = log_mel.shape
    hop_seconds = info.frontend.hop_samples / info.frontend.sample_rate_hz
    # Not pyplot, which keeps state and looks for a screen.
    canvas = backend_agg.FigureCanvasAgg(
        figure.Figure(figsize=(10, 4), layout="constrained")
    )
    axes = canvas.figure.subplots()
    image = axes.imshow(
        log_mel.T,
        origin="lower",
        aspect="auto",
        interpolation="nearest",
        cmap="magma",
        # Frames are centred at their times.
        extent=(
            -hop_seconds / 2,
            (num_frames - 0.5) * hop_seconds,
            -0.5,
            num_mel_bins - 0.5,
        ),
    )
    centers_hz = _band_centers_hz(info.frontend)
    ticks_hz = [t for t in _TICKS_HZ if centers_hz[0] <= t <= centers_hz[-1]]
    axes.set_yticks(
        np.interp(ticks_hz, centers_hz, np.arange(num_mel_bins)),
        [f"{tick:,}" for tick in ticks_hz],
    )
    axes.set_xlabel("Time (s)")
    axes.set_ylabel("Frequency (Hz)")
    title = ": ".join(
        [found.record.clip_id, ", ".join(_label_names(found, info)) or "none"]
    )
    if len(title) > _MAX_TITLE_CHARACTERS:
        title = title[: _MAX_TITLE_CHARACTERS - 1] + "…"
    # Dollar signs in an id would begin a formula.
    axes.set_title(title, fontsize=10, parse_math=False)
    canvas.figure.colorbar(image, label="Power (dB)", pad=0.01)
    pathlib.Path(path).parent.mkdir(parents=True, exist_ok=True)
    canvas.figure.savefig(path, dpi=150, format="png")


def _label_names(found, info):
    return [info.class_map.names[label] for label in found.record.labels]


def _band_centers_hz(config):
    """Centre frequency of each mel band."""
    filters = frontend.mel_filterbank(config)
    frequencies_hz = np.fft.rfftfreq(
        config.window_samples, 1 / config.sample_rate_hz
    )
    return frequencies_hz @ filters / filters.sum(axis=0)
