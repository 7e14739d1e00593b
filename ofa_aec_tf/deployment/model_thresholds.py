"""The thresholds of a model: scoring for them, storing and finding them.

They are in a file beside the model. In an export, files that take samples have
them in their metadata as well, where apps find them.
"""

import dataclasses
import pathlib
from collections.abc import Sequence

from ofa_aec_tf.data.class_map import ClassMap
from ofa_aec_tf.data.class_thresholds import ClassThresholds
from ofa_aec_tf.data.dataset_info import DatasetInfo
from ofa_aec_tf.data.model_info import EXPORT_REPORT
from ofa_aec_tf.data.model_info import ModelInfo
from ofa_aec_tf.deployment import log_mel_windows
from ofa_aec_tf.deployment.export import output_directory
from ofa_aec_tf.deployment.prediction import scorers
from ofa_aec_tf.deployment.prediction.scorers import Scorer
from ofa_aec_tf.deployment.tflite import file_checks
from ofa_aec_tf.deployment.tflite import isolation
from ofa_aec_tf.deployment.tflite import metadata
from ofa_aec_tf.evaluation import evaluator
from ofa_aec_tf.evaluation import thresholds
from ofa_aec_tf.evaluation.thresholds import ThresholdChoice
from ofa_aec_tf.evaluation.thresholds import ThresholdSettings
from ofa_aec_tf.runs import workdir

SPLIT = "validation"


def load(path, dataset: DatasetInfo) -> tuple[pathlib.Path, Scorer]:
    """Loads a model that can score stored clips.

    Args:
        path: path of a `.keras` file of a network, or of a `.tflite` file.
            For one that takes samples, its counterpart on log-mel
            spectrograms is loaded, which gives the same scores.
        dataset: DatasetInfo of the clips.

    Returns:
        tuple of the path of the file that was loaded and of its Scorer.

    Raises:
        ValueError: if the model does not fit the data, or takes samples and
            has no counterpart.
    """
    path = pathlib.Path(path)
    info = ModelInfo.read(path)
    info.check_matches(dataset)
    scorer = scorers.load_scorer(
        path, info.frontend, info.clip_seconds, len(info.class_map)
    )
    if scorer.num_frames is not None:
        return path, scorer
    counterpart = output_directory.counterpart(path)
    if counterpart is None:
        raise ValueError(
            f"{path} takes waveforms, and the data have log-mel spectrograms, "
            f"as has no file of this mode in the {EXPORT_REPORT} beside it. "
            "Export this mode with --log_mel_modes too, or choose the "
            "thresholds of the `.keras`, and name them with "
            "`predict --thresholds=FILE`."
        )
    return load(counterpart, dataset)


def choose(
    scorer: Scorer, data, batch_size: int, chosen_for: ThresholdSettings
) -> tuple[tuple[ThresholdChoice, ...], dict]:
    """Chooses thresholds on the validation split.

    Args:
        scorer: Scorer of a model that takes log-mel spectrograms.
        data: PreprocessedData.
        batch_size: int. Clips in a batch.
        chosen_for: ThresholdSettings.

    Returns:
        tuple of the choice for each class, and of a dict of JSON types: how
        they were made, and what they reach.
    """
    scores, labels = evaluator.predict_batches(
        lambda clips: log_mel_windows.score_clips(
            scorer.score_log_mel, clips, scorer.num_frames
        ),
        data.batches(SPLIT, batch_size),
    )
    choices = thresholds.choose_thresholds(scores, labels, chosen_for)
    return choices, {
        **chosen_for.to_json(),
        "split": SPLIT,
        "num_clips": len(labels),
        "data_fingerprint": data.info.fingerprint,
        **thresholds.report(choices, data.info.class_map),
    }


def write(
    path: pathlib.Path,
    choices: Sequence[ThresholdChoice],
    details: dict,
    class_map: ClassMap,
) -> tuple[list[pathlib.Path], pathlib.Path | None]:
    """Writes thresholds beside a model and its counterpart.

    Args:
        path: path of a model that takes log-mel spectrograms.
        choices, details: as `choose` returns them.
        class_map: ClassMap of the model.

    Returns:
        tuple of the files that were written, and of the counterpart that got
        the thresholds into its metadata; None if there is no such file.

    Raises:
        ValueError: if the counterpart fails a check with them.
    """
    values = tuple(choice.threshold for choice in choices)
    models = [path]
    counterpart = output_directory.counterpart(path)
    if counterpart is not None:
        _pack(counterpart, values)
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
