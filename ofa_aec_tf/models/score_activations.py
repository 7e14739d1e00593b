"""What turns the logits of a network into its scores."""

# Of any number of classes a clip, each by itself; of one class a clip.
SIGMOID = "sigmoid"
SOFTMAX = "softmax"
SCORE_ACTIVATIONS = (SIGMOID, SOFTMAX)
