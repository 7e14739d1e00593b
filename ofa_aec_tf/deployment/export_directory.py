"""The directory that the files of one exported model are in."""

import hashlib
import json
import pathlib
import tempfile
from collections.abc import Mapping
from collections.abc import Sequence

from ofa_aec_tf.deployment.tflite import metadata
from ofa_aec_tf.runs import workdir

FRONTEND = "frontend"
LOG_MEL_PREFIX = "log_mel_"
_SUFFIX = ".tflite"


def file_name(stem: str, key: str) -> str:
    """Name of a file.

    Args:
        stem: str. Of the model.
        key: str. Its mode, `log_mel_` and its mode where it takes log-mel
            spectrograms, or `frontend`.

    Returns:
        str.
    """
    if key == FRONTEND:
        return f"{key}{_SUFFIX}"
    return f"{stem}_{key}{_SUFFIX}"


def directories(
    model_paths: Sequence[pathlib.Path], output_dir: pathlib.Path
) -> list[pathlib.Path]:
    """Where the files of each model go.

    Args:
        model_paths: sequence of path.
        output_dir: path.

    Returns:
        list of path: named after the file of a single model, and after the
        directories that several models are in.

    Raises:
        ValueError: if two would have the same.
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
    report_name: str,
    report: Mapping,
    contents: Mapping[str, bytes],
    class_names: Sequence[str],
) -> list[str]:
    """Writes all files of one model, the report last.

    They take their places when all of them are on the disk. Files of an
    earlier export that are not written again are removed: those that its
    report names, of which the content is still what it says.

    Args:
        directory: path; made where it is missing.
        report_name: str. Name of the report.
        report: dict of JSON types with the key `files`.
        contents: dict from file name to bytes.
        class_names: sequence of str, in the order of the outputs.

    Returns:
        list of str. What the earlier report names and this leaves alone, as
        it is not what that export has written.

    Raises:
        ValueError: if another export is writing there, or a directory has the
            name of a file.
    """
    directory.mkdir(parents=True, exist_ok=True)
    labels = "\n".join(class_names) + "\n"
    files = {
        **contents,
        metadata.LABELS: labels.encode(),
        report_name: f"{json.dumps(report, indent=2)}\n".encode(),
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
            _stage(pathlib.Path(staging), files)
            removed, kept = _last_export(directory / report_name, files)
            # Until the new one is there, no report shall vouch for the files.
            (directory / report_name).unlink(missing_ok=True)
            for path in removed:
                path.unlink()
            for number, name in enumerate(files):
                pathlib.Path(staging, str(number)).replace(directory / name)
    return kept


def _stage(staging, files):
    # By numbers: a file that a crash leaves there is no `.tflite`.
    for number, content in enumerate(files.values()):
        workdir.write_bytes(staging / str(number), content)


def _last_export(report_path, files):
    """Files of the last export to remove, and names that are none of it.

    Neither where its report cannot be read.
    """
    try:
        report = workdir.read_json(report_path)
        records = [(f["file"], f["sha256"]) for f in report["files"].values()]
    except (ValueError, OSError, KeyError, TypeError, AttributeError):
        return [], []
    removed, kept = [], []
    for name, sha256 in records:
        if name in files:
            continue
        if _is_written_by_export(report_path.parent, name, sha256):
            removed.append(report_path.parent / name)
        else:
            kept.append(str(name))
    return removed, kept


def _is_written_by_export(directory, name, sha256):
    # A report may have been written by anyone, and name anything.
    if not isinstance(name, str) or pathlib.PurePath(name).name != name:
        return False
    path = directory / name
    if path.suffix != _SUFFIX or path.is_symlink() or not path.is_file():
        return False
    return hashlib.sha256(path.read_bytes()).hexdigest() == sha256
