"""What `--help` prints: all flags of a command, and none of its libraries."""

import contextlib
import os
import shutil
import sys
import textwrap

from absl import flags

from ofa_aec_tf.command_flags import flagfiles

_ASKS = ("help", "helpshort", "h", "?")
_LIBRARY_ASKS = ("helpfull", "helpxml")
_LAST = (
    "Every command also takes --flagfile=FILE, which reads flags from a file "
    "(--flagfile=ofa:NAME from a recipe of the package), --verbosity=1, which "
    "logs more, and --helpfull, which lists the flags of libraries too."
)
_MIN_COLUMNS, _MAX_COLUMNS = 60, 100


def is_asked_for(arguments) -> bool:
    """Whether arguments ask for help."""
    return _any_of(arguments, _ASKS)


@contextlib.contextmanager
def of_libraries(arguments):
    """Ends well in this block where arguments ask for the help of absl."""
    try:
        yield
    except SystemExit:
        if _any_of(arguments, _LIBRARY_ASKS):
            sys.exit(0)
        raise


def _any_of(arguments, names):
    for argument in arguments:
        if argument == "--":
            break
        if argument.startswith("-") and argument.lstrip("-") in names:
            return True
    return False


def text() -> str:
    """The help of the command that runs: its docstring, then its flags."""
    columns = shutil.get_terminal_size().columns
    columns = min(max(columns, _MIN_COLUMNS), _MAX_COLUMNS)
    by_module = flags.FLAGS.flags_by_module_dict()
    parts = [(sys.modules["__main__"].__doc__ or "").strip()]
    for number, name in enumerate(flagfiles.names_of_modules()):
        group = sorted(by_module[name], key=lambda flag: flag.name)
        if not group:
            continue
        title = "Flags" if not number else _title(name)
        parts.append(f"{title}:\n")
        parts[-1] += "\n".join(_described(flag, columns) for flag in group)
    parts.append(textwrap.fill(_LAST, columns))
    return "\n\n".join(parts) + "\n"


def _title(module_name):
    """What a module says of its flags."""
    module = sys.modules.get(module_name)
    lines = ((module and module.__doc__) or module_name).strip().splitlines()
    return lines[0].rstrip(".:")


def _described(flag, columns):
    name = f"--[no]{flag.name}" if flag.boolean else f"--{flag.name}"
    facts = [] if flag.boolean else [flag.parser.syntactic_help]
    if flag.default_as_str not in (None, "", "''"):
        facts.append(f"default: {flag.default_as_str}")
    ending = f" ({'; '.join(filter(None, facts))})" if any(facts) else ""
    return f"  {name}\n" + textwrap.fill(
        " ".join((flag.help or "").split()) + ending,
        columns,
        initial_indent=" " * 6,
        subsequent_indent=" " * 6,
        break_long_words=False,
        break_on_hyphens=False,
    )


def show() -> None:
    """Prints the help, and ends well."""
    print(text(), end="", flush=True)
    sys.exit(os.EX_OK)
