"""Settings: dataclass fields that say all there is to say of themselves.

A field made by `setting` has its type, default, bounds and help in one place.
`check` refuses values that it does not allow, `command_flags.setting_flags`
makes its flag, and `dataclasses.asdict` its record.
"""

import dataclasses
import math
import types
import typing
from collections.abc import Mapping
from collections.abc import Sequence

_KEY = "setting"
# The default of a setting that has none: its flag must be given.
REQUIRED = dataclasses.MISSING


@dataclasses.dataclass(frozen=True)
class Setting:
    """What is known of a setting beside its name, type and default.

    Args:
        help: str. What it does, with its unit.
        flag: str or None. Name of its flag, where that is not the field's.
        choices: sequence of what is allowed, or None.
        at_least, above, at_most, below: number or None. Bounds, of each value
            where it has several.
        is_finite: bool. Whether infinity is refused. NaN always is.
        when: dict from names of other fields to the values that they must
            have for this one to matter; `True` is any that is not 0, empty or
            None.
        is_path: bool. Whether it names a file or directory, or several.
        is_path_or_name: bool. Whether it names a file or something else.
        is_repeated: bool. Whether its flag is given once for each value.
    """

    help: str
    flag: str | None = None
    choices: Sequence | None = None
    at_least: float | None = None
    above: float | None = None
    at_most: float | None = None
    below: float | None = None
    is_finite: bool = True
    when: Mapping | None = None
    is_path: bool = False
    is_path_or_name: bool = False
    is_repeated: bool = False


def setting(default, help: str, **options):
    """A field of a dataclass that is a setting.

    Args:
        default: what it is where nothing is said, or `REQUIRED`.
        help: str.
        **options: further arguments of `Setting`.

    Returns:
        A field, as `dataclasses.field` makes it.
    """
    metadata = {_KEY: Setting(help, **options)}
    return dataclasses.field(default=default, metadata=metadata)


def of(field: dataclasses.Field) -> Setting | None:
    """What is known of a field; None if it was not made by `setting`."""
    return field.metadata.get(_KEY)


def kind(annotation):
    """The type of a value, or of each of several; and whether it is these."""
    if isinstance(annotation, types.UnionType):
        (annotation,) = (
            kind
            for kind in typing.get_args(annotation)
            if kind is not types.NoneType
        )
    if typing.get_origin(annotation) is tuple:
        return typing.get_args(annotation)[0], True
    return annotation, False


def read(settings_class: type, texts: Mapping[str, str]) -> dict:
    """Values of the settings of a dataclass from the texts of flags.

    Args:
        settings_class: dataclass.
        texts: dict from names of flags, also of other flags, to what was
            given, "" for a flag that stands alone.

    Returns:
        dict from names of fields to values, of the flags that are there.
    """
    values = {}
    for field in dataclasses.fields(settings_class):
        known = of(field)
        text = None if known is None else texts.get(known.flag or field.name)
        if text is None:
            continue
        of_one, is_tuple = kind(field.type)
        if of_one is bool:
            values[field.name] = text.lower() in ("", "true", "1")
        elif is_tuple:
            values[field.name] = tuple(map(of_one, text.split(",")))
        else:
            values[field.name] = of_one(text)
    return values


def check(values) -> None:
    """Refuses a dataclass with a setting that is out of its bounds.

    Args:
        values: dataclass.

    Raises:
        ValueError: naming the first such field.
    """
    for field in dataclasses.fields(values):
        known = of(field)
        if known is not None:
            check_value(field.name, getattr(values, field.name), known)


def check_value(name: str, value, known: Setting) -> None:
    """Refuses a value that is out of the bounds of a setting.

    Args:
        name: str. The setting, as the message names it.
        value: what was given: one value, several, or None.
        known: Setting.

    Raises:
        ValueError: naming the setting.
    """
    several = isinstance(value, list | tuple)
    for each in value if several else [value]:
        broken = None if each is None else _broken_bound(each, known)
        if broken:
            raise ValueError(
                f"`{name}` must be {broken}. Received: {name}={each!r}"
            )


def _broken_bound(value, known):
    if isinstance(value, float) and not math.isfinite(value):
        if known.is_finite or math.isnan(value):
            return "a finite number" if known.is_finite else "a number"
    if known.choices is not None and value not in known.choices:
        return f"one of {tuple(known.choices)}"
    for bound, text, is_kept in (
        (known.at_least, "at least", lambda bound: value >= bound),
        (known.above, "more than", lambda bound: value > bound),
        (known.at_most, "at most", lambda bound: value <= bound),
        (known.below, "less than", lambda bound: value < bound),
    ):
        if bound is not None and not is_kept(bound):
            return f"{text} {bound}"
    return None


def matters(values, when: Mapping) -> bool:
    """Whether other fields are such that a setting has a part in anything.

    Args:
        values: dataclass.
        when: dict, as in `Setting`.
    """
    return all(
        bool(getattr(values, name))
        if allowed is True
        else getattr(values, name) in allowed
        for name, allowed in when.items()
    )


class Settings:
    """Base of frozen dataclasses of settings: checked, and JSON."""

    def __post_init__(self):
        check(self)

    def to_json(self) -> dict:
        """These settings as a dict of JSON types."""
        return dataclasses.asdict(self)
