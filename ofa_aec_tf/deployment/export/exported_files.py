"""Finds exported files on a disk, and checks them before an app ships them."""

import hashlib
import pathlib
from collections.abc import Sequence

from ofa_aec_tf.data.model_info import EXPORT_REPORT
from ofa_aec_tf.data.model_info import ModelInfo
from ofa_aec_tf.deployment.export import output_directory
from ofa_aec_tf.deployment.tflite import file_checks
from ofa_aec_tf.deployment.tflite import isolation
from ofa_aec_tf.deployment.tflite import metadata
from ofa_aec_tf.deployment.tflite.metadata import AudioMetadata
from ofa_aec_tf.runs import workdir

OK = "ok"


def find_files(paths: Sequence[pathlib.Path]) -> list[pathlib.Path]:
    """The files that paths name, each once.

    Args:
        paths: sequence of path. A directory stands for all `.tflite` files in
            and below it.

    Returns:
        list of path. A path without any file is kept: its verdict says so.

    Raises:
        ValueError: if there is no file at all.
    """
    files = []
    for path in paths:
        found = []
        if path.is_dir():
            found = sorted(path.rglob(f"*{output_directory.SUFFIX}"))
        files += found or [path]
    if not any(path.is_file() for path in files):
        raise ValueError(
            "Name at least one `.tflite` file, or a directory that export has "
            "written. There is no TFLite file at any of: "
            f"{[str(path) for path in files]}"
        )
    return list(dict.fromkeys(files))


def verdict(path: pathlib.Path) -> str:
    """Checks a file in a process of its own, which it may crash.

    Args:
        path: path of a `.tflite` file.

    Returns:
        `OK`, or what is wrong with the file in one line.
    """
    try:
        isolation.call(_check, path)
    except ValueError as error:
        return " ".join(str(error).split())
    return OK


def _check(path):
    if not path.is_file():
        raise ValueError("There is no TFLite file.")
    content = path.read_bytes()
    found = file_checks.check_file(content, "file")
    if (path.parent / EXPORT_REPORT).is_file():
        _check_report(path, content, found)


def _check_report(path, content, found: AudioMetadata | None):
    """Compares a file and its metadata with the report of its export."""
    report = workdir.read_json(path.parent / EXPORT_REPORT)
    try:
        recorded = {f["file"]: f["sha256"] for f in report["files"].values()}
        info = ModelInfo.from_json(report["model"])
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise ValueError(
            f"The {EXPORT_REPORT} beside it is not what export writes: "
            f"{type(error).__name__} {error}. Export again."
        ) from error
    if path.name not in recorded:
        raise ValueError(
            f"It is not in the {EXPORT_REPORT} beside it. Export again."
        )
    if hashlib.sha256(content).hexdigest() != recorded[path.name]:
        raise ValueError(
            f"It is not the file that {EXPORT_REPORT} was written with: its "
            "sha256 is another. Export again, or copy the directory as a "
            "whole."
        )
    rate_hz = info.frontend.sample_rate_hz
    if found is not None and found.sample_rate_hz != rate_hz:
        raise ValueError(
            f"Its metadata say {found.sample_rate_hz} Hz, and its model "
            f"takes {rate_hz} Hz. Export again."
        )
    names = info.class_map.names
    labels_path = path.parent / metadata.LABELS
    try:
        lines = labels_path.read_text(encoding="utf-8").splitlines()
    except UnicodeDecodeError as error:
        raise ValueError(
            f"{labels_path} is not text in UTF-8: {error}. Export again."
        ) from error
    for what, labels in (
        ("its metadata", names if found is None else found.labels),
        (metadata.LABELS, tuple(lines)),
    ):
        if labels != names:
            raise ValueError(
                f"The labels in {what} are not the classes of the model in "
                f"{EXPORT_REPORT}: {len(labels)} and {len(names)} names. "
                "Export again."
            )
