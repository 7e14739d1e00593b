"""Damages the content of files at random."""

import numpy as np


def _flip_bits(content, rng):
    mutated = bytearray(content)
    # A single one, or some of every thousand bytes; headers are short, so
    # that half of the flips aim at the beginning.
    size = len(mutated) if rng.integers(2) else min(200, len(mutated))
    for position in rng.integers(size, size=2 ** rng.integers(0, 7)):
        mutated[position] ^= 1 << rng.integers(8)
    return bytes(mutated)


def _truncate(content, rng):
    return content[: rng.integers(1, len(content))]


def _splice(content, rng):
    """Leaves out, repeats or overwrites a part."""
    first, second, third = np.sort(rng.integers(len(content), size=3))
    return (
        content[:first] + content[third:],
        content[:third] + content[first:],
        content[:first] + content[second:third] + content[first:second],
        content[:first] + rng.bytes(third - first) + content[third:],
    )[rng.integers(4)]


def mutate(content, index, rng):
    """Flips bits, cuts off or splices, in turn.

    Args:
        content: bytes.
        index: int.
        rng: numpy.random.Generator.
    """
    return (_flip_bits, _truncate, _splice)[index % 3](content, rng)
