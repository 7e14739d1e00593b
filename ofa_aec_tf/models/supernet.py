"""The interface of all supernets.

Sampler, training step, calibration, search and materialization use only this.
"""

import abc
import dataclasses
import functools
from collections.abc import Callable
from typing import ClassVar

import keras
import numpy as np
import tensorflow as tf
from keras import ops

from ofa_aec_tf.layers import ElasticBatchNormalization
from ofa_aec_tf.models.network_input import BATCH_NORMALIZATION_EPSILON
from ofa_aec_tf.models.network_input import BATCH_NORMALIZATION_MOMENTUM
from ofa_aec_tf.models.network_input import INPUT_NORMALIZATION


@dataclasses.dataclass(frozen=True)
class CalibrationStep:
    """A part of a supernet that ends before a batch normalization.

    Args:
        run: function of `(features, subnet, moments)`: what the step before
            returned, the indices of the subnet, and `(mean, variance)` to
            normalize with where the step before ended at a batch
            normalization, else None. It returns the features, and the
            `(mean, variance)` of this batch where this step ends at one,
            else None.
        normalization: str. Name of the batch normalization that the features
            are given to next; None if the step ends at none.
    """

    run: Callable
    normalization: str | None = None


@dataclasses.dataclass(frozen=True)
class Stage:
    """A part of the body, from the input on.

    Subnets with the same decisions up to a stage share it exactly, so that it
    needs to be computed once for all of them.

    Args:
        decisions: tuple of str. The decisions of the search space that it
            depends on, besides its input; each belongs to one stage.
        run: function called as `Supernet.body`, with the features that the
            stage before has returned; it returns `(features, batch_moments)`,
            the last stage `(logits, batch_moments)`.
        variables: tuple of keras.Variable. Its trainable variables.
        steps: tuple of CalibrationStep. The same in parts, up to the features
            that the next stage takes, or any further.
    """

    decisions: tuple[str, ...]
    run: Callable
    variables: tuple[keras.Variable, ...]
    steps: tuple[CalibrationStep, ...]


class Supernet(keras.Model, abc.ABC):
    """One set of weights that holds all networks of a family.

    The constructor of a subclass makes all layers. The stem is what all
    subnets share exactly, so that one step computes it once for several of
    them.

    Class attributes:
        family_class: the class of the family.

    Args:
        family: the family, or the dict of its `to_json`.
        execution: `"slice"` or `"mask"`.
    """

    family_class: ClassVar[type]

    def __init__(self, family, execution="slice", **kwargs):
        # Not autocast: the features are in dB, which bfloat16 would round.
        super().__init__(autocast=False, **kwargs)
        if isinstance(family, dict):
            family = self.family_class.from_json(family)
        self.family = family
        self.execution = execution
        self.input_normalization = ElasticBatchNormalization(
            BATCH_NORMALIZATION_MOMENTUM,
            BATCH_NORMALIZATION_EPSILON,
            channels=family.num_mel_bins,
            execution=execution,
            dtype=self.dtype_policy,
            name=INPUT_NORMALIZATION,
        )
        self.built = True

    def build(self, input_shape=None):
        """Does nothing: the constructor knows all sizes."""

    def get_config(self):
        return {
            "name": self.name,
            "family": self.family.to_json(),
            "execution": self.execution,
        }

    def stem(self, inputs, training=False, moments=None):
        """The part that does not depend on the subnet.

        Here it is the normalization of the input; a subclass may go on.

        Args:
            inputs: float32 tensor of shape (batch, num_frames, num_mel_bins),
                log-mel spectrograms in dB.
            training: bool. Whether to normalize with the batch's moments.
            moments: dict from batch normalization names to `(mean, variance)`
                for inference; None in training.

        Returns:
            `(features, batch_moments)`, features here of shape (batch,
            num_frames, num_mel_bins, 1).
        """
        x, batch_moments = self.input_normalization(
            inputs,
            training=training,
            moments=None if moments is None else moments[INPUT_NORMALIZATION],
            return_moments=True,
        )
        x = ops.cast(ops.expand_dims(x, -1), self.compute_dtype)
        return x, {INPUT_NORMALIZATION: batch_moments}

    def stem_steps(self):
        """The stem in parts: a tuple of CalibrationStep."""

        def measure(inputs, subnet, moments):
            _, batch_moments = Supernet.stem(self, inputs, training=True)
            return inputs, batch_moments[INPUT_NORMALIZATION]

        def normalize(inputs, subnet, moments):
            known = {INPUT_NORMALIZATION: moments}
            return Supernet.stem(self, inputs, moments=known)[0], None

        return (
            CalibrationStep(measure, INPUT_NORMALIZATION),
            CalibrationStep(normalize),
        )

    def stem_variables(self):
        """The trainable variables of the stem, a list."""
        return list(self.input_normalization.trainable_variables)

    @abc.abstractmethod
    def stages(self):
        """The parts of the body, from the stem on.

        Returns:
            tuple of Stage.
        """

    def body(self, features, subnet, training=False, moments=None):
        """The part that depends on the subnet.

        Args:
            features: output of `stem`.
            subnet: int32 tensor of shape (num_decisions,), the indices of
                `SearchSpace.to_indices`; None is the whole supernet.
            training: bool.
            moments: as for `stem`.

        Returns:
            `(logits, batch_moments)`, logits float32 of shape (batch,
            num_classes).
        """
        reported = {}
        for stage in self.stages():
            features, batch_moments = stage.run(
                features, subnet, training=training, moments=moments
            )
            reported.update(batch_moments)
        return features, reported

    @abc.abstractmethod
    def weighted_layers(self):
        """The layers with weights, named as in the plain networks."""

    def call(self, inputs, subnet=None, training=False, moments=None):
        """Logits of one subnet.

        Args:
            inputs: as for `stem`.
            subnet: as for `body`.
            training: bool.
            moments: dict from batch normalization names to `(mean, variance)`,
                as `evaluation.batch_norm_calibration` estimates them. Needed
                for inference: a supernet stores no statistics.

        Returns:
            float32 tensor of shape (batch, num_classes).

        Raises:
            ValueError: if `moments` is None in inference.
        """
        if moments is None and not training:
            raise ValueError(
                "A subnet of shared weights needs batch normalization "
                "statistics of its own. Estimate `moments` with "
                "`batch_norm_calibration.calibrate`. Received: moments=None"
            )
        features, _ = self.stem(inputs, training=training, moments=moments)
        logits, _ = self.body(
            features, subnet, training=training, moments=moments
        )
        return logits

    @functools.cached_property
    def calibration_steps(self):
        """The steps of the stem and of each stage, compiled.

        A tuple of tuples of CalibrationStep.
        """
        return tuple(
            tuple(
                dataclasses.replace(
                    step,
                    # Of a partial: TensorFlow would count the traces of
                    # functions that share their code together.
                    run=tf.function(
                        functools.partial(step.run),
                        jit_compile=False,
                        reduce_retracing=True,
                    ),
                )
                for step in steps
            )
            for steps in (
                self.stem_steps(),
                *(stage.steps for stage in self.stages()),
            )
        )

    @functools.cached_property
    def _logits_function(self):
        @tf.function(jit_compile=False, reduce_retracing=True)
        def logits(inputs, subnet, moments):
            return self(inputs, subnet=subnet, moments=moments)

        return logits

    def predict_logits(self, log_mel, subnet, moments, batch_size=32):
        """Logits of one subnet for many clips.

        Args:
            log_mel: float32 array of shape (clips, num_frames, num_mel_bins).
            subnet: Subnet of the family's space.
            moments: as for `call`.
            batch_size: int.

        Returns:
            float32 array of shape (clips, num_classes).
        """
        indices = tf.constant(self.family.search_space().to_indices(subnet))
        moments = tf.nest.map_structure(
            lambda array: tf.constant(array, tf.float32), moments
        )
        return np.concatenate(
            [
                self._logits_function(
                    tf.constant(log_mel[i : i + batch_size], tf.float32),
                    indices,
                    moments,
                ).numpy()
                for i in range(0, len(log_mel), batch_size)
            ]
        )
