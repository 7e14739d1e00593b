"""Sets of millions of strings in 8 bytes each.

Hashes are those of Python's `hash`, which differ between processes. The
probability that two of two million strings collide is 1e-7.
"""

import bisect
from collections.abc import Iterable

import numpy as np


def unique(texts: Iterable[str]) -> memoryview:
    """Hashes strings.

    Args:
        texts: iterable of str.

    Returns:
        memoryview of int64, sorted, each once.
    """
    return memoryview(np.unique(np.fromiter(map(hash, texts), np.int64)))


def repeated(hashes: np.ndarray) -> memoryview:
    """Finds hashes that occur more than once.

    Args:
        hashes: int64 array of shape (num_hashes,).

    Returns:
        memoryview of them, sorted, each once.
    """
    in_order = np.sort(hashes)
    return memoryview(np.unique(in_order[1:][in_order[1:] == in_order[:-1]]))


def find(hashes: memoryview, value: int) -> int | None:
    """Returns the index of the first hash that equals `value`.

    Args:
        hashes: memoryview of int64, sorted.
        value: int.

    Returns:
        int, or None if there is none.
    """
    index = bisect.bisect_left(hashes, value)
    return index if index < len(hashes) and hashes[index] == value else None


def contains(hashes: memoryview, value: int) -> bool:
    """Whether sorted hashes contain `value`."""
    return find(hashes, value) is not None
