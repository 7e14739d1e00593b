"""Where the thresholds of a model are stored, and how they are found again.

They are in a file beside the model. In an export, files that take samples have
them in their metadata as well, where apps find them.
"""

import dataclasses
import pathlib
from collections.abc import Sequence

from ofa_aec_tf.data.class_map import ClassMap
from ofa_aec_tf.data.class_thresholds import ClassThresholds
from ofa_aec_tf.deployment.export import output_directory
from ofa_aec_tf.deployment.tflite import file_checks
from ofa_aec_tf.deployment.tflite import isolation
from ofa_aec_tf.deployment.tflite import metadata
from ofa_aec_tf.runs import workdir


def write(
    path: pathlib.Path,
    values: Sequence[float | None],
    details: dict,
    class_map: ClassMap,
) -> tuple[list[pathlib.Path], pathlib.Path | None]:
    """Writes thresholds beside a model and its counterpart.

    Args:
        path: path of a model that takes log-mel spectrograms.
        values: sequence of float or None, one for each class.
        details: dict of JSON types. How they were chosen, and what they
            reach.
        class_map: ClassMap of the model.

    Returns:
        tuple of the files that were written, and of the counterpart that got
        the thresholds into its metadata; None if there is no such file.

    Raises:
        ValueError: if the counterpart fails a check with them.
    """
    models = [path]
    counterpart = output_directory.counterpart(path)
    if counterpart is not None:
        _pack(counterpart, tuple(values))
        models.append(counterpart)
    outputs = list(map(ClassThresholds.path_beside, models))
    for model, output in zip(models, outputs):
        ClassThresholds(
            dict(zip(class_map.names, values)),
            workdir.file_digest(model),
            details,
        ).write(output)
    return outputs, counterpart


def _pack(path, values):
    """Puts thresholds into the metadata of a file that takes samples."""
    content = path.read_bytes()
    described = dataclasses.replace(metadata.read(content), thresholds=values)
    packed = metadata.attach(content, described)
    read_back = isolation.call(file_checks.check_file, packed, str(path))
    if read_back != described:
        raise ValueError(
            f"The thresholds in {path} must be read back as they were "
            f"written. Received: {read_back}, expected {described}"
        )
    output_directory.replace_file(path, packed)


def find(
    model_path, class_map: ClassMap
) -> tuple[tuple[float | None, ...] | None, str | None]:
    """The thresholds beside a model, or else in its metadata.

    Args:
        model_path: path of a model of any kind.
        class_map: ClassMap of the model.

    Returns:
        tuple of one float or None for each class, and of the path of the file
        that they are in; twice None if there are no thresholds.

    Raises:
        ValueError: if they were chosen for another model or other classes.
    """
    path = ClassThresholds.path_beside(model_path)
    if not path.is_file():
        packed = _packed(model_path, class_map.names)
        return packed, None if packed is None else str(model_path)
    found = ClassThresholds.read(path)
    if found.model_digest != workdir.file_digest(model_path):
        raise ValueError(
            f"{path} was chosen for another model than {model_path} now is. "
            "Choose the thresholds again with `python -m "
            "ofa_aec_tf.choose_thresholds`, or name them with --thresholds."
        )
    return found.of_classes(class_map), str(path)


def _packed(path, names):
    if pathlib.Path(path).suffix != output_directory.SUFFIX:
        return None
    found = isolation.call(_read_metadata, path)
    if found is None:
        return None
    if found.labels != tuple(names):
        raise ValueError(
            f"The labels in the metadata of {path} are not the classes of its "
            f"record: {len(found.labels)} and {len(names)} names. Export "
            "the model again."
        )
    return found.thresholds


def _read_metadata(path):
    content = pathlib.Path(path).read_bytes()
    return metadata.read(content) if metadata.is_there(content) else None
