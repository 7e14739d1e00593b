"""Re-estimation of batch normalization statistics on training clips.

Subnets share weights, not statistics: the moving statistics of a supernet fit
none of them. They are estimated for each subnet on training data, and returned;
the supernet is never changed.

The moving statistics of a plain network fit its training clips, which are
augmented: a mixture of two clips varies less than either of them.
Averaged weights have none at all: each statistic belongs to weights that went
into the average.

The statistics of a layer are the mean and the variance of its inputs over all
clips, while the layers before it normalize with their own. They are those of
one batch of all clips, so the batch size changes nothing but the last digits.
The pass goes layer by layer: all clips go through one batch normalization
before any goes on to the next.
"""

import dataclasses
import functools

import numpy as np
import tensorflow as tf

from ofa_aec_tf.checks import settings
from ofa_aec_tf.checks.settings import setting
from ofa_aec_tf.models import normalization_statistics

# How the statistics are defined. Others cannot be compared with them.
DEFINITION = "of all clips, layer by layer"
# The most memory for features between two batch normalizations. If they take
# more, the steps before are computed once more for the next one.
MAX_KEPT_BYTES = 2**30


@dataclasses.dataclass(frozen=True)
class CalibrationSettings(settings.Settings):
    """Which clips estimate the statistics of subnets."""

    num_calibration_clips: int = setting(
        256,
        "Training clips that estimate a subnet's batch normalization.",
        at_least=1,
    )
    batch_size: int = setting(32, "Clips a step.", at_least=1)
    seed: int = setting(
        0,
        "Seed of the choice of calibration clips, and of what a search draws.",
        at_least=0,
        below=2**31,
    )


def pooled_moments(means, variances, num_clips):
    """Moments over all clips, by the law of total variance.

    Args:
        means: list of arrays of shape (channels,), one a batch.
        variances: list of arrays of the same shape, within each batch.
        num_clips: list of int. Clips in each batch.

    Returns:
        `(mean, variance)`, float32 arrays of shape (channels,).
    """
    means = np.asarray(means, np.float64)
    variances = np.asarray(variances, np.float64)
    mean = np.average(means, axis=0, weights=num_clips)
    variance = np.average(
        variances + (means - mean) ** 2, axis=0, weights=num_clips
    )
    return mean.astype(np.float32), variance.astype(np.float32)


class LayerwisePass:
    """Takes batches of clips through a network, step by step.

    Args:
        batches: list of tensors, or of nested structures of them, with clips
            along their first axis.

    Raises:
        ValueError: if there is no batch.
    """

    def __init__(self, batches):
        # A copy, so that features are freed once they are used.
        self._features = list(batches)
        if not self._features:
            raise ValueError(
                "Calibration needs at least one batch of training clips. "
                "Received: none"
            )
        self._num_clips = [
            len(tf.nest.flatten(features)[0]) for features in self._features
        ]
        # Steps that the features have not gone through yet.
        self._pending = []
        self._moments = None

    def add(self, run, moments=None):
        """Adds a step without a batch normalization, or with a known one.

        Args:
            run: function of `(features, moments)`, as in CalibrationStep.
            moments: `(mean, variance)` of the batch normalization at its end,
                or None.
        """
        self._pending.append(functools.partial(run, moments=self._moments))
        self._moments = moments

    def estimate(self, run):
        """Adds a step that ends at a batch normalization.

        Args:
            run: as for `add`.

        Returns:
            `(mean, variance)` over all clips, float32 arrays.
        """
        self.add(run)
        self._moments = pooled_moments(
            *zip(*self._run_pending()), self._num_clips
        )
        return self._moments

    def features(self):
        """The batches after all steps so far, as a list."""
        self._run_pending(is_kept=True)
        return list(self._features)

    def _run_pending(self, is_kept=None):
        """Runs the pending steps; returns the moments of each batch."""
        reported = []
        for index, num_clips in enumerate(self._num_clips):
            features, batch_moments = self._features[index], None
            for run in self._pending:
                features, batch_moments = run(features)
            if batch_moments is not None:
                reported.append([moment.numpy() for moment in batch_moments])
            if is_kept is None:
                num_bytes = sum(
                    tensor.dtype.size * int(tf.size(tensor))
                    for tensor in tf.nest.flatten(features)
                )
                is_kept = (
                    num_bytes / num_clips * sum(self._num_clips)
                    <= MAX_KEPT_BYTES
                )
            if is_kept:
                self._features[index] = features
        if is_kept:
            self._pending = []
        return reported


def add_subnet_steps(layerwise, steps, indices, moments=None):
    """Takes clips through the stem or a stage of a supernet.

    Args:
        layerwise: LayerwisePass.
        steps: tuple of CalibrationStep, one of `Supernet.calibration_steps`.
        indices: int32 tensor. The subnet, as for `Supernet.body`.
        moments: dict from batch normalization names to `(mean, variance)`, or
            None to estimate them.

    Returns:
        dict of the moments.
    """
    known = {} if moments is None else moments
    for step in steps:
        run = functools.partial(_run_step, step, indices)
        if moments is not None or step.normalization is None:
            layerwise.add(run, known.get(step.normalization))
        else:
            known[step.normalization] = layerwise.estimate(run)
    return known


def _run_step(step, indices, features, moments):
    return step.run(features, indices, moments)


def calibrate(supernet, subnet, batches):
    """Estimates the statistics of a subnet.

    Args:
        supernet: Supernet.
        subnet: Subnet of its family's space.
        batches: iterable of float32 arrays of shape (batch, num_frames,
            num_mel_bins), from the training split.

    Returns:
        dict from batch normalization names to `(mean, variance)`, float32
        arrays over all channels, 0 and 1 where inactive.

    Raises:
        ValueError: if there is no batch.
    """
    layerwise = LayerwisePass(
        [tf.constant(log_mel, tf.float32) for log_mel in batches]
    )
    indices = tf.constant(supernet.family.search_space().to_indices(subnet))
    moments = {}
    for steps in supernet.calibration_steps:
        moments.update(add_subnet_steps(layerwise, steps, indices))
    return moments


class NetworkCalibrator:
    """Estimates and sets the statistics of a plain network, repeatedly.

    Args:
        network: keras.Model of stock layers, from log-mel spectrograms.
        batches: list of float32 arrays of shape (batch, num_frames,
            num_mel_bins), from the training split.

    Raises:
        ValueError: if the network has no batch normalization.

    Reference: SWA (arXiv 1803.05407), section 3.2, for averaged weights.
    """

    def __init__(self, network, batches):
        self._batches = batches
        self._steps = [
            (
                step.layer,
                tf.function(
                    step.run,
                    autograph=False,
                    reduce_retracing=True,
                    jit_compile=False,
                ),
            )
            for step in normalization_statistics.network_steps(network)
        ]

    def calibrate(self):
        """Sets the statistics that fit the present weights.

        Raises:
            ValueError: if there is no batch.
        """
        layerwise = LayerwisePass(
            [tf.constant(log_mel, tf.float32) for log_mel in self._batches]
        )
        for layer, run in self._steps:
            # The next step normalizes with the moments that are set below.
            mean, variance = layerwise.estimate(
                lambda features, moments, run=run: run(features)
            )
            layer.moving_mean.assign(mean)
            layer.moving_variance.assign(variance)


def split_into_batches(log_mel, batch_size):
    """Batches of at most `batch_size` clips, in order.

    Args:
        log_mel: array of shape (clips, num_frames, num_mel_bins).
        batch_size: int.
    """
    return [
        log_mel[i : i + batch_size] for i in range(0, len(log_mel), batch_size)
    ]
