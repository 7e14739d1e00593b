"""Trains what a job describes, and saves it."""

import pathlib
import pkgutil

import keras
import tensorflow as tf
from absl import logging

from ofa_aec_tf.data.model_info import ModelInfo
from ofa_aec_tf.models.keras_files import save_keras_file
from ofa_aec_tf.models.precision import precision_scope
from ofa_aec_tf.training import checkpoints
from ofa_aec_tf.training import fitting
from ofa_aec_tf.training.job import TrainingJob


def model_path(job: TrainingJob, directory) -> pathlib.Path:
    """The model file of a job in its work directory."""
    return pathlib.Path(directory) / job.stage.file_name


def has_results(job: TrainingJob, directory) -> bool:
    """Whether a run has saved anything to resume from."""
    saved = pathlib.Path(directory) / checkpoints.DIRECTORY
    return (
        tf.train.latest_checkpoint(str(saved)) is not None
        or model_path(job, directory).exists()
    )


def train(job: TrainingJob, directory) -> pathlib.Path:
    """Trains a network or a supernet and saves it.

    An interrupted run resumes after its last finished epoch; the result is that
    of an uninterrupted run.

    Args:
        job: TrainingJob.
        directory: the run's work directory.

    Returns:
        pathlib.Path of the saved model.

    Raises:
        ValueError: if a model or the data cannot be used, such as a damaged
            record.
    """
    path = model_path(job, directory)
    if path.is_file():
        # Not again: a `.keras` file holds the time of its writing, and what
        # was made from it would no longer fit it.
        logging.info("%s is finished", path)
        return path
    if job.deterministic:
        tf.config.experimental.enable_op_determinism()
    keras.utils.set_random_seed(job.config.seed)
    logging.info("computing in %s", job.precision)
    with precision_scope(job.precision):
        run = pkgutil.resolve_name(job.stage.run)(job)
        fitting.fit(run, pathlib.Path(directory))
    _save(run.finished_model(), job, path)
    return path


def _save(model, job, path):
    space = job.family.search_space()
    subnet = space.largest() if job.subnet is None else job.subnet
    details = {
        "stage": job.config.stage,
        "seed": job.config.seed,
        "family": job.family.record(),
        "complexity": job.family.complexity(
            subnet, job.dataset.num_frames
        ).to_json(),
    }
    if not job.stage.is_supernet:
        details["subnet"] = dict(space.subnet(subnet))
    ModelInfo.for_dataset(job.dataset, **details).write(path)
    # The model last and at once: its presence means a finished run.
    save_keras_file(model, path)
