"""Keeps the start-up messages of TensorFlow off the screen.

Since TensorFlow 2.19 no setting silences what it writes while it loads and
looks for accelerators.
"""

import importlib.util
import sys

from absl import logging

from ofa_aec_tf.runs import native_output

_NAME = "tensorflow"


class _Loader:
    """Loads TensorFlow with its output redirected.

    Args:
        loader: the loader that does the work.
    """

    has_started = False

    def __init__(self, loader):
        self._loader = loader

    def __getattr__(self, name):
        return getattr(self._loader, name)

    def exec_module(self, module):
        with native_output.to_debug_log():
            self._loader.exec_module(module)
            if self.has_started:
                _look_for_devices(module)


class _Finder:
    """Finds TensorFlow for the first import of it."""

    def find_spec(self, name, path=None, target=None):
        if name != _NAME:
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(name)
        if spec is not None:
            spec.loader = _Loader(spec.loader)
        return spec


def prepare() -> None:
    """Has TensorFlow imported quietly, whichever module imports it first."""
    # It logs how long a part of every checkpoint took.
    logging.get_absl_handler().addFilter(
        lambda record: record.module != "functional_saver"
    )
    if _NAME not in sys.modules:
        sys.meta_path.insert(0, _Finder())


def start() -> None:
    """Has TensorFlow look for devices quietly, now or once it is imported.

    It starts threads then, which a process that is forked afterwards lacks.
    """
    _Loader.has_started = True
    if _NAME in sys.modules:
        with native_output.to_debug_log():
            _look_for_devices(sys.modules[_NAME])


def _look_for_devices(tensorflow):
    tensorflow.config.list_physical_devices()
    # The first use of float16, in which records are stored, writes a message.
    tensorflow.cast(tensorflow.zeros(1, tensorflow.float16), tensorflow.float32)
