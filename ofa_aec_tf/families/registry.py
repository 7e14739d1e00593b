"""Families by name: the one place that knows which there are."""

import functools
from collections.abc import Mapping

from ofa_aec_tf.checks import json_kinds
from ofa_aec_tf.families import imagenet
from ofa_aec_tf.families.ast.family import AstFamily
from ofa_aec_tf.families.ast.network import build_ast
from ofa_aec_tf.families.cnn10.family import Cnn10Family
from ofa_aec_tf.families.cnn10.network import build_cnn10_subnet
from ofa_aec_tf.families.cnn10.network import build_cnn10_with_filters
from ofa_aec_tf.families.cnn10.supernet import Cnn10Supernet
from ofa_aec_tf.families.efficientnet.family import EfficientNetFamily
from ofa_aec_tf.families.efficientnet.network import build_efficientnet
from ofa_aec_tf.models import transfer
from ofa_aec_tf.models.keras_files import check_weights
from ofa_aec_tf.runs import workdir

# Families, and what builds the networks of each.
_BUILDERS = {
    Cnn10Family: build_cnn10_subnet,
    AstFamily: build_ast,
    EfficientNetFamily: build_efficientnet,
}
# What starts a network with weights that were trained on images.
_IMAGENET_LOADERS = {
    AstFamily: imagenet.load_ast_weights,
    EfficientNetFamily: imagenet.load_efficientnet_weights,
}


def family_from_json(values):
    """The family that a model's record describes.

    Args:
        values: dict of the family's `to_json`, with its `name`.

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
    name = values.pop("name", None)
    families = {family.name: family for family in _BUILDERS}
    if name not in list(families):
        raise ValueError(
            f"The families are: {', '.join(families)}. Received: name={name!r}"
        )
    return families[name].from_json(values)


def check_is_elastic(family):
    """Refuses a family without a supernet.

    Args:
        family: the model family.

    Raises:
        ValueError: if it is one network and has no subnets.
    """
    if not isinstance(family, Cnn10Family):
        raise ValueError(
            "A supernet needs a family of several networks: "
            f"{Cnn10Family.name}. Received: {_name(family)}"
        )


def has_twins(family):
    """Whether builders of a family let other layers compute the same.

    Args:
        family: the model family.
    """
    return isinstance(family, Cnn10Family)


def build_supernet(family, execution="slice", algorithm="auto", dtype=None):
    """A supernet of a family, with fresh weights.

    Args:
        family: Cnn10Family.
        execution: `"slice"` or `"mask"`.
        algorithm: how convolutions compute, as in ElasticConv2D.
        dtype: str. The dtype policy; None is the global one.

    Returns:
        Supernet.

    Raises:
        ValueError: if the family has none.
    """
    check_is_elastic(family)
    return Cnn10Supernet(
        family, execution, algorithm, dtype=dtype, name="supernet"
    )


def build_network(family, subnet=None, **options):
    """The plain Keras model of a subnet, with fresh weights.

    Args:
        family: the model family.
        subnet: Subnet of its space; None is the largest.
        **options: further arguments of the family's builder.

    Returns:
        keras.Model.
    """
    if type(family) not in _BUILDERS:
        raise ValueError(
            "The families are: "
            f"{', '.join(family.name for family in _BUILDERS)}. "
            f"Received: {_name(family)}"
        )
    return _BUILDERS[type(family)](family, subnet, **options)


def build_network_with_filters(family, filters, **options):
    """A plain Keras model of a subnet's structure with other filters.

    Args:
        family: Cnn10Family.
        filters: nested sequences of int, as `family.filters` gives them for a
            subnet; of any number.
        **options: further arguments of the family's builder.

    Returns:
        keras.Model, with fresh weights.

    Raises:
        ValueError: if the family has no subnets.
    """
    check_is_elastic(family)
    return build_cnn10_with_filters(family, filters, **options)


def load_initial_weights(network, family, source, subnet=None):
    """Gives a network weights that were trained on other clips, or on images.

    Args:
        network: keras.Model of the family, with any options of its builder.
        family: the model family.
        source: str. The path of a model with a record beside it, as in
            `transfer`, or as in the functions of `imagenet`.
        subnet: Subnet, or None where the family has one network.

    Raises:
        ValueError: if there are none, they are of another network, or they
            are NaN or infinite.
    """
    if workdir.has_record(source):
        load = transfer.load_trained_weights
    elif type(family) in _IMAGENET_LOADERS:
        load = functools.partial(_IMAGENET_LOADERS[type(family)], family=family)
    else:
        raise ValueError(
            "Networks that can start with the weights of an image model: "
            f"{', '.join(family.name for family in _IMAGENET_LOADERS)}. "
            f"Received: {_name(family)}"
        )
    # Every layer by its name, as in what is saved.
    plain = build_network(family, subnet)
    plain.set_weights(network.get_weights())
    load(plain, source=source)
    check_weights(plain, source, "Start with other --initial_weights.")
    network.set_weights(plain.get_weights())


def _name(family):
    return getattr(family, "name", type(family).__name__)
