"""Batch normalization statistics, estimated anew on training clips.

Subnets share weights, not statistics: the moving statistics of a supernet fit
none of them. They are estimated again for the subnet in question, on training
data, and returned; the supernet is never written to.

The moving statistics of a plain network fit what it trained on, which are clips
that augmentation has changed: a mixture of two clips varies less than either.
Those of a mean of weights are of none of the weights that were averaged.
"""

import numpy as np
import tensorflow as tf

from ofa_aec_tf.models import normalization_statistics


class MomentAverage:
    """The average over batches, each with the weight of its clips.

    Attributes:
        moments: dict from batch normalization names to `(mean, variance)`, or
            None before the first batch.
    """

    def __init__(self):
        self.moments = None
        self._num_clips = 0

    def add(self, moments, num_clips):
        """Adds the moments of a batch.

        Args:
            moments: dict from names to `(mean, variance)`, float32 arrays.
            num_clips: int. Clips of the batch.
        """
        self._num_clips += num_clips
        if self.moments is None:
            self.moments = moments
            return
        share = num_clips / self._num_clips
        self.moments = {
            name: tuple(
                mean + (new - mean) * share
                for mean, new in zip(self.moments[name], moments[name])
            )
            for name in self.moments
        }


def calibrate(supernet, subnet, batches):
    """Estimates the statistics of a subnet.

    Every batch passes through the subnet in training mode; means and variances
    are averaged over the batches, each with the weight of its clips.

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
    return _average_moments(
        lambda log_mel: supernet.batch_moments(log_mel, subnet), batches
    )


class NetworkCalibrator:
    """Estimates and sets the statistics of a plain network, again and again.

    Args:
        network: keras.Model of stock layers, from log-mel spectrograms.
        batches: list of float32 arrays of shape (batch, num_frames,
            num_mel_bins), from the training split.

    Raises:
        ValueError: if the network has no batch normalization.

    Reference: SWA (arXiv 1803.05407), section 3.2, which needs it for a mean
    of weights.
    """

    def __init__(self, network, batches):
        self._network = network
        self._batches = batches
        model = normalization_statistics.batch_moments_model(network)
        self._batch_moments = tf.function(
            lambda log_mel: model([log_mel], training=False),
            reduce_retracing=True,
            jit_compile=False,
        )

    def calibrate(self):
        """Gives the network the statistics that fit its present weights.

        Raises:
            ValueError: if there is no batch.
        """
        normalization_statistics.set_moments(
            self._network, _average_moments(self._moments, self._batches)
        )

    def _moments(self, log_mel):
        return tf.nest.map_structure(np.asarray, self._batch_moments(log_mel))


def _average_moments(batch_moments, batches):
    average = MomentAverage()
    for log_mel in batches:
        average.add(batch_moments(log_mel), len(log_mel))
    if average.moments is None:
        raise ValueError(
            "Calibration needs at least one batch of training clips. "
            "Received: none"
        )
    return average.moments


def split_into_batches(log_mel, batch_size):
    """Batches of at most `batch_size` clips, in order.

    Args:
        log_mel: array of shape (clips, num_frames, num_mel_bins).
        batch_size: int.
    """
    return [
        log_mel[i : i + batch_size] for i in range(0, len(log_mel), batch_size)
    ]
