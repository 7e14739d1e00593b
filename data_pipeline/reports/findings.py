"""Re-reads a data set and says what is wrong with it."""

import dataclasses
import hashlib
import os
import pathlib
from collections.abc import Iterator
from collections.abc import Sequence

import numpy as np

from data_pipeline.runners.processes import run_all
from ofa_aec_tf.data import record_reader
from ofa_aec_tf.data import records
from ofa_aec_tf.data.dataset_info import DatasetInfo
from ofa_aec_tf.data.dataset_info import ShardInfo


@dataclasses.dataclass(frozen=True)
class Finding:
    """Something that is wrong.

    Args:
        file: str. Name of the file in the data directory.
        offset: int or None. Where the record starts there, in bytes; None is
            the file as a whole.
        problem: str.
    """

    file: str
    offset: int | None
    problem: str

    def __str__(self) -> str:
        place = "" if self.offset is None else f", byte {self.offset}"
        return f"{self.file}{place}: {self.problem}"


@dataclasses.dataclass(frozen=True)
class ShardReport:
    """What reading a shard has shown.

    Args:
        shard: ShardInfo.
        split: str.
        findings: tuple of Finding.
        offsets: int64 array of shape (num_good,). Where the records start
            that nothing is wrong with.
        id_hashes: uint64 array of shape (num_good,). Of their clips' ids.
        class_counts: int64 array of shape (num_classes,). Their labels.
    """

    shard: ShardInfo
    split: str
    findings: tuple[Finding, ...]
    offsets: np.ndarray
    id_hashes: np.ndarray
    class_counts: np.ndarray


def verify_shard(
    data_dir,
    shard: ShardInfo,
    split: str,
    clip_shape: tuple[int, int],
    num_classes: int,
) -> ShardReport:
    """Re-reads a shard and its side-car.

    Args:
        data_dir: directory with the shard.
        shard: ShardInfo.
        split: str.
        clip_shape: tuple of int. `(num_frames, num_mel_bins)` of every clip.
        num_classes: int.

    Returns:
        ShardReport.
    """
    path = pathlib.Path(data_dir) / shard.file
    findings: list[Finding] = []
    offsets, id_hashes = [], []
    class_counts = np.zeros(num_classes, np.int64)
    side_car = _verify_side_car(data_dir, shard, findings)
    if path.is_file():
        with open(path, "rb") as file:
            _verify_file(file, shard, findings)
            for number, offset, record in _read_all(
                file.fileno(), path, shard, side_car, findings
            ):
                try:
                    clip = records.decode_record(
                        record, path, offset, clip_shape, num_classes
                    )
                    _check_clip(clip, number, path, offset, side_car)
                except records.RecordError as error:
                    findings.append(_of_record(error))
                    continue
                offsets.append(offset)
                id_hashes.append(_id_hash(clip.clip_id))
                class_counts[list(clip.labels)] += 1
    else:
        findings.append(Finding(shard.file, None, "is missing"))
    return ShardReport(
        shard,
        split,
        tuple(findings),
        np.array(offsets, np.int64),
        np.array(id_hashes, np.uint64),
        class_counts,
    )


def _of_record(error: records.RecordError) -> Finding:
    return Finding(pathlib.Path(error.path).name, error.offset, error.problem)


def _id_hash(clip_id: str) -> int:
    digest = hashlib.blake2b(clip_id.encode(), digest_size=8).digest()
    return int.from_bytes(digest)


def _verify_side_car(data_dir, shard, findings) -> dict:
    """The side-car, or an empty one where it cannot be used."""
    name = records.side_car_path(shard.file).name
    try:
        side_car = record_reader.read_side_car(data_dir, shard)
    except ValueError as error:
        findings.append(Finding(name, None, str(error)))
        return {}
    for key in ("num_records", "num_bytes", "sha256"):
        expected, recorded = getattr(shard, key), side_car.get(key)
        if recorded != expected:
            findings.append(
                Finding(
                    name,
                    None,
                    f"{key} is {recorded}, but dataset.json has {expected}",
                )
            )
    listed = side_car.get("labels", [[]] * shard.num_records)
    if not isinstance(listed, list) or len(listed) != shard.num_records:
        findings.append(
            Finding(
                name,
                None,
                f"its labels are not those of {shard.num_records} records",
            )
        )
        del side_car["labels"]
    clips = side_car.get("clips", {})
    if not isinstance(clips, dict) or any(
        not isinstance(column, list) or len(column) != shard.num_records
        for column in clips.values()
    ):
        findings.append(
            Finding(
                name,
                None,
                f"its clips are not those of {shard.num_records} records",
            )
        )
        del side_car["clips"]
    return side_car


def _verify_file(file, shard, findings) -> None:
    num_bytes = os.fstat(file.fileno()).st_size
    if num_bytes != shard.num_bytes:
        findings.append(
            Finding(
                shard.file,
                None,
                f"has {num_bytes} bytes, but dataset.json has "
                f"{shard.num_bytes}",
            )
        )
    sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    if sha256 != shard.sha256:
        findings.append(
            Finding(
                shard.file,
                None,
                f"its sha256 is {sha256}, but dataset.json has {shard.sha256}",
            )
        )


def _read_all(
    descriptor, path, shard, side_car, findings
) -> Iterator[tuple[int, int, bytes]]:
    """Number, offset and data of every record whose checksums are right.

    A damaged record may hide where the next one starts: then the side-car
    tells.
    """
    num_bytes = os.fstat(descriptor).st_size
    listed = side_car.get("offsets", [])
    position, number = 0, 0
    while position < num_bytes:
        try:
            data, end = records.read_framed_record(descriptor, path, position)
        except records.RecordError as error:
            findings.append(_of_record(error))
            later = [offset for offset in listed if position < offset]
            if not later or later[0] >= num_bytes:
                break
            number, position = len(listed) - len(later), later[0]
            continue
        if listed and (number >= len(listed) or listed[number] != position):
            findings.append(
                Finding(
                    shard.file,
                    position,
                    f"record {number} starts here, but not in the side-car",
                )
            )
            listed = []
        yield number, position, data
        number, position = number + 1, end
    else:
        if number != shard.num_records:
            findings.append(
                Finding(
                    shard.file,
                    None,
                    f"has {number} records, but dataset.json has "
                    f"{shard.num_records}",
                )
            )


def _check_clip(clip, number, path, offset, side_car) -> None:
    num_finite = int(np.count_nonzero(np.isfinite(clip.log_mel)))
    if num_finite < clip.log_mel.size:
        raise records.RecordError(
            path,
            offset,
            f"{clip.log_mel.size - num_finite} of {clip.log_mel.size} values "
            "are not finite",
        )
    ids = side_car.get("clips", {}).get("ids")
    if ids is not None and number < len(ids) and clip.clip_id != ids[number]:
        raise records.RecordError(
            path,
            offset,
            f"its id is {clip.clip_id!r}, but the side-car has {ids[number]!r}",
        )
    listed = side_car.get("labels")
    if listed is not None and number < len(listed):
        if list(clip.labels) != listed[number]:
            raise records.RecordError(
                path,
                offset,
                f"its labels are {list(clip.labels)}, but the side-car has "
                f"{listed[number]}",
            )


def verify_shards(
    data_dir, info: DatasetInfo, num_workers: int = 1
) -> Iterator[ShardReport]:
    """Re-reads all shards, each in one of several processes.

    Args:
        data_dir: directory with `dataset.json`.
        info: DatasetInfo of that directory.
        num_workers: int. Processes; with 1, this process does the work.

    Yields:
        ShardReport, as shards are read.

    Raises:
        OSError: if a file cannot be read, or a worker dies.
    """
    tasks = [
        (
            data_dir,
            shard,
            split,
            (info.num_frames, info.frontend.num_mel_bins),
            len(info.class_map),
        )
        for split, split_info in info.splits.items()
        for shard in split_info.shards
    ]
    yield from run_all(
        verify_shard,
        tasks,
        num_workers,
        "Run the command again, with fewer --num_workers.",
    )


def verify_whole(
    data_dir, info: DatasetInfo, reports: Sequence[ShardReport]
) -> list[Finding]:
    """What is wrong between shards: repeated ids, counts that do not add up.

    Args:
        data_dir: directory with `dataset.json`.
        info: DatasetInfo of that directory.
        reports: sequence of ShardReport, of all shards.
    """
    # They come as processes end; findings come in one order.
    order = [shard for split in info.splits.values() for shard in split.shards]
    reports = sorted(reports, key=lambda report: order.index(report.shard))
    findings = _repeated_ids(data_dir, reports)
    for name, split in info.splits.items():
        members = [report for report in reports if report.split == name]
        # Damaged records are missing from the counts, and were reported.
        if sum(len(report.offsets) for report in members) != split.num_clips:
            continue
        counts = sum(report.class_counts for report in members)
        for label in np.flatnonzero(counts != split.class_counts):
            findings.append(
                Finding(
                    "dataset.json",
                    None,
                    f"counts {split.class_counts[label]} clips of "
                    f"{info.class_map.names[label]!r} in the split {name}, "
                    f"but there are {counts[label]}",
                )
            )
    return findings


def _repeated_ids(data_dir, reports) -> list[Finding]:
    """Clips whose id an earlier record has too.

    Millions of ids are compared by their hashes; those with equal ones are
    read again.
    """
    hashes = np.concatenate([report.id_hashes for report in reports])
    offsets = np.concatenate([report.offsets for report in reports])
    shards = np.repeat(
        np.arange(len(reports)), [len(report.offsets) for report in reports]
    )
    order = np.argsort(hashes, kind="stable")
    equal = np.flatnonzero(np.diff(hashes[order]) == 0)
    suspects = np.union1d(order[equal], order[equal + 1])
    first_places: dict[str, str] = {}
    findings = []
    for suspect in suspects:
        file = reports[shards[suspect]].shard.file
        offset = int(offsets[suspect])
        path = pathlib.Path(data_dir) / file
        with open(path, "rb") as stream:
            data, _ = records.read_framed_record(stream.fileno(), path, offset)
        clip_id = records.decode_record(data, path, offset).clip_id
        place = f"{file}, byte {offset}"
        first_place = first_places.setdefault(clip_id, place)
        if first_place != place:
            findings.append(
                Finding(
                    file,
                    offset,
                    f"its id {clip_id!r} is also that of {first_place}",
                )
            )
    return findings
