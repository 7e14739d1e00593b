"""TensorFlow, imported with its start-up messages kept off the screen.

A command imports this module before any other that imports TensorFlow: since
TensorFlow 2.19 no setting silences what it writes while it loads and looks
for accelerators.
"""

from absl import logging

from ofa_aec_tf.runs import native_output

with native_output.to_debug_log():
    import tensorflow as tf

    tf.config.list_physical_devices()
    # The first use of float16, in which records are stored, has one too.
    tf.cast(tf.zeros(1, tf.float16), tf.float32)

# It tells of every checkpoint how long a part of it took.
logging.get_absl_handler().addFilter(
    lambda record: record.module != "functional_saver"
)
