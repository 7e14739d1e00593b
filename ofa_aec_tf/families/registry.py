"""The registry of families. Free of TensorFlow.

A family is a package with two modules: `family`, free of TensorFlow, with its
Family as `FAMILY`, and `builders` with its Builders as `BUILDERS`. They are
imported by name, so that search spaces and costs are known without TensorFlow
and nothing but the line below names a family.
"""

import importlib
from collections.abc import Mapping

from ofa_aec_tf.checks import json_kinds
from ofa_aec_tf.families.family import Family
from ofa_aec_tf.runs import workdir

# To add a family, add its package. The first one is the default.
PACKAGES = [
    "ofa_aec_tf.families.cnn10",
    "ofa_aec_tf.families.ast",
    "ofa_aec_tf.families.efficientnet",
]


def families() -> dict[str, type[Family]]:
    """The families by name."""
    found = (_family_of(package) for package in PACKAGES)
    return {family.name: family for family in found}


def _family_of(package):
    return importlib.import_module(f"{package}.family").FAMILY


def family_class(name: str | None = None) -> type[Family]:
    """A family by its name; None is the default.

    Raises:
        ValueError: if there is none of that name.
    """
    found = families()
    if name is None:
        return next(iter(found.values()))
    if name not in list(found):
        raise ValueError(
            f"The families are: {', '.join(found)}. Received: name={name!r}"
        )
    return found[name]


def builders_class(name: str) -> type:
    """The builders of a family; it imports TensorFlow.

    Args:
        name: str. Name of the family.

    Returns:
        A subclass of `families.builders.Builders`.

    Raises:
        ValueError: if there is no such family.
    """
    family = family_class(name)
    (package,) = (p for p in PACKAGES if _family_of(p) is family)
    return importlib.import_module(f"{package}.builders").BUILDERS


def family_from_json(values) -> Family:
    """The family that a model's record describes.

    Args:
        values: dict, as `Family.record` returns it.

    Raises:
        ValueError: if there is no family of that name, or its values are of
            other kinds.
    """
    if not isinstance(values, Mapping):
        raise ValueError(
            "A family is an object with its name and settings. Received: "
            f"{json_kinds.shortened(values)}"
        )
    values = dict(values)
    # None, which is no name, stands for the default elsewhere.
    name = values.pop("name", "")
    return family_class("" if name is None else name).from_json(values)


def elastic_names() -> list[str]:
    """Names of the families that have supernets."""
    return [name for name, one in families().items() if one.is_elastic]


def check_is_elastic(family: Family) -> None:
    """Refuses a family without a supernet.

    Raises:
        ValueError: if it is one network and has no subnets.
    """
    if not family.is_elastic:
        raise ValueError(
            "A supernet needs a family of several networks: "
            f"{', '.join(elastic_names())}. Received: {family.name}"
        )


def check_initial_weights(family: Family, source: str) -> None:
    """Refuses weights that no network of a family can start with.

    Args:
        family: Family.
        source: str, as for `networks.load_initial_weights`.

    Raises:
        ValueError: if they are of an image model, and the family takes none.
    """
    if family.image_weights is None and not workdir.has_record(source):
        others = [n for n, one in families().items() if one.image_weights]
        raise ValueError(
            f"A {family.title} starts with the --initial_weights of one that "
            "`train` has saved, with its record beside it. Networks that can "
            f"start with the weights of an image model: {', '.join(others)}. "
            f"Received: {source}"
        )
