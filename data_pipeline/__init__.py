"""Labelled audio to TFRecords of log-mel spectrograms, and their checks."""

# The first import of every command. From here on, it can end quietly.
import ofa_aec_tf  # noqa: F401
