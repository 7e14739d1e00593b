"""Thresholds of classes inside the files of an export that take samples."""

import dataclasses
import hashlib
import pathlib
from collections.abc import Sequence

from ofa_aec_tf.deployment import export_directory
from ofa_aec_tf.deployment import file_checks
from ofa_aec_tf.deployment import isolation
from ofa_aec_tf.deployment.tflite import metadata as tflite_metadata
from ofa_aec_tf.runs import workdir


def _mode(key):
    return key.removeprefix(export_directory.LOG_MEL_PREFIX)


def sibling(
    path: pathlib.Path, report_path: pathlib.Path
) -> pathlib.Path | None:
    """The file of the same network with, or else without, the front end.

    Its scores are the same: an export is refused where they are not.

    Args:
        path: path of a `.tflite` file.
        report_path: path of the report of the export, which may be missing.

    Returns:
        path, or None where the report names none, or the two files are not
        those that it was written with.
    """
    try:
        records = workdir.read_json(report_path)["files"]
        (key,) = (k for k, r in records.items() if r["file"] == path.name)
        (other,) = (k for k in records if k != key and _mode(k) == _mode(key))
        paths = [report_path.parent / records[k]["file"] for k in (key, other)]
        digests = [
            hashlib.sha256(found.read_bytes()).hexdigest() for found in paths
        ]
        recorded = [records[k]["sha256"] for k in (key, other)]
    except (ValueError, OSError, KeyError, TypeError, AttributeError):
        return None
    is_inside = paths[1].parent == report_path.parent
    return paths[1] if digests == recorded and is_inside else None


def read(
    path: pathlib.Path, labels: Sequence[str]
) -> tuple[float | None, ...] | None:
    """The thresholds in the metadata of a file.

    Args:
        path: path of a model of any kind.
        labels: sequence of str. The classes of its record.

    Returns:
        tuple of float or None, one a class; None where it has none.

    Raises:
        ValueError: if its metadata are of other classes.
    """
    if pathlib.Path(path).suffix != ".tflite":
        return None
    metadata = isolation.call(_read, path)
    if metadata is None:
        return None
    if metadata.labels != tuple(labels):
        raise ValueError(
            f"The labels in the metadata of {path} are not the classes of its "
            f"record: {len(metadata.labels)} and {len(labels)} names. Export "
            "the model again."
        )
    return metadata.thresholds


def _read(path):
    content = pathlib.Path(path).read_bytes()
    if not tflite_metadata.is_there(content):
        return None
    return tflite_metadata.read(content)


def pack(
    path: pathlib.Path,
    report_path: pathlib.Path,
    thresholds: Sequence[float | None],
) -> None:
    """Packs thresholds into a file of an export, and renews its report.

    Args:
        path: path of a `.tflite` file that takes samples.
        report_path: path of the report of its export.
        thresholds: sequence of float or None, one a class.

    Raises:
        ValueError: if the file fails a check then.
    """
    content = path.read_bytes()
    metadata = dataclasses.replace(
        tflite_metadata.read(content), thresholds=tuple(thresholds)
    )
    packed = tflite_metadata.attach(content, metadata)
    read_back = isolation.call(file_checks.check_file, packed, str(path))
    if read_back != metadata:
        raise ValueError(
            f"The thresholds in {path} must be read back as they were "
            f"written. Received: {read_back}, expected {metadata}"
        )
    report = workdir.read_json(report_path)
    for record in report["files"].values():
        if record["file"] == path.name:
            record["num_bytes"] = len(packed)
            record["sha256"] = hashlib.sha256(packed).hexdigest()
    workdir.write_bytes(path, packed)
    workdir.write_json(report_path, report)
