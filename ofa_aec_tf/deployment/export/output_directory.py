"""The directory with the files of one exported model."""

import hashlib
import json
import pathlib
import tempfile
from collections.abc import Mapping
from collections.abc import Sequence

from ofa_aec_tf.data.model_info import EXPORT_REPORT
from ofa_aec_tf.deployment.tflite import metadata
from ofa_aec_tf.runs import workdir

FRONTEND = "frontend"
LOG_MEL_PREFIX = "log_mel_"
SUFFIX = ".tflite"
# Errors of reading a report that export did not write.
_UNREADABLE = (ValueError, OSError, KeyError, TypeError, AttributeError)


def file_name(stem: str, key: str) -> str:
    """Name of a file.

    Args:
        stem: str. Stem of the model's file name.
        key: str. The mode; `log_mel_` and the mode for a file that takes
            log-mel spectrograms; or `frontend`.
    """
    if key == FRONTEND:
        return f"{key}{SUFFIX}"
    return f"{stem}_{key}{SUFFIX}"


def directories(
    model_paths: Sequence[pathlib.Path], output_dir: pathlib.Path
) -> list[pathlib.Path]:
    """Where the files of each model go.

    Args:
        model_paths: sequence of path.
        output_dir: path.

    Returns:
        list of path. The directory of a single model is named after its file;
        those of several models after the directories that they are in.

    Raises:
        ValueError: if two would have the same name.
    """
    if len(model_paths) == 1:
        names = [model_paths[0].stem]
    else:
        names = [path.absolute().parent.name for path in model_paths]
    if len(set(names)) < len(names):
        raise ValueError(
            "Several models are told apart by the directories they are in, "
            f"which must have distinct names. Received: {names}. Export "
            "them one by one."
        )
    return [output_dir / name for name in names]


def write(
    directory: pathlib.Path,
    report: Mapping,
    contents: Mapping[str, bytes],
    class_names: Sequence[str],
) -> list[str]:
    """Writes all files of one model, the report last.

    They take their places when all of them are on the disk. Files of the last
    export that are not written again are removed, if they still have the
    content that its report names.

    Args:
        directory: path; made where it is missing.
        report: dict of JSON types with the key `files`.
        contents: dict from file name to bytes.
        class_names: sequence of str, in the order of the outputs.

    Returns:
        list of str. Names in the last report that are left alone, because
        that export did not write them.

    Raises:
        ValueError: if another export is writing there, or if a directory has
            the name of a file.
    """
    directory.mkdir(parents=True, exist_ok=True)
    labels = "\n".join(class_names) + "\n"
    files = {
        **contents,
        metadata.LABELS: labels.encode(),
        EXPORT_REPORT: f"{json.dumps(report, indent=2)}\n".encode(),
    }
    with workdir.lock(directory):
        taken = [name for name in files if (directory / name).is_dir()]
        if taken:
            raise ValueError(
                f"Directories in {directory} have the names of files: {taken}. "
                "Move them, or name another --output_dir."
            )
        with tempfile.TemporaryDirectory(
            dir=directory, prefix=".export-"
        ) as staging:
            # Named by numbers, so that a crash leaves no `.tflite` behind.
            for number, content in enumerate(files.values()):
                workdir.write_bytes(pathlib.Path(staging, str(number)), content)
            removed, kept = _last_export(directory, files)
            # While the files change, no report may vouch for them.
            (directory / EXPORT_REPORT).unlink(missing_ok=True)
            for path in removed:
                path.unlink()
            for number, name in enumerate(files):
                pathlib.Path(staging, str(number)).replace(directory / name)
    return kept


def _last_export(directory, files):
    """Files of the last export to remove, and names that it did not write."""
    try:
        report = workdir.read_json(directory / EXPORT_REPORT)
        records = [(f["file"], f["sha256"]) for f in report["files"].values()]
    except _UNREADABLE:
        return [], []
    removed, kept = [], []
    for name, sha256 in records:
        if name in files:
            continue
        if _is_written_by_export(directory, name, sha256):
            removed.append(directory / name)
        else:
            kept.append(str(name))
    return removed, kept


def _is_written_by_export(directory, name, sha256):
    # Anyone may have written the report, and it may name any file.
    if not isinstance(name, str) or pathlib.PurePath(name).name != name:
        return False
    path = directory / name
    if path.suffix != SUFFIX or path.is_symlink() or not path.is_file():
        return False
    return _sha256(path) == sha256


def _sha256(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _mode(key):
    return key.removeprefix(LOG_MEL_PREFIX)


def counterpart(path: pathlib.Path) -> pathlib.Path | None:
    """The file of the same network with the front end, or without it.

    Both give the same scores: export refuses a network where they do not.

    Args:
        path: path of a `.tflite` file.

    Returns:
        path, or None if no report beside the file names both, or if one of
        them is not the file that the report was written with.
    """
    directory = path.parent
    try:
        records = workdir.read_json(directory / EXPORT_REPORT)["files"]
        (key,) = (k for k, r in records.items() if r["file"] == path.name)
        (other,) = (k for k in records if k != key and _mode(k) == _mode(key))
        paths = [directory / records[k]["file"] for k in (key, other)]
        are_theirs = all(
            _sha256(found) == records[k]["sha256"]
            for k, found in zip((key, other), paths)
        )
    except _UNREADABLE:
        return None
    is_inside = paths[1].parent == directory
    return paths[1] if are_theirs and is_inside else None


def replace_file(path: pathlib.Path, content: bytes) -> None:
    """Replaces a file of an export, and its entry in the report.

    Args:
        path: path of a file that the report beside it names.
        content: bytes.
    """
    report_path = path.parent / EXPORT_REPORT
    report = workdir.read_json(report_path)
    for record in report["files"].values():
        if record["file"] == path.name:
            record["num_bytes"] = len(content)
            record["sha256"] = hashlib.sha256(content).hexdigest()
    workdir.write_bytes(path, content)
    workdir.write_json(report_path, report)
