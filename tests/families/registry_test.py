"""The registry: families by name, without TensorFlow."""

import pathlib
import subprocess
import sys

import pytest

import ofa_aec_tf.families
from ofa_aec_tf.families import networks
from ofa_aec_tf.families import registry
from ofa_aec_tf.families.builders import Builders
from ofa_aec_tf.families.builders import ElasticBuilders
from ofa_aec_tf.families.family import ElasticFamily
from ofa_aec_tf.families.family import Family
from tests.families.toy.family import ToyFamily

_DIRECTORY = pathlib.Path(ofa_aec_tf.families.__file__).parent


def test_every_package_is_registered_by_one_line():
    packages = {
        f"ofa_aec_tf.families.{path.parent.name}"
        for path in _DIRECTORY.glob("*/family.py")
    }
    assert set(registry.PACKAGES) == packages
    text = (_DIRECTORY / "registry.py").read_text()
    for package in packages:
        assert text.count(package) == 1


@pytest.mark.parametrize("name", registry.families())
def test_a_family_and_its_builders_agree(name):
    family = registry.family_class(name)
    builders = registry.builders_class(name)
    assert family.name == name
    assert issubclass(family, Family)
    assert issubclass(builders, Builders)
    assert family.is_elastic == issubclass(family, ElasticFamily)
    assert family.is_elastic == issubclass(builders, ElasticBuilders)
    overridden = builders.load_image_weights != Builders.load_image_weights
    assert overridden == (family.image_weights is not None)


def test_the_default_is_cnn10():
    assert registry.family_class().name == "cnn10"


def test_an_unknown_family_is_named_with_the_known_ones():
    with pytest.raises(ValueError, match="cnn10, ast, .*Received: name='toy'"):
        networks.build_network(ToyFamily(3))


def test_families_are_known_without_tensorflow():
    program = (
        "import sys; from ofa_aec_tf.families import registry; "
        "registry.families(); assert 'tensorflow' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", program], check=True)
