"""EfficientNets on log-mel spectrograms."""
