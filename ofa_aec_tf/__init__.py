"""Once-for-all networks for acoustic event classification."""

from ofa_aec_tf.runs import interruptions

__version__ = "0.1.0"

# Before a command imports its libraries, which takes seconds.
if interruptions.prepare():
    from ofa_aec_tf.runs import quiet_tensorflow

    quiet_tensorflow.expect()
