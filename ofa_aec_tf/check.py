"""Checks exported files as they lie on a disk, before an app ships them.

python -m ofa_aec_tf.check exported a.tflite

Of a directory, all `.tflite` files in and below it. Each must be whole, have
builtin operators, finite weights and finite scores on extreme sounds, and take
and give what apps expect; one that takes samples must have its metadata and a
label for each score. Where `export.json` lies beside it, its sha256 and its
labels must be those of the export. Every file is checked, in a process of its
own, and its verdict printed at once; the exit status is 2 if one is not as it
should be.
"""

import hashlib
import pathlib

from ofa_aec_tf.command_flags import command_line
from ofa_aec_tf.command_flags import path_flags
from ofa_aec_tf.data.model_info import EXPORT_REPORT
from ofa_aec_tf.data.model_info import ModelInfo
from ofa_aec_tf.deployment import file_checks
from ofa_aec_tf.deployment import isolation
from ofa_aec_tf.deployment.tflite import metadata as tflite_metadata
from ofa_aec_tf.runs import workdir

_OK = "ok"


def _files(arguments):
    files = []
    for text in arguments:
        argument = pathlib.Path(path_flags.local_path(text))
        found = []
        if argument.is_dir():
            found = sorted(argument.rglob("*.tflite"))
        # Where there is none, that is its verdict.
        files += found or [argument]
    if not any(path.is_file() for path in files):
        raise ValueError(
            "Name at least one `.tflite` file, or a directory that export has "
            "written. There is no TFLite file at any of: "
            f"{[str(path) for path in files]}"
        )
    # Once each, in the order they were named in.
    return list(dict.fromkeys(files))


def _check_record(path, content, metadata):
    """Compares a file with the report of its export."""
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
    names = info.class_map.names
    rate_hz = info.frontend.sample_rate_hz
    if metadata is not None and metadata.sample_rate_hz != rate_hz:
        raise ValueError(
            f"Its metadata say {metadata.sample_rate_hz} Hz, and its model "
            f"takes {rate_hz} Hz. Export again."
        )
    labels_path = path.parent / tflite_metadata.LABELS
    try:
        lines = labels_path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise ValueError(
            f"{labels_path} is not text in UTF-8: {error}. Export again."
        ) from error
    for what, labels in (
        ("its metadata", names if metadata is None else metadata.labels),
        (tflite_metadata.LABELS, tuple(lines.splitlines())),
    ):
        if labels != names:
            raise ValueError(
                f"The labels in {what} are not the classes of the model in "
                f"{EXPORT_REPORT}: {len(labels)} and {len(names)} names. "
                "Export again."
            )


def _check(path):
    if not path.is_file():
        raise ValueError("There is no TFLite file.")
    content = path.read_bytes()
    metadata = file_checks.check_file(content, "file")
    if (path.parent / EXPORT_REPORT).is_file():
        _check_record(path, content, metadata)


def _verdict(path):
    """`ok`, or what is wrong with a file, in one line."""
    try:
        isolation.call(_check, path)
    except ValueError as error:
        return " ".join(str(error).split())
    return _OK


def main(arguments):
    """Runs the command on files and directories."""
    paths = _files(arguments)
    num_bad = 0
    for path in paths:
        verdict = _verdict(path)
        num_bad += verdict != _OK
        print(f"{path}: {verdict}", flush=True)
    if num_bad:
        raise ValueError(
            f"{num_bad} of {len(paths)} files must not be shipped; the lines "
            "above say why."
        )


if __name__ == "__main__":
    command_line.run(main, takes_arguments=True)
