"""Builds and loads the networks and supernets of any family."""

import pathlib

from ofa_aec_tf.families import registry
from ofa_aec_tf.families.builders import Builders
from ofa_aec_tf.families.family import Family
from ofa_aec_tf.models.keras_files import check_weights
from ofa_aec_tf.models.keras_files import load_keras_file
from ofa_aec_tf.models.supernet import Supernet
from ofa_aec_tf.runs import workdir


def builders(family: Family) -> Builders:
    """The builders of a family.

    Raises:
        ValueError: if the family is not registered.
    """
    return registry.builders_class(family.name)(family)


def build_network(family: Family, subnet=None, **options):
    """The plain network of a subnet, as `Builders.build_network`."""
    return builders(family).build_network(subnet, **options)


def build_supernet(family: Family, *arguments, **options):
    """A supernet of a family, as `ElasticBuilders.build_supernet`.

    Raises:
        ValueError: if the family has none.
    """
    registry.check_is_elastic(family)
    return builders(family).build_supernet(*arguments, **options)


def load_model(path):
    """Loads a plain network or a supernet of any family.

    Args:
        path: path of a `.keras` file.

    Returns:
        keras.Model, a Supernet where the file holds one.

    Raises:
        ValueError: as `load_keras_file`.
    """
    # Keras finds the classes of supernets once their modules are imported.
    for name in registry.elastic_names():
        registry.builders_class(name)
    return load_keras_file(path)


def load_supernet(path):
    """Loads a supernet that training has saved.

    Args:
        path: path of a `supernet.keras` file.

    Returns:
        Supernet, in float32.

    Raises:
        ValueError: if the file is missing or holds no supernet.
    """
    path = pathlib.Path(path)
    if not path.is_file():
        raise ValueError(
            f"There is no supernet at {path}. Train one with `python -m "
            "ofa_aec_tf.train --stage=supernet`."
        )
    model = load_model(path)
    if not isinstance(model, Supernet):
        raise ValueError(
            f"{path} holds a plain network, not a supernet. Name the "
            "`supernet.keras` of a `--stage=supernet` run."
        )
    return model


def load_initial_weights(network, family: Family, source: str, subnet=None):
    """Starts a network with weights learned from other clips or images.

    Args:
        network: keras.Model of the family, with any options of its builder.
        family: Family.
        source: str. The path of a model with a record beside it, or what the
            family's `image_weights` describes.
        subnet: Subnet that the network was built for; None is the largest.

    Raises:
        ValueError: if there are none, they are of another network, or they
            are NaN or infinite.
    """
    registry.check_initial_weights(family, source)
    own = builders(family)
    # Every layer by its name, as in what is saved.
    plain = own.to_plain_network(network, subnet)
    if workdir.has_record(source):
        own.load_trained_weights(plain, source)
    else:
        own.load_image_weights(plain, source)
    check_weights(plain, source, "Start with other --initial_weights.")
    network.set_weights(plain.get_weights())
