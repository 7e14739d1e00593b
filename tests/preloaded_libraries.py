"""What commands import, imported for processes that are forked later.

Nothing may compute or start a thread here: a fork would lack it.
"""

# Sets what TensorFlow may log, which that reads when it is imported.
from ofa_aec_tf.command_flags import command_line  # noqa: F401, I001
from ofa_aec_tf.runs import native_output

import ai_edge_litert.interpreter  # noqa: F401
import matplotlib.figure  # noqa: F401
import optuna  # noqa: F401
import scipy.optimize  # noqa: F401
import scipy.signal  # noqa: F401
import scipy.stats  # noqa: F401
import sklearn.metrics  # noqa: F401
import soundfile  # noqa: F401
import soxr  # noqa: F401
import sqlalchemy  # noqa: F401

with native_output.to_debug_log():
    import keras  # noqa: F401
    import tensorflow  # noqa: F401
