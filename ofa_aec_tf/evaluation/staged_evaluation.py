"""Calibrates and evaluates many subnets; what they share is computed once.

Subnets with the same decisions up to a stage have the same batch normalization
statistics and the same activations there. Those of the subnet before are kept,
as far as memory allows, so that the next one starts where it differs. Subnets
in the order of `stage_order` differ late.
"""

import dataclasses
import functools

import numpy as np
import tensorflow as tf

from ofa_aec_tf.evaluation import batch_norm_calibration


@dataclasses.dataclass
class _Level:
    """What is known of the stem or a stage for the subnet before.

    Args:
        key: tuple of int. Choices of the level's decisions.
        moments: dict from batch normalization names to `(mean, variance)`.
        calibration: list of tensors, the features of each calibration batch;
            None where they are not kept.
        evaluation: the same for the evaluated batches.
    """

    key: tuple[int, ...]
    moments: dict
    calibration: list | None
    evaluation: list | None


class StagedEvaluation:
    """Logits of subnets, each with statistics estimated for it.

    It gives what `batch_norm_calibration.calibrate` and
    `Supernet.predict_logits` give.

    Args:
        supernet: Supernet.
        calibration_clips: float32 array of shape (num_clips, num_frames,
            num_mel_bins), from the training split.
        log_mel: float32 array of shape (num_clips, num_frames, num_mel_bins),
            the clips to evaluate.
        batch_size: int. Clips a step.
        cache_bytes: int. Memory for kept activations.
    """

    def __init__(
        self, supernet, calibration_clips, log_mel, batch_size, cache_bytes
    ):
        if not len(calibration_clips) or not len(log_mel):
            raise ValueError(
                "Calibration and evaluation need at least one clip each. "
                f"Received: {len(calibration_clips)} and {len(log_mel)}"
            )
        self._space = supernet.family.search_space()
        names = [decision.name for decision in self._space.decisions]
        stages = supernet.stages()
        self._positions = [
            (),
            *(tuple(names.index(d) for d in s.decisions) for s in stages),
        ]
        runs = [
            lambda features, subnet, **options: supernet.stem(
                features, **options
            ),
            *(stage.run for stage in stages),
        ]
        self._calibration_steps = supernet.calibration_steps
        self._inferring = [_inferring(run) for run in runs]
        self._calibration_batches, self._evaluation_batches = (
            [
                tf.constant(batch, tf.float32)
                for batch in batch_norm_calibration.split_into_batches(
                    clips, batch_size
                )
            ]
            for clips in (calibration_clips, log_mel)
        )
        self._is_kept = self._plan(
            len(calibration_clips) + len(log_mel), cache_bytes
        )
        self._levels = []

    def _plan(self, num_clips, cache_bytes):
        """Which levels to keep: late ones first, they are small and save all
        that is before them."""
        subnet = tf.constant(self._space.to_indices(self._space.largest()))
        layerwise = batch_norm_calibration.LayerwisePass(
            [self._calibration_batches[0][:1]]
        )
        level_bytes = []
        for steps in self._calibration_steps[:-1]:
            batch_norm_calibration.add_subnet_steps(layerwise, steps, subnet)
            (features,) = layerwise.features()
            level_bytes.append(
                num_clips * features.dtype.size * int(tf.size(features))
            )
        is_kept = [False] * len(self._calibration_steps)
        for number in reversed(range(len(level_bytes))):
            if level_bytes[number] <= cache_bytes:
                cache_bytes -= level_bytes[number]
                is_kept[number] = True
        return is_kept

    def predict_logits(self, subnet):
        """Logits of one subnet for all clips.

        Args:
            subnet: Subnet of the supernet's space.

        Returns:
            float32 array of shape (num_clips, num_classes).
        """
        indices = self._space.to_indices(subnet)
        keys = [
            tuple(int(indices[position]) for position in positions)
            for positions in self._positions
        ]
        num_shared = 0
        # The last level has nothing to keep: it gives the logits.
        for level, key in zip(self._levels[:-1], keys):
            if level.key != key:
                break
            num_shared += 1
        # Before anything new is computed: memory for both need not be there.
        del self._levels[num_shared:]
        self._levels += [
            _Level(key, None, None, [] if is_kept else None)
            for key, is_kept in list(zip(keys, self._is_kept))[num_shared:]
        ]
        try:
            self._calibrate(tf.constant(indices), num_shared)
            return self._infer(tf.constant(indices), num_shared)
        except BaseException:
            # Half a level is no level.
            del self._levels[num_shared:]
            raise

    def _first_level(self, num_shared):
        """The level to compute first: after the last one that is kept."""
        for number in reversed(range(num_shared)):
            if self._is_kept[number]:
                return number + 1
        return 0

    def _calibrate(self, indices, num_shared):
        first = self._first_level(num_shared)
        layerwise = batch_norm_calibration.LayerwisePass(
            self._levels[first - 1].calibration
            if first
            else self._calibration_batches
        )
        for number in range(first, len(self._levels)):
            level = self._levels[number]
            level.moments = batch_norm_calibration.add_subnet_steps(
                layerwise,
                self._calibration_steps[number],
                indices,
                level.moments if number < num_shared else None,
            )
            if number >= num_shared and self._is_kept[number]:
                level.calibration = layerwise.features()

    def _infer(self, indices, num_shared):
        first = self._first_level(num_shared)
        moments = [
            tf.nest.map_structure(
                lambda array: tf.constant(array, tf.float32), level.moments
            )
            for level in self._levels
        ]
        logits = []
        for batch, features in enumerate(self._evaluation_batches):
            if first:
                features = self._levels[first - 1].evaluation[batch]
            for number in range(first, len(self._levels)):
                features = self._inferring[number](
                    features, indices, moments[number]
                )
                if number >= num_shared and self._is_kept[number]:
                    self._levels[number].evaluation.append(features)
            logits.append(features.numpy())
        return np.concatenate(logits)


def _inferring(run):
    # Of a partial: TensorFlow would count the traces of functions that share
    # their code together, and warn of too many.
    return tf.function(
        functools.partial(_outputs, run),
        jit_compile=False,
        reduce_retracing=True,
    )


def _outputs(run, features, subnet, moments):
    outputs, _ = run(features, subnet, moments=moments)
    return outputs


def stage_order(supernet):
    """The order in which subnets share as many stages as they can.

    Args:
        supernet: Supernet.

    Returns:
        Function from a Subnet to what to sort by.
    """
    space = supernet.family.search_space()
    names = [decision.name for decision in space.decisions]
    positions = [
        names.index(name)
        for stage in supernet.stages()
        for name in stage.decisions
    ]

    def order(subnet):
        indices = space.to_indices(subnet)
        return tuple(int(indices[position]) for position in positions)

    return order
