"""Imports TensorFlow without its start-up messages.

A command imports this module before any other that imports TensorFlow: since
TensorFlow 2.19 no setting silences what it prints while it loads and looks for
accelerators.
"""

from absl import logging

from ofa_aec_tf.runs import native_output

with native_output.to_debug_log():
    import tensorflow as tf

    tf.config.list_physical_devices()
    # The first use of float16, in which records are stored, prints too.
    tf.cast(tf.zeros(1, tf.float16), tf.float32)

# It logs the time of every checkpoint.
logging.get_absl_handler().addFilter(
    lambda record: record.module != "functional_saver"
)
