"""Keeps what TensorFlow writes while it starts off the screen.

A log level silences some of it. Since TensorFlow 2.19 no setting silences what
it writes while it loads and looks for accelerators.
"""

import importlib.abc
import importlib.util
import os
import sys

_NAME = "tensorflow"
_expected: list[bool] = []


class _QuietImport(importlib.abc.MetaPathFinder):
    """Finds TensorFlow once, with a loader that is quiet."""

    def find_spec(self, name, path=None, target=None):
        """The spec of TensorFlow, None for every other module."""
        if name != _NAME:
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(name)
        if spec is not None:
            load = spec.loader.exec_module

            def load_quietly(module):
                from ofa_aec_tf.runs import native_output

                with native_output.to_debug_log():
                    load(module)
                start()

            spec.loader.exec_module = load_quietly
        return spec


def expect() -> None:
    """Makes the first import of TensorFlow quiet, whoever imports it."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    if _NAME not in sys.modules and not _expected:
        _expected.append(True)
        sys.meta_path.insert(0, _QuietImport())


def start() -> None:
    """Lets TensorFlow, which has been imported, look for devices now."""
    # Not before: absl keeps the standard error that it finds when it is
    # imported, which `command_line` opens where it is closed.
    from absl import logging

    from ofa_aec_tf.runs import native_output

    tf = sys.modules[_NAME]
    with native_output.to_debug_log():
        tf.config.list_physical_devices()
        # The first use of float16, in which records are stored, writes too.
        tf.cast(tf.zeros(1, tf.float16), tf.float32)
    # It logs the time of every checkpoint.
    logging.get_absl_handler().addFilter(
        lambda record: record.module != "functional_saver"
    )
