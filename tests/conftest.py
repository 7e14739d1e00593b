"""Settings of all tests, and what to build new ones of.

`make test` is to take ten minutes on two cores:
- Run a command by `tests.commands.run`: it forks a process in which all
  libraries are imported, and takes half a second beside its work.
  `run_afresh` starts Python and TensorFlow, which takes ten times as long.
  `command_flags/command_line_test.py` does that once for each command; others
  do it where the start itself matters.
- Give the tests of a module one trained or converted model, by a fixture of
  module or session scope, and make it as small as the test allows.
- What takes minutes is marked `long`, and left to `make test-all`.
"""

import importlib.util
import os
import signal

# The environments of single extras are without it.
if importlib.util.find_spec("hypothesis") is not None:
    import hypothesis

    # A machine may be busy: time tells nothing about what is right.
    hypothesis.settings.register_profile("project", deadline=None)
    hypothesis.settings.load_profile("project")


# What starts in the background, as with `nohup`, ignores Ctrl-C; so would the
# commands that tests interrupt.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_configure():
    """Gives each of several test processes cores of its own.

    TensorFlow runs the small networks of tests no faster on more cores, and
    two processes that share all of them get in each other's way.
    """
    worker = os.environ.get("PYTEST_XDIST_WORKER")
    if worker is None or not hasattr(os, "sched_setaffinity"):
        return
    number = int(worker.removeprefix("gw"))
    num_workers = int(os.environ["PYTEST_XDIST_WORKER_COUNT"])
    share = sorted(os.sched_getaffinity(0))[number::num_workers]
    if share:
        os.sched_setaffinity(0, share)
