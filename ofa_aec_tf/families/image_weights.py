"""Helpers of families that start with weights of image models.

The three input channels become one, whose kernel is their mean, as in CMKD. A
row of an image becomes a mel band and a column a frame, as in AST; here frames
come first, so that every kernel is transposed.
"""

import numpy as np

IMAGENET = "imagenet"
HUB_PREFIX = "hub:"


def first_line(error: Exception) -> str:
    """The first line of an error, shortened; its type if it has none."""
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return lines[0][:200]


def transposed(kernel):
    """A kernel or grid of an image, with its columns first."""
    return np.swapaxes(kernel, 0, 1)


def one_channel(kernel):
    """Averages a kernel over its three color channels."""
    return kernel.mean(axis=2, keepdims=True)
