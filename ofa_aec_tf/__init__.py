"""Once-for-all networks for acoustic event classification."""

__version__ = "0.1.0"
