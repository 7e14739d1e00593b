"""Runs the steps of a training: from its last checkpoint on, to the end."""

import contextlib
import sys

import keras
import tensorflow as tf
from absl import logging

from ofa_aec_tf.checks.finite import NotFiniteError
from ofa_aec_tf.data import input_pipeline
from ofa_aec_tf.training import averaging
from ofa_aec_tf.training import callbacks
from ofa_aec_tf.training import checkpoints
from ofa_aec_tf.training import optimization
from ofa_aec_tf.training.distiller import TEACHER_IS_NOT_FINITE

CHECKPOINTS = "checkpoints"


def _average(distiller, model, validation, config):
    """The callback that averages weights, or None."""
    if config.optimizer.ema_decay:
        return averaging.MovingAverage(
            model,
            distiller.optimizer,
            distiller.trainable_variables,
            validation,
            config.optimizer.ema_decay,
        )
    if config.average_from_epoch:
        return averaging.EpochAverage(
            model, validation, config.average_from_epoch
        )
    return None


def fit(
    distiller, model, validation, config, data_dir, dataset, directory, stored
):
    """Trains to the end of a run, from its last checkpoint on.

    Args:
        distiller: keras.Model, of `ofa_aec_tf.training.distiller`.
        model: keras.Model that it trains; has its last weights then, or their
            average.
        validation: callback of `ofa_aec_tf.training.callbacks`.
        config: TrainConfig.
        data_dir: directory with `dataset.json`.
        dataset: DatasetInfo of that directory.
        directory: pathlib.Path of the run's working directory.
        stored: StoredLogits to learn from, or None.

    Raises:
        ValueError: if the training diverges, a teacher says what is not
            finite, or a checkpoint or a record is damaged.
        OSError: if a checkpoint cannot be written.
    """
    rate = optimization.learning_rate(
        config.optimizer, config.num_steps, config.steps_per_epoch
    )
    optimizer = optimization.make_optimizer(config.optimizer, rate)
    distiller.compile(optimizer=optimizer, jit_compile=False)
    # With float16 another one, which scales the loss and has state of its own.
    distiller.optimizer.build(distiller.trainable_variables)
    average = _average(distiller, model, validation, config)
    epoch_callbacks = [validation if average is None else average]
    variables = [] if average is None else list(average.variables)
    if config.optimizer.schedule == optimization.PLATEAU:
        plateau = callbacks.Plateau(
            rate,
            config.optimizer.decay_factor,
            config.optimizer.plateau_patience,
            validation.map_names,
        )
        epoch_callbacks.append(plateau)
        variables += plateau.variables
    resumable = checkpoints.ResumableTraining(
        distiller, directory / CHECKPOINTS, variables
    )
    num_finished_epochs = resumable.restore()
    if num_finished_epochs:
        logging.info(
            "going on after epoch %d of %d",
            num_finished_epochs,
            config.num_epochs,
        )
    if num_finished_epochs < config.num_epochs:
        divergence = checkpoints.DivergenceCheck(resumable)
        epoch_callbacks = [
            divergence,
            *epoch_callbacks,
            callbacks.history_logger(directory, num_finished_epochs),
            keras.callbacks.TensorBoard(
                str(directory / "tensorboard"), write_graph=False
            ),
            # Last: an epoch counts as finished once all else logged it.
            resumable,
        ]
        batches = input_pipeline.make_train_dataset(
            data_dir,
            dataset,
            config.batch_size,
            num_finished_epochs * config.steps_per_epoch,
            config.num_steps,
            config.seed,
            config.augmentation,
            sampling=config.sampling,
            skip_corrupt=config.skip_corrupt,
            stored=stored,
        )
        with (
            _divergence_errors(divergence, resumable, config, directory),
            input_pipeline.reading_errors(),
        ):
            distiller.fit(
                batches,
                epochs=config.num_epochs,
                initial_epoch=num_finished_epochs,
                steps_per_epoch=config.steps_per_epoch,
                shuffle=False,
                verbose=1 if sys.stdout.isatty() else 2,
                callbacks=epoch_callbacks,
            )
    if average is not None:
        average.apply()


@contextlib.contextmanager
def _divergence_errors(divergence, resumable, config, directory):
    """Says of numbers that are not finite where they were, and what to do.

    Args:
        divergence: DivergenceCheck.
        resumable: ResumableTraining.
        config: TrainConfig.
        directory: pathlib.Path of the run's working directory.

    Raises:
        ValueError: likewise.
    """
    try:
        yield
    except NotFiniteError as error:
        kept = resumable.num_saved_epochs
        where = (
            f"The training diverged in epoch {divergence.epoch} of "
            f"{config.num_epochs}, at "
            f"--learning_rate={config.optimizer.learning_rate:g}: {error}"
        )
        raise NotFiniteError(
            f"{where} Train again with a lower --learning_rate, a --clip_norm "
            "or more --warmup_steps"
            + (
                f", in another --workdir: {directory} keeps the checkpoint "
                f"after epoch {kept}, with which only the same settings go on."
                if kept
                else "."
            )
        ) from error
    except tf.errors.InvalidArgumentError as error:
        if TEACHER_IS_NOT_FINITE not in error.message:
            raise
        raise NotFiniteError(
            f"{TEACHER_IS_NOT_FINITE}, NaN or infinity, in epoch "
            f"{divergence.epoch} of {config.num_epochs}: nothing can be "
            "learned from it. Use another teacher, or store its logits again."
        ) from error
