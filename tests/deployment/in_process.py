"""Runs a command in the process of the tests, with its own flags."""

import contextlib
import importlib

from absl import flags

# Those of absl itself, which every process has.
_ABSL = "absl."


def _take_flags():
    """Removes the flags of all commands; returns them."""
    values = flags.FLAGS
    taken = {
        name: values[name]
        for name in list(values)
        if not str(values.find_module_defining_flag(name)).startswith(_ABSL)
    }
    for name in taken:
        delattr(values, name)
    return taken


def _put_flags(taken):
    for name, flag in taken.items():
        flags.FLAGS[name] = flag


class Command:
    """A command that defines flags, once and for all its runs.

    Args:
        module: str, such as `"ofa_aec_tf.export"`.
    """

    def __init__(self, module):
        others = _take_flags()
        self._module = importlib.import_module(module)
        # Modules that it shares with others may have been imported before.
        self._flags = {**others, **_take_flags()}
        _put_flags(others)

    def run(self, *arguments, **values):
        """Runs its `main` as `command_line.run` would.

        Args:
            arguments: what `str` makes positional arguments of.
            values: of its flags.
        """
        with self._parsed(values):
            self._module.main(list(map(str, arguments)))

    @contextlib.contextmanager
    def _parsed(self, values):
        others = _take_flags()
        _put_flags(self._flags)
        try:
            for flag in self._flags.values():
                flag.unparse()
            flags.FLAGS(["command", *(f"--{n}={v}" for n, v in values.items())])
            yield
        finally:
            _take_flags()
            _put_flags(others)
