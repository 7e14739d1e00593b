"""Runs the steps of a training: from its last checkpoint on, to the end."""

import contextlib
import pathlib
import sys

import keras
import tensorflow as tf
from absl import logging

from ofa_aec_tf.checks.finite import NotFiniteError
from ofa_aec_tf.data.input_pipeline import reading_errors
from ofa_aec_tf.training import callbacks
from ofa_aec_tf.training import checkpoints
from ofa_aec_tf.training import optimization
from ofa_aec_tf.training.averaging import make_average
from ofa_aec_tf.training.config import PLATEAU
from ofa_aec_tf.training.distiller import TEACHER_IS_NOT_FINITE
from ofa_aec_tf.training.run import TrainingRun
from ofa_aec_tf.training.validation import PLAIN
from ofa_aec_tf.training.validation import Validation


def fit(run: TrainingRun, directory: pathlib.Path) -> None:
    """Trains to the end of a run, from its last checkpoint on.

    Its model then has the last weights, or their average.

    Args:
        run: TrainingRun.
        directory: pathlib.Path of the run's work directory.

    Raises:
        ValueError: if the training diverges, a teacher's logits are not
            finite, or a checkpoint or a record is damaged.
        OSError: if a checkpoint cannot be written.
    """
    job, distiller = run.job, run.distiller
    config = job.config
    rate = optimization.learning_rate(
        config.optimizer, config.num_steps, config.steps_per_epoch
    )
    distiller.compile(
        optimizer=optimization.make_optimizer(config.optimizer, rate),
        jit_compile=False,
    )
    # With float16 another one, which scales the loss and has state of its own.
    optimizer = distiller.optimizer
    optimizer.build(distiller.trainable_variables)
    average = make_average(
        config, run.model, optimizer, distiller.trainable_variables
    )
    # In the order in which they see an epoch end.
    epoch_callbacks = []
    variables = []
    if average is not None:
        epoch_callbacks.append(average)
        variables += average.variables
    if job.has_validation:
        epoch_callbacks.append(
            Validation(run, job.validation_batches(), average)
        )
    else:
        logging.info("no validation clips: training without validation")
    if config.optimizer.schedule == PLATEAU:
        plateau = callbacks.Plateau(
            rate,
            config.optimizer.decay_factor,
            config.optimizer.plateau_patience,
            [f"{PLAIN}{name}" for name in run.plateau_metrics],
        )
        epoch_callbacks.append(plateau)
        variables += plateau.variables
    resumable = checkpoints.ResumableTraining(
        distiller, directory / checkpoints.DIRECTORY, variables
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
        with (
            _divergence_errors(divergence, resumable, config, directory),
            reading_errors(),
        ):
            distiller.fit(
                job.train_batches(num_finished_epochs * config.steps_per_epoch),
                epochs=config.num_epochs,
                initial_epoch=num_finished_epochs,
                steps_per_epoch=config.steps_per_epoch,
                shuffle=False,
                verbose=1 if sys.stdout.isatty() else 2,
                callbacks=[
                    divergence,
                    *epoch_callbacks,
                    callbacks.history_logger(directory, num_finished_epochs),
                    keras.callbacks.TensorBoard(
                        str(directory / "tensorboard"), write_graph=False
                    ),
                    # Last: an epoch is finished once all else has logged it.
                    resumable,
                ],
            )
    if average is not None:
        average.apply()


@contextlib.contextmanager
def _divergence_errors(divergence, resumable, config, directory):
    """Adds to errors of numbers that are not finite where, and what to do.

    Args:
        divergence: DivergenceCheck.
        resumable: ResumableTraining.
        config: TrainConfig.
        directory: pathlib.Path of the run's work directory.

    Raises:
        NotFiniteError: with epoch and learning rate.
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
                f"after epoch {kept}, which only the same settings can resume."
                if kept
                else "."
            )
        ) from error
    except tf.errors.InvalidArgumentError as error:
        if TEACHER_IS_NOT_FINITE not in error.message:
            raise
        raise NotFiniteError(
            f"{TEACHER_IS_NOT_FINITE}, NaN or infinity, in epoch "
            f"{divergence.epoch} of {config.num_epochs}. Use another teacher, "
            "or store its logits again."
        ) from error
