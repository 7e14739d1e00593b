"""Flagfiles: a flag a line, which include each other by their own place."""

import codecs
import pathlib
import re
import sys
from collections.abc import Iterator
from collections.abc import Sequence

from absl import flags

from ofa_aec_tf.command_flags import path_flags
from ofa_aec_tf.command_flags import recipes

_FLAGFILE = "flagfile"
# Their values name flagfiles too, or a directory of them.
_NAME_FLAGFILES = ("preprocess", "flags_dir")
# NAME:FLAGFILE, and more after another colon, as values of --run.
_RUN = re.compile(r"(?P<run>[^:]*):(?P<flagfile>(ofa:)?[^:]+)(?P<more>(:.*)?)")
_COMMENTS = ("#", "//")
_PACKAGES = ("ofa_aec_tf", "data_pipeline")
_UTF_16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


def read(path) -> list[str]:
    """The flags of a flagfile and of those that it includes, in order.

    Files that it names are looked for beside it first, and then from the
    current directory. Blank lines and comments are left out.

    Args:
        path: path of the file; `~` is a home directory, and `ofa:NAME` a
            recipe of the package.

    Raises:
        ValueError: if there is no such file, files include each other in a
            circle, or a line is no flag.
    """
    path = _named(str(path))
    if not _is_there(path):
        raise ValueError(f"There is no flagfile {path}.")
    return list(_read(path, ()))


def expand(arguments: Sequence[str]) -> list[str]:
    """The arguments of a command, with the flags of flagfiles in their place.

    Args:
        arguments: sequence of str, without the name of the command.

    Raises:
        ValueError: as `read` does.
    """
    expanded: list[str] = []
    waiting = list(arguments)
    while waiting:
        argument = waiting.pop(0)
        if not argument.startswith("-") or argument == "--":
            # What follows are no flags.
            return [*expanded, argument, *waiting]
        name, equals, value = argument.lstrip("-").partition("=")
        if not equals and waiting and _takes_a_word(name):
            value = waiting.pop(0)
            argument = f"--{name}={value}"
        if name == _FLAGFILE:
            if not value:
                raise ValueError("--flagfile needs the path of a file.")
            expanded += read(value)
        else:
            expanded.append(_with_places(argument, name, value, _recipe))
    return expanded


def _named(text) -> pathlib.Path:
    """The path that a user names, which may be that of a recipe."""
    return recipes.path_of(text) or pathlib.Path(path_flags.local_path(text))


def _recipe(value) -> str | pathlib.Path:
    """What names a recipe as its path, and other names as they are."""
    return recipes.path_of(value) or value


def _takes_a_word(name):
    return name == _FLAGFILE or (
        name in flags.FLAGS and not flags.FLAGS[name].boolean
    )


def _is_there(path):
    # A pipe of the shell, `<(command)`, is no regular file.
    return path.exists() and not path.is_dir()


def _lines(path) -> Iterator[tuple[int, str]]:
    content = path.read_bytes()
    # A path need not be in UTF-8; it is given back as it was.
    text = (
        content.decode("utf-16")
        if content.startswith(_UTF_16)
        else content.decode("utf-8-sig", errors="surrogateescape")
    )
    for number, line in enumerate(text.split("\n"), 1):
        line = line.strip()
        if line and not line.startswith(_COMMENTS):
            yield number, line


def _read(path, including) -> Iterator[str]:
    place = path.resolve()
    if place in including:
        circle = " -> ".join(map(str, (*including, place)))
        raise ValueError(f"Flagfiles include each other: {circle}")
    for number, line in _lines(path):
        if not line.startswith("-") or not line.strip("-"):
            raise ValueError(
                f"Line {number} of {path} is no flag, such as --name=value. "
                f"Received: {line}"
            )
        name, _, value = line.lstrip("-").partition("=")
        if name == _FLAGFILE:
            yield from _read(_included(value, path), (*including, place))
        else:
            yield _with_places(
                line, name, value, lambda named: _beside(named, path) or named
            )


def _beside(value, path) -> pathlib.Path | None:
    """What is named in a flagfile, where it is there."""
    named = _named(value)
    # A link to a flagfile is read as what it leads to.
    for place in (path.parent, path.resolve().parent, pathlib.Path()):
        candidate = place / named
        if candidate.exists():
            return candidate
    return None


def _included(value, path) -> pathlib.Path:
    found = _beside(value, path) if value else None
    if found is None or found.is_dir():
        raise ValueError(
            f"There is no flagfile {value}, which {path} includes: neither "
            f"beside it, in {path.parent.resolve()}, nor in the current "
            "directory."
        )
    return found


def _with_places(line, name, value, place) -> str:
    """A flag whose value names flagfiles, with the place of those."""
    if name in _NAME_FLAGFILES and value:
        return f"--{name}={place(value)}"
    match = _RUN.fullmatch(value) if name == "run" else None
    if match is None:
        return line
    return f"--{name}={match['run']}:{place(match['flagfile'])}{match['more']}"


def names_of_modules() -> list[str]:
    """Modules of this project that define flags, the command itself first."""
    modules = flags.FLAGS.flags_by_module_dict()
    main = sys.argv[0]
    return [
        *(name for name in modules if name == main),
        *sorted(
            name for name in modules if name.partition(".")[0] in _PACKAGES
        ),
    ]


def recorded() -> str:
    """A flagfile that starts this command again, from any directory.

    It has the flags that were given, with absolute paths. The others stand in
    comments, with their defaults: a check may ask whether a flag was given.
    """
    given, others = [], []
    modules = flags.FLAGS.flags_by_module_dict()
    for flag in (f for name in names_of_modules() for f in modules[name]):
        texts = _serialized(flag).splitlines()
        if flag.present:
            given += texts
        else:
            others += [f"# {text}" for text in texts or [f"--{flag.name}"]]
    return "\n".join((*sorted(given, key=_name), *sorted(others), ""))


def _name(text):
    # The values of a flag that is repeated stay in their order.
    return text.partition("=")[0]


def _serialized(flag) -> str:
    """A flag as a line, or one a value where it is repeated."""
    value = flag.value
    if value is None:
        return ""
    if isinstance(flag.parser, path_flags.PathParser | path_flags.PathsParser):
        value = flag.parser.absolute(value)
        return f"--{flag.name}={flag.serializer.serialize(value)}"
    if isinstance(value, str) and len(value.splitlines()) > 1:
        # JSON, say, in which line breaks mean nothing.
        return f"--{flag.name}={' '.join(value.split())}"
    return flag.serialize()
