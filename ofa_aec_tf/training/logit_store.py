"""Stores the logits of teachers, view by view."""

import pathlib

import numpy as np
from absl import logging

from ofa_aec_tf.data import input_pipeline
from ofa_aec_tf.data import stored_logits
from ofa_aec_tf.data import stored_views
from ofa_aec_tf.data.dataset_info import DatasetInfo
from ofa_aec_tf.data.model_info import ModelInfo
from ofa_aec_tf.data.stored_logits import StoredViews
from ofa_aec_tf.models.keras_files import load_keras_file
from ofa_aec_tf.models.logits import score_activation
from ofa_aec_tf.models.precision import precision_scope
from ofa_aec_tf.runs import workdir
from ofa_aec_tf.training.teachers import load_teacher

_SPLIT = "train"


def store_logits(
    directory,
    teacher_paths,
    data_dir,
    dataset: DatasetInfo,
    views: StoredViews,
    batch_size: int,
    skip_corrupt: bool = False,
) -> pathlib.Path:
    """Runs teachers on all views of the training clips, and keeps their logits.

    Views that a directory already has are not computed again.

    Args:
        directory: path of the directory to write to.
        teacher_paths: paths of `.keras` files, which fit the data.
        data_dir: directory with `dataset.json`.
        dataset: DatasetInfo of that directory.
        views: StoredViews.
        batch_size: int.
        skip_corrupt: bool. As in RandomAccessReader.

    Returns:
        pathlib.Path of the record, which is written last.

    Raises:
        ValueError: if the teachers' scores come from different activations, or
            their logits are not finite.
    """
    record = pathlib.Path(directory) / stored_logits.FILE_NAME
    if record.is_file():
        logging.info("%s is finished", directory)
        return record
    # The others are checked against the first.
    activation = score_activation(load_keras_file(teacher_paths[0]))
    with precision_scope("float32"):
        teachers = [
            load_teacher(path, ModelInfo.read(path).details, activation)
            for path in teacher_paths
        ]
    ids = None
    for view in range(views.num_views):
        # The first one again, if need be: the ids come with it.
        if ids is None or not stored_logits.view_path(directory, view).exists():
            batches = input_pipeline.make_eval_dataset(
                data_dir, dataset, _SPLIT, batch_size, skip_corrupt=skip_corrupt
            )
            ids, logits = _logits_of_view(
                teachers,
                stored_views.as_views(
                    batches,
                    views,
                    view,
                    *input_pipeline.augmentation_levels(dataset),
                ),
            )
            stored_logits.write_view(directory, view, logits)
            print(
                f"view {view + 1} of {views.num_views}: {len(ids)} clips",
                flush=True,
            )
    info = ModelInfo.for_dataset(
        dataset,
        score_activation=activation,
        teachers=[workdir.file_digest(path) for path in teacher_paths],
    )
    stored_logits.write_record(directory, info, ids, views)
    return record


def _logits_of_view(teachers, batches):
    """The ids of clips, and the teachers' logits of one view of each."""
    ids, logits = [], []
    with input_pipeline.reading_errors():
        for batch in batches:
            ids += [clip_id.decode() for clip_id in batch["id"].numpy()]
            logits.append(
                np.stack(
                    [teacher(batch["log_mel"]).numpy() for teacher in teachers],
                    axis=1,
                )
            )
    return ids, np.concatenate(logits)
