"""MACs of a CNN10, written out by hand for 33 frames and 64 mel bands."""

FRAMES = 33
CHANNELS = (4, 6, 8, 10)
HIDDEN_UNITS, NUM_CLASSES = 512, 527

# Frames x bands that each block computes on: halved, rounded down, by pooling.
POSITIONS = (33 * 64, 16 * 32, 8 * 16, 4 * 8)


def block_macs(block, in_channels, filters):
    """MACs of a block (from 1) of 3 x 3 convolutions."""
    total = 0
    for out_channels in filters:
        total += POSITIONS[block - 1] * 9 * in_channels * out_channels
        in_channels = out_channels
    return total


def network_macs(filters):
    """MACs of a network, given the filters of its four blocks."""
    total, in_channels = 0, 1
    for block, block_filters in enumerate(filters, start=1):
        total += block_macs(block, in_channels, block_filters)
        in_channels = block_filters[-1]
    return total + in_channels * HIDDEN_UNITS + HIDDEN_UNITS * NUM_CLASSES


STEM_MACS = block_macs(1, 1, (4, 4))
LARGEST_MACS = network_macs(((4, 4), (6, 6), (8, 8), (10, 10)))
