"""Families by name: the one place that knows which there are."""

from ofa_aec_tf.families.cnn10 import Cnn10Family
from ofa_aec_tf.models.cnn10 import build_cnn10
from ofa_aec_tf.models.cnn10_supernet import Cnn10Supernet


def build_supernet(family, execution="slice"):
    """A supernet of a family, with fresh weights.

    Args:
        family: Cnn10Family.
        execution: `"slice"` or `"mask"`.

    Returns:
        Supernet.
    """
    _check(family)
    return Cnn10Supernet(family, execution, name="supernet")


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
    return build_cnn10(
        family.filters(subnet),
        family.num_classes,
        family.num_mel_bins,
        family.hidden_units,
        **options,
    )


def _check(family):
    if not isinstance(family, Cnn10Family):
        raise ValueError(
            "The families are: cnn10 (Cnn10Family). "
            f"Received: {type(family).__name__}"
        )
