"""From a trained Keras model to TFLite files that passed every check."""
