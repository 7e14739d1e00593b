"""What commands import, imported for processes that are forked later.

Nothing may compute or start a thread here: a fork would lack it.
"""

import os

# As `quiet_tensorflow` sets it.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import ai_edge_litert.interpreter  # noqa: E402, F401
import matplotlib.figure  # noqa: E402, F401
import optuna  # noqa: E402, F401
import scipy.optimize  # noqa: E402, F401
import scipy.signal  # noqa: E402, F401
import scipy.stats  # noqa: E402, F401
import sklearn.metrics  # noqa: E402, F401
import soundfile  # noqa: E402, F401
import soxr  # noqa: E402, F401
import sqlalchemy  # noqa: E402, F401

from ofa_aec_tf.runs import native_output  # noqa: E402

with native_output.to_debug_log():
    import keras  # noqa: F401
    import tensorflow  # noqa: F401
