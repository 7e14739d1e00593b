"""Batch normalization statistics of one subnet, re-estimated.

Subnets share weights, not statistics: the moving statistics of a supernet fit
none of them. They are estimated again for the subnet in question, on training
data, and returned; the supernet is never written to.
"""


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
    average, num_clips = None, 0
    for log_mel in batches:
        num_clips += len(log_mel)
        moments = supernet.batch_moments(log_mel, subnet)
        if average is None:
            average = moments
            continue
        share = len(log_mel) / num_clips
        average = {
            name: tuple(
                mean + (new - mean) * share
                for mean, new in zip(average[name], moments[name])
            )
            for name in average
        }
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
