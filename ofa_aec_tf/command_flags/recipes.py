"""Recipes: the flagfiles that come with the package, named `ofa:NAME`."""

import pathlib
import re

PREFIX = "ofa:"
_SUFFIX = ".cfg"
_PACKAGE = pathlib.Path(__file__).resolve().parents[1]


def directory() -> pathlib.Path:
    """The directory that holds the recipes.

    A build copies `flags/` of the repository into the package. In a checkout
    there is no copy, and the files themselves are used.
    """
    packaged = _PACKAGE / "flags"
    return packaged if packaged.is_dir() else _PACKAGE.parent / "flags"


def descriptions() -> dict[str, str]:
    """What each recipe is for, in a sentence, by its name."""
    root = directory()
    return {
        path.relative_to(root).as_posix(): _first_sentence(path)
        for path in sorted(root.rglob(f"*{_SUFFIX}"))
    }


def _first_sentence(path):
    """The first sentence of the comment that a flagfile begins with."""
    words = []
    for line in path.read_text(encoding="utf-8").splitlines():
        if not line.startswith("# "):
            break
        words += line[2:].split()
    match = re.match(r".+?[.:](?= |$)", " ".join(words))
    return match[0].rstrip(".:") if match else " ".join(words)


def path_of(text: str) -> pathlib.Path | None:
    """The path of a recipe, or of a directory of recipes.

    Args:
        text: str. `ofa:NAME`, where NAME is a path below `flags/`, with or
            without `.cfg`.

    Returns:
        pathlib.Path, or None if `text` does not start with `ofa:`.

    Raises:
        ValueError: if there is no recipe of that name.
    """
    if not text.startswith(PREFIX):
        return None
    name = text.removeprefix(PREFIX).strip("/")
    root = directory()
    if name and ".." not in name.split("/"):
        for candidate in (root / name, root / (name + _SUFFIX)):
            if candidate.exists():
                return candidate
    raise ValueError(
        f"There is no recipe {name!r}. Expected one of: "
        f"{', '.join(_names_near(root, name))}. "
        "`ofa-aec recipes` lists all of them."
    )


def _names_near(root, name) -> list[str]:
    """The recipes and directories of recipes beside a name that is wrong."""
    parent = root.joinpath(*name.split("/")[:-1])
    if not parent.is_dir() or ".." in parent.parts:
        parent = root
    return sorted(
        path.relative_to(root).as_posix() + ("/" if path.is_dir() else "")
        for path in parent.iterdir()
        if path.is_dir() or path.suffix == _SUFFIX
    )
