"""Flags made of the fields of a dataclass."""

import dataclasses
import os

import pytest
from absl import flags

from ofa_aec_tf.checks import settings
from ofa_aec_tf.checks.settings import setting
from ofa_aec_tf.command_flags import setting_flags


@dataclasses.dataclass(frozen=True)
class _Rate(settings.Settings):
    rate: float = setting(0.5, "How fast, in Hz.", above=0, flag="rate_hz")
    steps: int = setting(3, "How often.", at_least=1, at_most=9)
    floor_db: float = setting(-9.0, "How low.", at_most=0, is_finite=False)


@dataclasses.dataclass(frozen=True)
class _Example(settings.Settings):
    data: str
    rate: _Rate = _Rate()
    mode: str = setting("plain", "Which.", choices=("plain", "fancy"))
    gain_db: float = setting(0.0, "Gain.", when={"mode": ("fancy",)})
    ratios: tuple[float, ...] = setting((0.5, 1.0), "Ratios.", above=0)
    size: int | None = setting(None, "Size, if any.", when={"loud": True})
    loud: bool = setting(False, "Whether it is loud.")
    path: str | None = setting(None, "Where.", is_path=True)
    paths: tuple[str, ...] = setting((), "From where.", is_path=True)
    budget: tuple[str, ...] = setting((), "A budget.", is_repeated=True)
    start: str = setting("none", "`none` or a file.", is_path_or_name=True)


@dataclasses.dataclass(frozen=True)
class _Required(settings.Settings):
    stage: str = setting(settings.REQUIRED, "Which.", choices=("a", "b"))
    step: int = setting(1, "How far.", when={"stage": ("b",)})


@dataclasses.dataclass(frozen=True)
class _Files(settings.Settings):
    folder: str | None = setting(None, "Where.", is_path=True)


@dataclasses.dataclass(frozen=True)
class _Table(_Files):
    column: str = setting("name", "Which.")


@dataclasses.dataclass(frozen=True)
class _Tree(_Files):
    depth: int = setting(1, "How far.", at_least=1)


@pytest.fixture
def parse(monkeypatch):
    own = flags.FlagValues()
    for name in ("bool", "integer", "float", "string"):
        define = getattr(flags, f"DEFINE_{name}")
        kind = {"bool": bool, "integer": int, "float": float, "string": str}
        monkeypatch.setitem(
            setting_flags._DEFINE,
            kind[name],
            lambda *a, define=define, **options: define(
                *a, flag_values=own, **options
            ),
        )
    for module, names in (
        (setting_flags.flags, ("DEFINE_multi_string", "DEFINE_list")),
        (setting_flags.flags, ("DEFINE_enum",)),
        (
            setting_flags.path_flags,
            ("define_path", "define_paths", "define_path_or_name"),
        ),
    ):
        for name in names:
            original = getattr(module, name)
            monkeypatch.setattr(
                module,
                name,
                lambda *a, original=original, **options: original(
                    *a, flag_values=own, **options
                ),
            )
    found = setting_flags.define(_Example)
    required = setting_flags.define(_Required)

    def parsed(*arguments, **others):
        own(["command", "--stage=a", *arguments])
        return found.values(data="d", **others)

    parsed.flags = own
    parsed.found = found
    parsed.required = required
    return parsed


def test_without_flags_it_is_the_default(parse):
    assert parse() == _Example("d")
    assert parse.found.given() == []


def test_flags_are_told_by_field(parse):
    parse("--rate_hz=2", "--mode=fancy", "--gain_db=-3")
    found = parse.found
    assert found.given_fields() == {"mode": "mode", "gain_db": "gain_db"}
    assert found.given() == ["mode", "gain_db", "rate_hz"]
    values = found.field_values()
    assert values["gain_db"] == -3
    assert values["rate"] == _Rate(2.0)
    assert "data" not in values


def test_each_type_is_parsed(parse):
    built = parse(
        "--rate_hz=2",
        "--steps=4",
        "--mode=fancy",
        "--gain_db=-3",
        "--ratios=0.25,1",
        "--loud",
        "--size=7",
        "--path=a/b",
        "--paths=a,b",
        "--budget=x:1,2",
        "--budget=y",
        "--start=~/x",
    )
    assert built == _Example(
        "d",
        _Rate(2.0, 4),
        "fancy",
        -3.0,
        (0.25, 1.0),
        7,
        True,
        "a/b",
        ("a", "b"),
        ("x:1,2", "y"),
        os.path.expanduser("~/x"),
    )
    assert "rate_hz" in parse.found.given()


def test_help_and_default_are_those_of_the_field(parse):
    parse()
    assert parse.flags["rate_hz"].help == "How fast, in Hz."
    assert parse.flags["rate_hz"].default == 0.5
    assert parse.flags["ratios"].default_as_str == "'0.5,1'"


@pytest.mark.parametrize(
    ("argument", "message"),
    [
        ("--rate_hz=0", "`rate_hz` must be more than 0"),
        ("--rate_hz=nan", "`rate_hz` must be a finite number"),
        ("--steps=0", "`steps` must be at least 1"),
        ("--floor_db=nan", "`floor_db` must be a number"),
        ("--floor_db=inf", "`floor_db` must be at most 0"),
        ("--steps=10", "`steps` must be at most 9"),
        ("--ratios=1,0", "`ratios` must be more than 0"),
        ("--ratios=1,x", "--ratios must be numbers"),
        ("--gain_db=1", "--gain_db is for --mode=fancy. Received: --gain_db=1"),
        ("--size=3", "--size is for --loud. Received: --size=3"),
    ],
)
def test_what_cannot_be_is_refused(parse, argument, message):
    with pytest.raises(ValueError) as error:
        parse(argument)
    assert message in str(error.value)


def test_a_value_in_the_place_of_a_flag(parse):
    assert parse("--steps=4", mode="fancy").mode == "fancy"


def test_a_setting_without_a_default_must_be_given(parse):
    with pytest.raises(flags.IllegalFlagValueError, match="--stage must have"):
        parse.flags(["command"])
    with pytest.raises(TypeError, match="stage"):
        _Required()


def test_what_does_not_matter_is_named_with_what_decides_it(parse):
    parse("--step=2")
    with pytest.raises(ValueError) as error:
        parse.required.values()
    assert str(error.value) == (
        "--step is for --stage=b. Received: --step=2, --stage=a"
    )
    parse("--stage=b", "--step=2")
    assert parse.required.values() == _Required("b", 2)


def test_a_setting_may_be_infinite(parse):
    assert parse("--floor_db=-inf").rate.floor_db == -float("inf")


def test_dataclasses_share_the_flags_of_fields_that_they_inherit(parse):
    shared = {}
    table = setting_flags.define(_Table, shared=shared)
    tree = setting_flags.define(_Tree, shared=shared)
    assert list(shared) == ["folder", "column", "depth"]
    assert table["folder"] is tree["folder"]
    parse("--folder=here", "--depth=3")
    assert table.values() == _Table("here", "name")
    assert tree.values() == _Tree("here", 3)
    assert tree.changed() == {"folder": "here", "depth": 3}
    assert table.changed() == {"folder": "here"}


def test_help_lists_shared_flags_with_the_module_of_their_field(parse):
    setting_flags.define(_Tree, shared={})
    assert {"folder", "depth"} <= {
        flag.name for flag in parse.flags.flags_by_module_dict()[__name__]
    }
