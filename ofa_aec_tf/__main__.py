"""Lists the commands, and runs one.

`ofa-aec COMMAND ...` and `python -m ofa_aec_tf COMMAND ...` both run
`python -m ofa_aec_tf.COMMAND ...`, or the command of that name in
`data_pipeline`.
"""

import difflib
import importlib.util
import os
import pathlib
import sys

from ofa_aec_tf.command_flags import command_line

_PACKAGES = ("data_pipeline", "ofa_aec_tf")
_HELP = ("help", "--help", "-help", "-h", "--helpshort", "--helpfull", "-?")
_RUNS = "command_line.run(main"


def _package_file(package):
    return pathlib.Path(importlib.util.find_spec(package).origin)


def _sources(package):
    """Paths of the commands of a package, by their names."""
    return {
        path.stem: path
        for path in sorted(_package_file(package).parent.glob("[!_]*.py"))
        if _RUNS in path.read_text(encoding="utf-8")
    }


def _first_line(path):
    """The first line of a docstring, read without importing its module."""
    text = path.read_text(encoding="utf-8")
    line = text.partition('"""')[2].partition("\n")[0]
    line = line.strip('"').removeprefix("Command: ")
    return line[:1].upper() + line[1:]


def _listing():
    parts = ["Usage: ofa-aec COMMAND [--flag=value ...]"]
    for package in _PACKAGES:
        parts.append(_first_line(_package_file(package)))
        parts.append(
            "\n".join(
                f"  {name:<18}{_first_line(path)}"
                for name, path in _sources(package).items()
            )
        )
    parts.append(
        "`ofa-aec COMMAND --help` explains the flags of a command, and "
        "`ofa-aec recipes`\nlists the flagfiles that come with the package."
    )
    return "\n\n".join(parts)


def _answer(words):
    if not words or words[0] in _HELP:
        print(_listing())
        return
    names = [name for package in _PACKAGES for name in _sources(package)]
    near = difflib.get_close_matches(words[0], names, n=1, cutoff=0.4)
    hint = f" Did you mean {near[0]}?" if near else ""
    raise ValueError(
        f"There is no command {words[0]!r}.{hint} `ofa-aec --help` lists the "
        "commands."
    )


def main():
    """Runs the command that the first word of the command line names."""
    words = sys.argv[1:]
    name = words[0].replace("-", "_") if words else ""
    for package in _PACKAGES:
        if name in _sources(package):
            module = f"{package}.{name}"
            os.execv(sys.executable, [sys.executable, "-m", module, *words[1:]])
    del sys.argv[1:]
    command_line.run(lambda _: _answer(words))


def console():
    """Starts as a script, which does not import from the current directory."""
    os.environ["PYTHONSAFEPATH"] = "1"
    main()


if __name__ == "__main__":
    main()
