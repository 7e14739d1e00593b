import zipfile

import keras
import numpy as np
import pytest

from ofa_aec_tf.evaluation.keras_models import load_network
from ofa_aec_tf.families import networks
from ofa_aec_tf.families.cnn10.family import Cnn10Family


def test_loaded_network_is_the_saved_one_and_not_compiled(
    network, clips, tmp_path
):
    path = tmp_path / "subnet.keras"
    network.save(path)
    loaded = load_network(path)
    assert not loaded.compiled
    np.testing.assert_allclose(
        loaded.predict(clips, verbose=0),
        network.predict(clips, verbose=0),
        atol=1e-6,
    )


def test_missing_file_is_refused(tmp_path):
    with pytest.raises(ValueError, match="There is no model file .*no.keras"):
        load_network(tmp_path / "no.keras")


@pytest.mark.parametrize("content", [b"", b"text", b"PK\x03\x04"])
def test_broken_file_is_refused(tmp_path, content):
    path = tmp_path / "broken.keras"
    path.write_bytes(content)
    with pytest.raises(ValueError, match="cannot be loaded as a Keras model"):
        load_network(path)


def test_archive_without_a_model_is_refused(tmp_path):
    path = tmp_path / "other.keras"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("notes.txt", "nothing")
    with pytest.raises(ValueError, match="Keras reports: .*config.json"):
        load_network(path)


def test_supernet_is_refused_with_the_way_out(tmp_path):
    family = Cnn10Family(3, channels=(4, 4, 4, 4), hidden_units=4)
    supernet = networks.build_supernet(family)
    path = tmp_path / "supernet.keras"
    supernet.save(path)
    with pytest.raises(ValueError, match="ofa_aec_tf.materialize"):
        load_network(path)


def test_network_of_other_inputs_is_refused_naming_the_shapes(tmp_path):
    path = tmp_path / "image.keras"
    keras.Sequential([keras.Input((8,)), keras.layers.Dense(2)]).save(path)
    with pytest.raises(ValueError, match=r"from \(None, 8\) to \(None, 2\)"):
        load_network(path)
