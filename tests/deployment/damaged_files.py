"""TFLite files with single bits of them flipped."""

import random

# Root, tables of fields and operator codes are at the start, shapes and names
# behind the weights, and the archive of labels at the end.
_EDGE_BYTES = 2048


def with_flipped_bits(contents, num_files, seed):
    """Files that differ from sound ones in one bit.

    Args:
        contents: sequence of bytes of TFLite files, taken in turn.
        num_files: int.
        seed: int.

    Yields:
        bytes. Of three files, one is damaged near its start, one near its end
        and one anywhere.
    """
    rng = random.Random(seed)
    for number in range(num_files):
        content = bytearray(contents[number % len(contents)])
        end = len(content)
        first, last = (
            (0, min(_EDGE_BYTES, end)),
            (max(0, end - _EDGE_BYTES), end),
            (0, end),
        )[number // len(contents) % 3]
        content[rng.randrange(first, last)] ^= 1 << rng.randrange(8)
        yield bytes(content)
