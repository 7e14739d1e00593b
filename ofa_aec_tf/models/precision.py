"""Compute type of models: float32, or bfloat16 over float32 weights."""

import contextlib

import keras

from ofa_aec_tf import processor

PRECISIONS = ("auto", "float32", "bfloat16")

_POLICIES = {"float32": "float32", "bfloat16": "mixed_bfloat16"}


def resolve_precision(precision):
    """float32 or bfloat16, chosen by the machine for `auto`.

    Args:
        precision: one of `PRECISIONS`. `auto` is bfloat16 where the CPU
            multiplies it in hardware (AVX512-BF16 or AMX), else float32.

    Raises:
        ValueError: if there is no such precision.
    """
    if precision not in PRECISIONS:
        raise ValueError(
            f"`precision` must be one of {PRECISIONS}. "
            f"Received: precision={precision!r}"
        )
    if precision != "auto":
        return precision
    return "bfloat16" if processor.has_bfloat16_products() else "float32"


@contextlib.contextmanager
def precision_scope(precision):
    """Models built inside compute in `precision` (float32 or bfloat16)."""
    policy = keras.config.dtype_policy()
    keras.config.set_dtype_policy(_POLICIES[precision])
    try:
        yield
    finally:
        keras.config.set_dtype_policy(policy)
