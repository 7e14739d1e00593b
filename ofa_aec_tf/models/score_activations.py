"""Activations that turn logits into scores."""

# For clips with any number of classes, and with exactly one.
SIGMOID = "sigmoid"
SOFTMAX = "softmax"
SCORE_ACTIVATIONS = (SIGMOID, SOFTMAX)
