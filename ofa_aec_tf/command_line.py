"""How every command starts and how it ends on a user's mistake."""

import os
import shlex
import subprocess
import sys
import time

# TensorFlow reads this when it is first imported, after this module: without
# it every command begins with screens of start-up messages.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

from absl import app  # noqa: E402
from absl import flags  # noqa: E402
from absl import logging  # noqa: E402

USAGE_STATUS = 2


def _fail(message):
    text = " ".join(str(message).split())
    print(f"error: {text}", file=sys.stderr)
    sys.exit(USAGE_STATUS)


def _parse_flags(argv):
    try:
        return flags.FLAGS(argv)
    except flags.Error as error:
        _fail(f"{error} (--help lists the flags)")


def call(title, module, *arguments):
    """Runs another command; its failure ends this one with the same status.

    Args:
        title: str. What is printed above what it prints.
        module: str, such as `"ofa_aec_tf.train"`.
        arguments: what `str` makes its flags of.

    Returns:
        float. Seconds that it took.
    """
    command = ["-m", module, *map(str, arguments)]
    print(f"\n== {title}\n$ python {shlex.join(command)}", flush=True)
    start = time.monotonic()
    status = subprocess.run([sys.executable, *command]).returncode
    if status:
        print(f"stopped: {title} failed, see above", file=sys.stderr)
        sys.exit(status)
    seconds = time.monotonic() - start
    print(f"-- {title}: {seconds:.0f} s", flush=True)
    return seconds


def run(main, takes_arguments=False):
    """Runs a command.

    A `ValueError` or `OSError` ends it with one line and exit status 2;
    `--verbosity=1` shows the trace as well.

    Args:
        main: function of the list of positional arguments.
        takes_arguments: bool. Whether positional arguments are allowed.
    """

    def guarded_main(argv):
        arguments = argv[1:]
        if arguments and not takes_arguments:
            _fail(
                "expected only flags, such as --name=value. "
                f"Received: {arguments}"
            )
        logging.use_absl_handler()
        try:
            main(arguments)
        except (ValueError, OSError) as error:
            logging.debug("trace of the error below", exc_info=True)
            _fail(error)

    app.run(guarded_main, flags_parser=_parse_flags)
