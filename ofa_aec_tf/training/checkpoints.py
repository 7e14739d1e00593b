"""Checkpoints to resume a run from, and checks that all of it is finite."""

import math
import pathlib

import keras
import tensorflow as tf

from ofa_aec_tf.checks.finite import NotFiniteError
from ofa_aec_tf.checks.finite import check_finite

DIRECTORY = "checkpoints"


class ResumableTraining(keras.callbacks.Callback):
    """Saves the whole state of a run after every epoch.

    Weights, optimizer, seed generators and the number of finished epochs go
    into one checkpoint. It is written beside the old one and becomes current
    once it is complete: a run that is killed resumes after the last finished
    epoch, and its result is that of an uninterrupted run.

    Args:
        model: keras.Model, compiled.
        directory: directory of the checkpoints.
        more_variables: list of tf.Variable. State of other callbacks.
    """

    def __init__(self, model, directory, more_variables=()):
        super().__init__()
        self._num_epochs = tf.Variable(0, dtype=tf.int64)
        self._directory = pathlib.Path(directory)
        keras_variables = [*model.variables, *model.optimizer.variables]
        self._variables = [v.value for v in keras_variables]
        self._variables += more_variables
        self._names = [v.path for v in keras_variables]
        self._names += [v.name for v in more_variables]
        self._manager = tf.train.CheckpointManager(
            tf.train.Checkpoint(
                num_epochs=self._num_epochs,
                variables={
                    f"{i:04d}": v for i, v in enumerate(self._variables)
                },
            ),
            str(directory),
            max_to_keep=2,
        )

    @property
    def num_saved_epochs(self):
        """The number of finished epochs in the newest checkpoint."""
        return len(self._manager.checkpoints) and int(
            self._manager.latest_checkpoint.rpartition("-")[2]
        )

    def restore(self):
        """Restores the last checkpoint, if there is one.

        Returns:
            int, the number of epochs already finished.

        Raises:
            ValueError: if the checkpoint is damaged, or holds NaN or infinity.
        """
        path = self._manager.latest_checkpoint
        if path is None:
            return 0
        way_out = (
            f"Delete {self._directory} to start over, or name another "
            "--workdir."
        )
        try:
            self._manager.checkpoint.restore(path).assert_consumed()
        # For a damaged file TensorFlow raises whatever its reader ran into.
        except Exception as error:
            reason = (str(error).splitlines() or [""])[0][:200]
            raise ValueError(
                f"The checkpoint {path} cannot be read. {way_out} TensorFlow "
                f"reports: {reason}"
            ) from error
        self.check_finite(f"The checkpoint {path}", way_out)
        return int(self._num_epochs.numpy())

    def check_finite(self, owner, remedy):
        """Refuses NaN and infinity in anything that is saved.

        Args:
            owner: as for `finite.check_finite`.
            remedy: likewise.

        Raises:
            NotFiniteError: naming some of the variables.
        """
        check_finite(
            (
                (f"{name} ({number})", variable.numpy())
                for number, (name, variable) in enumerate(
                    zip(self._names, self._variables)
                )
            ),
            owner,
            remedy,
        )

    def on_epoch_end(self, epoch, logs=None):
        """Saves the state after an epoch.

        Raises:
            OSError: if it cannot be written, as on a full disk. The checkpoint
                before stays.
        """
        self._num_epochs.assign(epoch + 1)
        try:
            self._manager.save(checkpoint_number=epoch + 1)
        except tf.errors.OpError as error:
            # The message names the operation and the file first.
            reason = error.message.splitlines()[0].rpartition("; ")[2][:200]
            raise OSError(
                f"The checkpoint after epoch {epoch + 1} cannot be written "
                f"into {self._directory}. Make room, and start the same "
                f"command again. TensorFlow reports: {reason}"
            ) from error


class DivergenceCheck(keras.callbacks.Callback):
    """Ends a run when a loss, or a weight after an epoch, is not finite.

    It is called before validation, logs and checkpoints. A step that float16
    skips, because its scaled gradients overflow, changes neither loss nor
    weights, and does not end the run.

    Args:
        resumable: ResumableTraining, whose state is to be finite.

    Attributes:
        epoch: int. The epoch in progress, counted from 1.
    """

    def __init__(self, resumable):
        super().__init__()
        self._resumable = resumable
        self.epoch = 0

    def on_epoch_begin(self, epoch, logs=None):
        """Notes the epoch."""
        self.epoch = epoch + 1

    def on_train_batch_end(self, batch, logs=None):
        """Checks the mean of the losses since the epoch began.

        Raises:
            NotFiniteError: if it is not finite.
        """
        # The sum of all parts of the loss.
        if not math.isfinite(logs["loss"]):
            raise NotFiniteError(
                f"The loss of step {batch + 1} is {logs['loss']}."
            )

    def on_epoch_end(self, epoch, logs=None):
        """Checks the weights, and the state of optimizer and averages.

        Raises:
            NotFiniteError: if some of it is not finite.
        """
        self._resumable.check_finite("The network", "")
