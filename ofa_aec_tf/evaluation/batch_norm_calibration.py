"""Batch normalization statistics of one subnet, re-estimated.

Subnets share weights, not statistics: the moving statistics of a supernet fit
none of them. They are estimated again for the subnet in question, on training
data, and returned; the supernet is never written to.
"""

import tensorflow as tf


def calibrate(supernet, subnet, batches):
    """Estimates the statistics of a subnet.

    Every batch passes through the subnet in training mode; means and variances
    are averaged over the batches with equal weight.

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
    average = None
    for count, log_mel in enumerate(batches, start=1):
        moments = supernet.batch_moments(log_mel, subnet)
        if average is None:
            average = moments
        else:
            average = tf.nest.map_structure(
                lambda mean, new, n=count: mean + (new - mean) / n,
                average,
                moments,
            )
    if average is None:
        raise ValueError(
            "Calibration needs at least one batch of training clips. "
            "Received: none"
        )
    return average


def split_into_batches(log_mel, batch_size):
    """Batches of at most `batch_size` clips, in order.

    Args:
        log_mel: array of shape (clips, num_frames, num_mel_bins).
        batch_size: int.
    """
    return [
        log_mel[i : i + batch_size] for i in range(0, len(log_mel), batch_size)
    ]
