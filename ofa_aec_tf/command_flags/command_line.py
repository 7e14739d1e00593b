"""How every command starts and how it ends on a user's mistake."""

import os
import select
import sys

from ofa_aec_tf.runs import interruptions

interruptions.prepare()


def _open_closed_streams():
    """Lets what is printed go nowhere where a stream is closed, as by `>&-`.

    Else the next file that is opened takes its number, and gets the prints.
    """
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        if getattr(sys, name) is not None:
            continue
        descriptor = os.open(os.devnull, os.O_RDWR)
        if descriptor != number:
            os.dup2(descriptor, number)
            os.close(descriptor)
        mode = "w" if number else "r"
        setattr(sys, name, open(number, mode, closefd=False))


_open_closed_streams()

from absl import app  # noqa: E402
from absl import flags  # noqa: E402
from absl import logging  # noqa: E402

from ofa_aec_tf.command_flags import command_help  # noqa: E402
from ofa_aec_tf.command_flags import flagfiles  # noqa: E402
from ofa_aec_tf.runs import child_commands  # noqa: E402
from ofa_aec_tf.runs import quiet_tensorflow  # noqa: E402

quiet_tensorflow.expect()

USAGE_STATUS = 2


def _fail(message):
    text = " ".join(str(message).split())
    print(f"error: {text}", file=sys.stderr)
    sys.exit(USAGE_STATUS)


def _parse_flags(argv):
    command, *arguments = argv
    if command_help.is_asked_for(arguments):
        command_help.show()
    try:
        with command_help.of_libraries(arguments):
            return flags.FLAGS([command, *flagfiles.expand(arguments)])
    except (flags.Error, ValueError) as error:
        _fail(f"{error} (--help lists the flags)")


def _print_every_character():
    """Escapes what a stream has no characters for, such as of file names."""
    for stream in (sys.stdout, sys.stderr):
        if getattr(stream, "errors", None) == "strict":
            stream.reconfigure(errors="backslashreplace")


def _is_output_closed():
    """Whether nobody reads standard output any more, as behind `| head`."""
    poll = select.poll()
    poll.register(1, 0)
    return any(events & select.POLLERR for _, events in poll.poll(0))


def run(main, takes_arguments=False):
    """Runs a command.

    A `ValueError` or `OSError` ends it with one line and exit status 2;
    `--verbosity=1` shows the trace as well. So does an interruption, with the
    status of its signal.

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
            sys.stdout.flush()
        except (ValueError, OSError) as error:
            if isinstance(error, BrokenPipeError) and _is_output_closed():
                raise
            logging.debug("trace of the error below", exc_info=True)
            _fail(error)

    _print_every_character()
    with interruptions.raised():
        try:
            app.run(guarded_main, flags_parser=_parse_flags)
        except BrokenPipeError:
            if not _is_output_closed():
                raise
            # What is left to print at the exit goes nowhere.
            os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
            sys.exit(child_commands.BROKEN_PIPE_STATUS)
