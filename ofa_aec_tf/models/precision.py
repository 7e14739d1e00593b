"""Compute type of models: float32, or 16 bits with float32 weights."""

import contextlib

import keras
import tensorflow as tf

from ofa_aec_tf.checks.argument_checks import check_choice
from ofa_aec_tf.runs import machine
from ofa_aec_tf.runs.compute_options import PRECISIONS

_POLICIES = {
    "float32": "float32",
    "bfloat16": "mixed_bfloat16",
    "float16": "mixed_float16",
}

# With fewer filters at the resolution of the first block, oneDNN's bfloat16
# convolutions are slower than float32: docs/performance.md.
FEWEST_BFLOAT16_FILTERS = 16


def resolve_precision(precision, fewest_filters):
    """Resolves `auto` to the compute type for this machine and network.

    Args:
        precision: one of `PRECISIONS`. On a CPU, `auto` is bfloat16 if it
            multiplies that in hardware (AVX512-BF16 or AMX) and no
            convolution is too narrow for it; on an NVIDIA GPU it is the half
            that its tensor cores know; else float32.
        fewest_filters: int. Of the narrowest convolution of the network, of
            a supernet's largest one.

    Returns:
        `"float32"`, `"bfloat16"` or `"float16"`.

    Raises:
        ValueError: if there is no such precision.
    """
    check_choice("precision", precision, PRECISIONS)
    if precision != "auto":
        return precision
    gpus = tf.config.list_physical_devices("GPU")
    if gpus:
        details = tf.config.experimental.get_device_details(gpus[0])
        capability = details.get("compute_capability", (0, 0))
        if capability >= (8, 0):
            return "bfloat16"
        return "float16" if capability >= (7, 0) else "float32"
    if (
        machine.has_bfloat16_products()
        and fewest_filters >= FEWEST_BFLOAT16_FILTERS
    ):
        return "bfloat16"
    return "float32"


@contextlib.contextmanager
def precision_scope(precision):
    """A context in which new models compute in `precision`, not `auto`."""
    policy = keras.config.dtype_policy()
    keras.config.set_dtype_policy(_POLICIES[precision])
    try:
        yield
    finally:
        keras.config.set_dtype_policy(policy)
