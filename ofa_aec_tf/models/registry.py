"""Families by name: the one place that knows which there are."""

from ofa_aec_tf.families.cnn10 import Cnn10Family
from ofa_aec_tf.models.cnn10 import build_cnn10_subnet
from ofa_aec_tf.models.cnn10 import build_cnn10_with_filters
from ofa_aec_tf.models.cnn10_supernet import Cnn10Supernet


def family_from_json(values):
    """The family that a model's record describes.

    Args:
        values: dict of the family's `to_json`, with its `name`.

    Raises:
        ValueError: if there is no family of that name.
    """
    values = dict(values)
    name = values.pop("name", None)
    if name != Cnn10Family.name:
        raise ValueError(
            f"The families are: {Cnn10Family.name}. Received: name={name!r}"
        )
    return Cnn10Family.from_json(values)


def build_supernet(family, execution="slice", algorithm="auto", dtype=None):
    """A supernet of a family, with fresh weights.

    Args:
        family: Cnn10Family.
        execution: `"slice"` or `"mask"`.
        algorithm: how convolutions compute, as in ElasticConv2D.
        dtype: str. The dtype policy; None is the global one.

    Returns:
        Supernet.
    """
    _check(family)
    return Cnn10Supernet(
        family, execution, algorithm, dtype=dtype, name="supernet"
    )


def build_network(family, subnet=None, **options):
    """The plain Keras model of a subnet, with fresh weights.

    Args:
        family: Cnn10Family.
        subnet: Subnet of its space; None is the largest.
        **options: further arguments of the family's builder.

    Returns:
        keras.Model.
    """
    _check(family)
    return build_cnn10_subnet(family, subnet, **options)


def build_network_with_filters(family, filters, **options):
    """A plain Keras model of a subnet's structure with other filters.

    Args:
        family: Cnn10Family.
        filters: nested sequences of int, as `family.filters` gives them for a
            subnet; of any number.
        **options: further arguments of the family's builder.

    Returns:
        keras.Model, with fresh weights.
    """
    _check(family)
    return build_cnn10_with_filters(family, filters, **options)


def _check(family):
    if not isinstance(family, Cnn10Family):
        raise ValueError(
            "The families are: cnn10 (Cnn10Family). "
            f"Received: {type(family).__name__}"
        )
