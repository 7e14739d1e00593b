"""What is wrong with a data set, found by reading all of it again."""

import dataclasses
import hashlib
import os
import pathlib
from collections.abc import Iterator
from collections.abc import Sequence

import numpy as np
import tqdm

from data_pipeline.clips.splits import stable_hash
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
        offset: int or None. Byte where the record starts; None means the file
            as a whole.
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
        offsets: int64 array of shape (num_good,). Where the good records start.
        id_hashes: uint64 array of shape (num_good,). Hashes of their clip ids.
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
    """Reads a shard and its side-car again.

    Args:
        data_dir: directory with the shard.
        shard: ShardInfo.
        split: str.
        clip_shape: tuple of int, `(num_frames, num_mel_bins)`.
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
                except records.RecordError as error:
                    findings.append(_of_record(error))
                    continue
                problem = _problem_of_clip(clip, number, side_car)
                if problem:
                    findings.append(Finding(shard.file, offset, problem))
                    continue
                offsets.append(offset)
                id_hashes.append(stable_hash("id", clip.clip_id))
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


def _verify_side_car(data_dir, shard, findings) -> dict:
    """Reads the side-car, without what cannot be used of it."""
    name = records.side_car_path(shard.file).name
    try:
        side_car = record_reader.read_side_car(data_dir, shard)
    except ValueError as error:
        findings.append(Finding(name, None, str(error)))
        return {}
    problems = [
        f"{key} is {side_car.get(key)}, but dataset.json has "
        f"{getattr(shard, key)}"
        for key in ("num_records", "num_bytes", "sha256")
        if side_car.get(key) != getattr(shard, key)
    ]

    def fits(column):
        return isinstance(column, list) and len(column) == shard.num_records

    clips = side_car.get("clips", {})
    for key, is_good in (
        ("labels", "labels" not in side_car or fits(side_car["labels"])),
        ("clips", isinstance(clips, dict) and all(map(fits, clips.values()))),
    ):
        if not is_good:
            problems.append(
                f"its {key} are not those of {shard.num_records} records"
            )
            del side_car[key]
    findings += [Finding(name, None, problem) for problem in problems]
    return side_car


def _verify_file(file, shard, findings) -> None:
    num_bytes = os.fstat(file.fileno()).st_size
    sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    for found, expected, what in (
        (num_bytes, shard.num_bytes, f"has {num_bytes} bytes"),
        (sha256, shard.sha256, f"its sha256 is {sha256}"),
    ):
        if found != expected:
            problem = f"{what}, but dataset.json has {expected}"
            findings.append(Finding(shard.file, None, problem))


def _read_all(
    descriptor, path, shard, side_car, findings
) -> Iterator[tuple[int, int, bytes]]:
    """Yields number, offset and data of every record with right checksums.

    A damaged record may hide where the next one starts. The side-car tells.
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
            problem = f"record {number} starts here, but not in the side-car"
            findings.append(Finding(shard.file, position, problem))
            listed = []
        yield number, position, data
        number, position = number + 1, end
    else:
        if number != shard.num_records:
            problem = (
                f"has {number} records, but dataset.json has "
                f"{shard.num_records}"
            )
            findings.append(Finding(shard.file, None, problem))


def _problem_of_clip(clip, number, side_car) -> str | None:
    num_values = clip.log_mel.size
    num_finite = int(np.count_nonzero(np.isfinite(clip.log_mel)))
    if num_finite < num_values:
        return (
            f"{num_values - num_finite} of {num_values} values are not finite"
        )
    for what, found, listed in (
        ("id is", clip.clip_id, side_car.get("clips", {}).get("ids")),
        ("labels are", list(clip.labels), side_car.get("labels")),
    ):
        if listed is not None and number < len(listed):
            if found != listed[number]:
                return (
                    f"its {what} {found!r}, but the side-car has "
                    f"{listed[number]!r}"
                )
    return None


def verify_shards(
    data_dir, info: DatasetInfo, num_workers: int = 1
) -> Iterator[ShardReport]:
    """Reads all shards again, each in one of several processes.

    Args:
        data_dir: directory with `dataset.json`.
        info: DatasetInfo of that directory.
        num_workers: int. Number of processes; 1 is this process.

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
    """Finds repeated ids, and counts that do not add up.

    Args:
        data_dir: directory with `dataset.json`.
        info: DatasetInfo of that directory.
        reports: sequence of ShardReport, of all shards.
    """
    # Reports come as processes end, but findings have a fixed order.
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
            problem = (
                f"counts {split.class_counts[label]} clips of "
                f"{info.class_map.names[label]!r} in the split {name}, but "
                f"there are {counts[label]}"
            )
            findings.append(Finding("dataset.json", None, problem))
    return findings


def _repeated_ids(data_dir, reports) -> list[Finding]:
    """Finds clips whose id an earlier record has, too.

    Millions of ids are compared by their hashes. Records with equal hashes are
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
            problem = f"its id {clip_id!r} is also that of {first_place}"
            findings.append(Finding(file, offset, problem))
    return findings


def verify(data_dir, info: DatasetInfo, num_workers: int) -> int:
    """Reads a data set again, and prints what is wrong and a line of counts.

    Args:
        data_dir: directory with `dataset.json`.
        info: DatasetInfo of that directory.
        num_workers: int. Number of processes; 1 is this process.

    Returns:
        int. Number of findings.

    Raises:
        OSError: if a file cannot be read, or a worker dies.
    """
    num_clips = sum(split.num_clips for split in info.splits.values())
    reports, num_findings = [], 0
    with tqdm.tqdm(total=num_clips, unit="clip", disable=None) as progress:
        for report in verify_shards(data_dir, info, num_workers):
            reports.append(report)
            num_findings += len(report.findings)
            for finding in report.findings:
                progress.write(str(finding))
            progress.update(report.shard.num_records)
    for finding in verify_whole(data_dir, info, reports):
        num_findings += 1
        print(finding)
    num_good = sum(len(report.offsets) for report in reports)
    num_bytes = sum(report.shard.num_bytes for report in reports)
    print(
        f"{num_good} of {num_clips} records in {len(reports)} shards "
        f"({num_bytes / 2**20:.1f} MiB) are whole, {num_findings} findings"
    )
    return num_findings
