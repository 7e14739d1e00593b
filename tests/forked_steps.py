"""Lets a command fork the commands that it runs, in place of new processes.

Each would start Python and import TensorFlow, which takes seconds.
"""

import os
import runpy
import subprocess
import sys
import time
import traceback
import types

from absl import app
from absl import flags

_PACKAGES = ("ofa_aec_tf", "data_pipeline")
_flags_of_libraries: set[str] = set()


def start_tensorflow():
    """Does what the import of TensorFlow does in a command."""
    if "tensorflow" not in sys.modules:
        # Of environments that lack what is imported before it.
        return
    from ofa_aec_tf.runs import quiet_tensorflow

    quiet_tensorflow.start()


def use():
    """Makes the commands that this process runs forks of it, from now on.

    TensorFlow has been imported, and has no threads yet: a fork lacks them.
    """
    # TensorFlow would look for devices as absl starts, which starts threads.
    app._init_callbacks.clear()
    from ofa_aec_tf.runs import child_commands

    _flags_of_libraries.update(flags.FLAGS)
    child_commands.subprocess = types.SimpleNamespace(
        **{**vars(subprocess), "Popen": _Fork}
    )


class _Fork:
    """What `subprocess.Popen([python, "-m", module, ...])` would start."""

    def __init__(self, words, env, pass_fds, stdout=None, stderr=None):
        self.returncode = None
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
        self.pid = os.fork()
        if not self.pid:
            status = 1
            try:
                if stdout is not None:
                    os.dup2(stdout.fileno(), 1)
                if stderr == subprocess.STDOUT:
                    os.dup2(1, 2)
                os.environ.clear()
                os.environ.update(env)
                status = _status(*words[words.index("-m") + 1 :])
            finally:
                os._exit(status)

    def poll(self):
        if self.returncode is None:
            process, status = os.waitpid(self.pid, os.WNOHANG)
            if process:
                self.returncode = os.waitstatus_to_exitcode(status)
        return self.returncode

    def wait(self, timeout=None):
        start = time.monotonic()
        while self.poll() is None:
            if timeout is not None and time.monotonic() - start > timeout:
                raise subprocess.TimeoutExpired(str(self.pid), timeout)
            time.sleep(0.01)
        return self.returncode

    def send_signal(self, number):
        if self.poll() is None:
            os.kill(self.pid, number)

    def terminate(self):
        self.send_signal(15)

    def kill(self):
        self.send_signal(9)


def _status(module, *arguments):
    """Runs a module as in a new process; returns the exit status."""
    _forget_this_command()
    start_tensorflow()
    sys.argv = [module, *arguments]
    status = 0
    try:
        runpy.run_module(module, run_name="__main__", alter_sys=True)
    except SystemExit as error:
        status = error.code or 0
    except BaseException:
        traceback.print_exc()
        status = 1
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    return status


def _forget_this_command():
    """Forgets the project's modules and flags, which another one defines."""
    for name in set(flags.FLAGS) - _flags_of_libraries:
        delattr(flags.FLAGS, name)
    flags.FLAGS.unparse_flags()
    for name in _flags_of_libraries:
        flags.FLAGS[name].unparse()
    for name in list(sys.modules):
        if name.partition(".")[0] in _PACKAGES:
            del sys.modules[name]
