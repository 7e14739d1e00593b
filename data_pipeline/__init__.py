"""Labelled audio to TFRecords of log-mel spectrograms, and their checks."""

# Of what a command imports the first: it lets it end quietly from here on.
import ofa_aec_tf  # noqa: F401
