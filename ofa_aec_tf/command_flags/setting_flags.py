"""Flags that are made of settings, the fields of a dataclass."""

import dataclasses
import typing

from absl import flags

from ofa_aec_tf.checks import settings
from ofa_aec_tf.command_flags import path_flags

# Flags then belong to the module that asks for them, which --help names.
flags.disclaim_key_flags()

_DEFINE = {
    bool: flags.DEFINE_bool,
    int: flags.DEFINE_integer,
    float: flags.DEFINE_float,
    str: flags.DEFINE_string,
}


class SettingFlags:
    """The flags of a dataclass.

    Args:
        settings_class: dataclass.
        holders: dict from names of its fields to absl FlagHolders.
        nested: dict from names of its fields that are dataclasses themselves
            to their SettingFlags.
    """

    def __init__(self, settings_class: type, holders: dict, nested: dict):
        self._class = settings_class
        self._holders = holders
        self._nested = nested

    def __getitem__(self, name: str) -> flags.FlagHolder:
        """The flag of a field."""
        return self._holders[name]

    def values(self, **others):
        """The dataclass that the flags describe.

        Args:
            **others: values of fields without a flag, or in the place of one.

        Raises:
            ValueError: if a value cannot be, or a flag is given that has no
                part in anything.
        """
        built = self._class(**{**self.field_values(), **others})
        self._check_all_matter(built)
        return built

    def field_values(self) -> dict:
        """The values that the flags give, by field.

        Raises:
            ValueError: if a flag whose name is not that of its field has a
                value that cannot be: users know the name of the flag alone.
        """
        values = {
            name: _value(self._class, name, holder)
            for name, holder in self._holders.items()
        }
        for field in dataclasses.fields(self._class):
            known = settings.of(field)
            if field.name in values and known.flag is not None:
                settings.check_value(known.flag, values[field.name], known)
        return values | {
            name: nested.values() for name, nested in self._nested.items()
        }

    def _check_all_matter(self, built):
        for field in dataclasses.fields(self._class):
            known = settings.of(field)
            holder = self._holders.get(field.name)
            if holder is None or not holder.present or known.when is None:
                continue
            if not settings.matters(built, known.when):
                raise ValueError(
                    f"--{holder.name} is for {self._when(known.when)}. "
                    f"Received: --{holder.name}={_text(holder)}"
                    f"{self._others(built, known.when)}"
                )

    def _flag(self, name):
        holder = self._holders.get(name)
        return f"--{name if holder is None else holder.name}"

    def _when(self, when):
        return " and ".join(
            self._flag(name)
            if allowed is True
            else f"{self._flag(name)}={'|'.join(map(str, allowed))}"
            for name, allowed in when.items()
        )

    def _others(self, built, when):
        """The flags that decide whether another one matters, as they are."""
        return "".join(
            f", {self._flag(name)}={getattr(built, name)}"
            for name, allowed in when.items()
            if allowed is not True
        )

    def given_fields(self) -> dict[str, str]:
        """Fields of this dataclass whose flags were given, with their flags."""
        return {
            name: holder.name
            for name, holder in self._holders.items()
            if holder.present
        }

    def given(self) -> list[str]:
        """Names of the flags that were given."""
        given = list(self.given_fields().values())
        for nested in self._nested.values():
            given += nested.given()
        return given

    def changed(self) -> dict:
        """Values of the flags that differ from their defaults, by flag name."""
        changed = {
            holder.name: holder.value
            for holder in self._holders.values()
            if holder.value != holder.default
        }
        for nested in self._nested.values():
            changed |= nested.changed()
        return changed


def define(
    settings_class: type,
    without: typing.Collection[str] = (),
    defaults: dict | None = None,
    shared: dict | None = None,
) -> SettingFlags:
    """Defines a flag for each setting of a dataclass.

    Fields that are dataclasses get those of theirs.

    Several dataclasses may inherit a field. Call this with the same `shared`
    dict for each of them, and they share its flag. `--help` then lists a flag
    with those of the module that declares its field, not of the caller.

    Args:
        settings_class: dataclass.
        without: names of fields that get no flag.
        defaults: dict from names of fields to defaults for this command in
            the place of the field's.
        shared: dict from names of fields to the FlagHolders that are defined
            already. New ones are added to it.

    Returns:
        SettingFlags.
    """
    holders, nested = {}, {}
    for field in dataclasses.fields(settings_class):
        if field.name in without:
            continue
        if dataclasses.is_dataclass(field.type):
            nested[field.name] = define(field.type, without, defaults, shared)
        elif shared is not None and field.name in shared:
            holders[field.name] = shared[field.name]
        elif settings.of(field) is not None:
            default = (defaults or {}).get(field.name, field.default)
            options = {}
            if shared is not None:
                options["module_name"] = _module(settings_class, field.name)
            holder = _define(field, settings.of(field), default, options)
            holders[field.name] = holder
            if shared is not None:
                shared[field.name] = holder
    return SettingFlags(settings_class, holders, nested)


def _module(settings_class, name):
    """The module of the class that declares a field."""
    return next(
        each.__module__
        for each in settings_class.__mro__
        if name in vars(each).get("__annotations__", {})
    )


def _define(field, known, default, options):
    kind, is_tuple = settings.kind(field.type)
    name = known.flag or field.name
    if default is settings.REQUIRED:
        default, options = None, {**options, "required": True}
    if is_tuple or known.is_repeated:
        default = _texts(default)
    if known.is_path_or_name:
        define_flag = path_flags.define_path_or_name
    elif known.is_path:
        define_flag = (
            path_flags.define_paths if is_tuple else path_flags.define_path
        )
    elif known.is_repeated:
        define_flag = flags.DEFINE_multi_string
    elif is_tuple:
        define_flag = flags.DEFINE_list
    elif known.choices is not None and kind is str:
        choices = list(known.choices)
        return flags.DEFINE_enum(name, default, choices, known.help, **options)
    else:
        define_flag = _DEFINE[kind]
    return define_flag(name, default, known.help, **options)


def _texts(values):
    return None if values is None else [_plain(value) for value in values]


def _plain(value):
    return f"{value:g}" if isinstance(value, float) else str(value)


def _value(settings_class, name, holder):
    """What a flag gives its field: tuples for lists."""
    (field,) = (
        field
        for field in dataclasses.fields(settings_class)
        if field.name == name
    )
    kind, is_tuple = settings.kind(field.type)
    if not is_tuple or holder.value is None:
        return holder.value
    try:
        return tuple(kind(value) for value in holder.value)
    except ValueError:
        raise ValueError(
            f"--{holder.name} must be numbers with commas between them. "
            f"Received: {_text(holder)}"
        ) from None


def _text(holder):
    if isinstance(holder.value, list):
        return ",".join(map(str, holder.value))
    return str(holder.value)
