"""Calibrates and evaluates many subnets, and computes shared stages once.

Subnets with the same decisions up to a stage have the same batch normalization
statistics and activations there. Those of the last subnet are kept as far as
memory allows, and the next subnet starts where it differs. In the order of
`stage_order`, subnets differ as late as possible.
"""

import dataclasses
import functools

import numpy as np
import tensorflow as tf

from ofa_aec_tf.evaluation import batch_norm_calibration


@dataclasses.dataclass
class _Level:
    """The stem or a stage of the last subnet.

    Args:
        key: tuple of int. Choices of the level's decisions.
        moments: dict from batch normalization names to `(mean, variance)`.
        calibration: list of tensors, the features of each calibration batch;
            None if they are not kept.
        evaluation: list of tensors, the features of each evaluated batch.
    """

    key: tuple[int, ...]
    moments: dict
    calibration: list | None
    evaluation: list | None


class StagedEvaluation:
    """Logits of subnets, with batch normalization calibrated for each.

    They equal those of `batch_norm_calibration.calibrate` and
    `Supernet.predict_logits`.

    Args:
        supernet: Supernet.
        calibration_clips: float32 array of shape (num_clips, num_frames,
            num_mel_bins), from the training split.
        log_mel: float32 array of shape (num_clips, num_frames, num_mel_bins),
            the clips to evaluate.
        batch_size: int. Clips a step.
        cache_bytes: int. Memory for the activations that are kept.
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
        """Which levels to keep.

        Late ones come first: they are small, and save all levels before them.
        """
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
        # The last level computes the logits, and keeps nothing.
        for level, key in zip(self._levels[:-1], keys):
            if level.key != key:
                break
            num_shared += 1
        # Freed before new levels are computed: memory may not hold both.
        del self._levels[num_shared:]
        self._levels += [
            _Level(key, None, None, [] if is_kept else None)
            for key, is_kept in list(zip(keys, self._is_kept))[num_shared:]
        ]
        try:
            self._calibrate(tf.constant(indices), num_shared)
            return self._infer(tf.constant(indices), num_shared)
        except BaseException:
            # Incomplete levels are of no use.
            del self._levels[num_shared:]
            raise

    def _first_level(self, num_shared):
        """The level after the last one that is kept."""
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
    # TensorFlow counts the traces of functions with the same code together, and
    # warns of too many. It counts those of each partial alone.
    return tf.function(
        functools.partial(_outputs, run),
        jit_compile=False,
        reduce_retracing=True,
    )


def _outputs(run, features, subnet, moments):
    outputs, _ = run(features, subnet, moments=moments)
    return outputs


def stage_order(supernet):
    """A sort key by which neighbours share as many stages as possible.

    Args:
        supernet: Supernet.

    Returns:
        Function from a Subnet to its key.
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
