"""TensorFlow and Keras, imported for processes that are forked later."""

# Sets what TensorFlow may log, which that reads when it is imported.
from ofa_aec_tf.command_flags import command_line  # noqa: F401
from ofa_aec_tf.runs import native_output

with native_output.to_debug_log():
    import keras  # noqa: F401
    import tensorflow  # noqa: F401
