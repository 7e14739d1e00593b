"""Class names: cleans them, and finds those that may be mistakes."""

import itertools
import re
import unicodedata
from collections.abc import Iterable

from ofa_aec_tf.checks.argument_checks import is_line

# Invisible characters. Joiners matter within words of scripts other than Latin,
# and in emoji.
_INVISIBLE = re.compile(
    "(?<![\u0300-\U0010ffff])[\u200c\u200d]"
    "|[\u200c\u200d](?![\u0300-\U0010ffff])"
    "|[\u034f\u115f\u1160\u17b4\u17b5\u3164\uffa0\ufe00-\ufe0f]"
)
# Separators of names that people use beside that of the table.
_JOINTS = (",", ";", "|", "/", "+", "&")


def _is_seen(character: str) -> bool:
    return character in "\u200c\u200d" or (
        unicodedata.category(character) != "Cf"
    )


def clean(name: str, where: str) -> str:
    """Normalizes a name to NFC, without invisible characters.

    Consecutive blanks of any kind become one; those at the ends are removed.

    Args:
        name: str.
        where: str. Named in the error.

    Returns:
        str; empty if nothing is left of the name.

    Raises:
        ValueError: if a line break or another control character is inside.
    """
    visible = "".join(filter(_is_seen, name.strip()))
    visible = _INVISIBLE.sub("", visible).strip()
    if visible and not is_line(visible):
        raise ValueError(
            f"{where}: a class name is a line of text, without line breaks "
            f"and control characters. Received: {name!r}"
        )
    return unicodedata.normalize("NFC", " ".join(visible.split()))


def similar_names(names: Iterable[str]) -> list[tuple[str, str]]:
    """Finds names that look like one class.

    Args:
        names: iterable of str.

    Returns:
        list of tuples of two names that differ only by case, blanks and
        punctuation, or by characters that are written alike; sorted.
    """
    first_of: dict[str, str] = {}
    pairs = []
    for name in sorted(set(names)):
        folded = unicodedata.normalize("NFKC", name).casefold()
        key = "".join(c for c in folded if c.isalnum())
        # All names of only punctuation would be similar.
        if key and first_of.setdefault(key, name) != name:
            pairs.append((first_of[key], name))
    return pairs


def joined_names(names: Iterable[str]) -> list[tuple[str, str]]:
    """Finds names that consist of several others.

    Args:
        names: iterable of str.

    Returns:
        list of tuples of a name and of its separator, sorted. Its parts are
        names too, alone or as parts of another name.
    """
    known = set(names)
    parts_of = {
        (name, joint): {part.strip() for part in name.split(joint)} - {""}
        for name in known
        for joint in _JOINTS
        if joint in name
    }
    parts_of = {key: parts for key, parts in parts_of.items() if len(parts) > 1}
    uses: dict[tuple[str, str], int] = {}
    for (_, joint), parts in parts_of.items():
        for part in parts:
            uses[part, joint] = uses.get((part, joint), 0) + 1
    return sorted(
        (name, joint)
        for (name, joint), parts in parts_of.items()
        if all(part in known or uses[part, joint] > 1 for part in parts)
    )


def remarks(names: Iterable[str]) -> list[str]:
    """Describes what may be wrong with class names, a sentence each."""
    names = tuple(names)
    lines = [
        f"{one!r} and {other!r} look like one class under two names"
        for one, other in similar_names(names)
    ]
    by_joint = itertools.groupby(
        sorted(joined_names(names), key=lambda pair: pair[1]),
        key=lambda pair: pair[1],
    )
    for joint, pairs in by_joint:
        joined = [name for name, _ in pairs]
        lines.append(
            f"{len(joined)} names look like several classes in one, such as "
            f"{joined[0]!r}: --label_separator={joint!r} takes them apart"
        )
    return lines
