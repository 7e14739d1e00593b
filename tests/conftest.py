"""Settings of all tests."""

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
