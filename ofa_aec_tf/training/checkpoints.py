"""What a run saves to go on from, and that none of it is NaN or infinite."""

import math
import pathlib

import keras
import tensorflow as tf

from ofa_aec_tf.checks.finite import NotFiniteError
from ofa_aec_tf.checks.finite import check_finite


class ResumableTraining(keras.callbacks.Callback):
    """Saves everything that a run is, after every epoch.

    Weights, optimizer, seed generators and the number of finished epochs go
    into one checkpoint, written beside the old one and named current only
    when whole: a run that is killed goes on from the last finished epoch and
    ends as if it had not been.

    Args:
        model: keras.Model, compiled.
        directory: where the checkpoints go.
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
        """Finished epochs that the newest checkpoint has."""
        return len(self._manager.checkpoints) and int(
            self._manager.latest_checkpoint.rpartition("-")[2]
        )

    def restore(self):
        """Restores the last checkpoint, where there is one.

        Returns:
            int, the number of epochs already finished.

        Raises:
            ValueError: if the checkpoint is damaged, or holds NaN or infinity.
        """
        path = self._manager.latest_checkpoint
        if path is None:
            return 0
        way_out = (
            f"Delete {self._directory} to begin anew, or name another "
            "--workdir."
        )
        try:
            self._manager.checkpoint.restore(path).assert_consumed()
        # Of a damaged file TensorFlow raises whatever its reader happened to.
        except Exception as error:
            reason = (str(error).splitlines() or [""])[0][:200]
            raise ValueError(
                f"The checkpoint {path} cannot be read. {way_out} TensorFlow "
                f"reports: {reason}"
            ) from error
        self.check_finite(f"The checkpoint {path}", way_out)
        return int(self._num_epochs.numpy())

    def check_finite(self, owner, remedy):
        """Refuses to go on with NaN or infinity in anything that is saved.

        Args:
            owner: as for `finite.check_finite`.
            remedy: likewise.

        Raises:
            NotFiniteError: naming what is not.
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
            # After the operation and the file.
            reason = error.message.splitlines()[0].rpartition("; ")[2][:200]
            raise OSError(
                f"The checkpoint after epoch {epoch + 1} cannot be written "
                f"into {self._directory}. Make room, and start the same "
                f"command again. TensorFlow reports: {reason}"
            ) from error


class DivergenceCheck(keras.callbacks.Callback):
    """Ends a run at the first loss, or epoch, that is not finite.

    It comes before all that validates, logs and saves. A step that float16
    skips, since its scaled gradients are too large, changes neither loss nor
    weights, and ends nothing.

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
        """Looks at the mean of the losses since the epoch began.

        Raises:
            NotFiniteError: if it is not finite.
        """
        # Of the parts, which it is the sum of, each that counts is in it.
        if not math.isfinite(logs["loss"]):
            raise NotFiniteError(
                f"The loss of step {batch + 1} is {logs['loss']}."
            )

    def on_epoch_end(self, epoch, logs=None):
        """Looks at the weights, and at the state of optimizer and averages.

        Raises:
            NotFiniteError: if some of it is not finite.
        """
        self._resumable.check_finite("The network", "")
