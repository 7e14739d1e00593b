"""Flags whose values are paths: `~`, commas and URLs in all of them alike."""

import csv
import io
import os
import re
import urllib.parse
from collections.abc import Iterable

from absl import flags

# Flags then belong to the command that asks for them, whose --help lists them.
flags.disclaim_key_flags()

_SCHEME = re.compile(r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*)://")
_CSV_SIGNS = set(',"')
# What a flagfile, a line a flag, cannot hold.
_LINE_BREAK = re.compile(r"[\r\n]")


def local_path(text: str) -> str:
    """The path of a file or a directory that a user has named.

    Args:
        text: str. `~` and `~user` stand for home directories, which shells
            leave as they are in `--flag=~/x`. `file://` URLs are paths.

    Raises:
        ValueError: if it is empty, or the URL of another machine, or there is
            no such user.
    """
    if not text.strip():
        raise ValueError(
            "A path is empty. Is a variable of the shell not set? Received: "
            f"{text!r}"
        )
    match = _SCHEME.match(text)
    if match is not None:
        return _path_of_url(text, match["scheme"].lower())
    path = os.path.expanduser(text)
    if path.startswith("~") and not os.path.lexists(path):
        raise ValueError(
            f"There is no home directory for {path.split('/')[0]}. For a file "
            f"of that name in the current directory write ./{path}"
        )
    return path


def _path_of_url(text, scheme):
    parts = urllib.parse.urlsplit(text)
    if scheme == "file" and parts.netloc in ("", "localhost"):
        path = text.split("://", 1)[1].removeprefix(parts.netloc)
        return urllib.parse.unquote(path)
    raise ValueError(
        "Expected a path of this machine. Mount or copy what is elsewhere, "
        f"and name the directory. Received: {text}"
    )


def split_paths(text: str) -> list[str]:
    """The paths of a list, as `join_paths` writes it.

    Args:
        text: str. Paths with commas between them; one that has commas itself
            stands in double quotes, as in CSV, or alone, where it exists.

    Raises:
        ValueError: as `local_path` does.
    """
    if not text.strip():
        return []
    if _CSV_SIGNS & set(text) and os.path.lexists(os.path.expanduser(text)):
        return [local_path(text)]
    try:
        (parts,) = csv.reader([text], strict=True, skipinitialspace=True)
    except (csv.Error, ValueError) as error:
        raise ValueError(
            "Expected paths with commas between them, those that have commas "
            f"in double quotes. Received: {text} ({error})"
        ) from error
    return [local_path(part.strip()) for part in parts]


def join_paths(paths: Iterable) -> str:
    """Paths as the value of a flag that takes a list.

    Args:
        paths: iterable of str or pathlib.Path.
    """
    text = io.StringIO()
    csv.writer(text, lineterminator="").writerow(map(str, paths))
    return text.getvalue()


def _on_one_line(text: str) -> str:
    if _LINE_BREAK.search(text):
        raise ValueError(
            f"A path that a flag names is on one line. Received: {text!r}"
        )
    return text


class PathParser(flags.ArgumentParser):
    """Parses the value of a flag that is one path."""

    syntactic_help = "a path"

    def parse(self, argument):
        """The path that is meant."""
        return local_path(_on_one_line(argument))

    def absolute(self, value):
        """The path, wherever the current directory is."""
        return os.path.abspath(value)


class PathOrNameParser(PathParser):
    """Parses the value of a flag that is a path or something else."""

    syntactic_help = "a path or one of the words above"

    def parse(self, argument):
        """What is meant: of a path that which `~` stands for."""
        if argument.startswith("~") or _SCHEME.match(argument):
            return local_path(_on_one_line(argument))
        return argument

    def absolute(self, value):
        """The path, if it is one of a file."""
        return os.path.abspath(value) if os.path.isfile(value) else value


class PathsParser(flags.ListParser):
    """Parses the value of a flag that is a list of paths."""

    def __init__(self):
        super().__init__()
        self.syntactic_help = "paths with commas between them"

    def parse(self, argument):
        """The paths that are meant."""
        if isinstance(argument, list):
            return argument
        return split_paths(_on_one_line(argument or ""))

    def absolute(self, value):
        """The paths, wherever the current directory is."""
        return [os.path.abspath(path) for path in value]


class _PathsSerializer(flags.ArgumentSerializer):
    def serialize(self, value):
        """The paths as one word."""
        return join_paths(value)


def serializer_of(parser: flags.ArgumentParser) -> flags.ArgumentSerializer:
    """What writes values down that one of these parsers has read."""
    if isinstance(parser, PathsParser):
        return _PathsSerializer()
    return flags.ArgumentSerializer()


def _define(parser, name, default, help, **options):
    return flags.DEFINE(
        parser,
        name,
        default,
        help,
        serializer=serializer_of(parser),
        **options,
    )


def define_path(name: str, default: str | None, help: str, **options):
    """Defines a flag that names a file or a directory.

    Args:
        name: str.
        default: str or None.
        help: str.
        options: as for `flags.DEFINE`, such as `required`.

    Returns:
        The absl FlagHolder of a str.
    """
    return _define(PathParser(), name, default, help, **options)


def define_path_or_name(name: str, default: str | None, help: str, **options):
    """Defines a flag that names a file or something else, as the help says.

    Args and Returns: as of `define_path`.
    """
    return _define(PathOrNameParser(), name, default, help, **options)


def define_paths(name: str, default: list[str] | None, help: str, **options):
    """Defines a flag that names files or directories.

    Args:
        name: str.
        default: list of str, or None.
        help: str.
        options: as for `flags.DEFINE`, such as `required`.

    Returns:
        The absl FlagHolder of a list of str.
    """
    return _define(PathsParser(), name, default, help, **options)
