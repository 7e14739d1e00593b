"""The directory that the files of one exported model are in."""

import pathlib
from collections.abc import Mapping
from collections.abc import Sequence

from ofa_aec_tf import workdir
from ofa_aec_tf.deployment import tflite_metadata

FRONTEND = "frontend"
LOG_MEL_PREFIX = "log_mel_"


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
        return f"{key}.tflite"
    return f"{stem}_{key}.tflite"


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
) -> None:
    """Writes all files of one model, the report last.

    Files of an earlier export that are not written again are removed.

    Args:
        directory: path; made where it is missing.
        report_name: str. Name of the report.
        report: dict of JSON types with the key `files`.
        contents: dict from file name to bytes.
        class_names: sequence of str, in the order of the outputs.

    Raises:
        ValueError: if another export is writing there.
    """
    directory.mkdir(parents=True, exist_ok=True)
    with workdir.lock(directory):
        _write(directory, report_name, report, contents, class_names)


def _old_names(report_path):
    """Files of the last export; none where its report cannot be read."""
    try:
        files = workdir.read_json(report_path)["files"].values()
        return {file["file"] for file in files}
    except (ValueError, OSError, KeyError, TypeError, AttributeError):
        return set()


def _write(directory, report_name, report, contents, class_names):
    report_path = directory / report_name
    old_names = _old_names(report_path)
    # Until the new one is there, no report shall vouch for the files.
    report_path.unlink(missing_ok=True)
    for name in old_names - set(contents):
        (directory / name).unlink(missing_ok=True)
    for name, content in contents.items():
        (directory / name).write_bytes(content)
    workdir.write_text(
        directory / tflite_metadata.LABELS, "\n".join(class_names) + "\n"
    )
    workdir.write_json(report_path, report)
