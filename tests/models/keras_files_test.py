"""Files of models: whole, and with numbers that are numbers, or refused."""

import keras
import numpy as np
import pytest
import soundfile

from ofa_aec_tf.checks.finite import NotFiniteError
from ofa_aec_tf.data.model_info import ModelInfo
from ofa_aec_tf.families import networks
from ofa_aec_tf.families.cnn10.family import Cnn10Family
from ofa_aec_tf.models.keras_files import load_keras_file
from ofa_aec_tf.models.keras_files import save_keras_file
from tests import commands
from tests.synthetic_data import write_dataset


def make_model():
    return keras.Sequential([keras.layers.Input((2,)), keras.layers.Dense(3)])


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_numbers_that_are_none_are_neither_saved_nor_loaded(tmp_path, value):
    model = make_model()
    path = tmp_path / "model.keras"
    save_keras_file(model, path)
    before = path.read_bytes()
    kernel = np.zeros((2, 3), np.float32)
    kernel[1, 2] = value
    model.set_weights([kernel, np.zeros(3, np.float32)])
    with pytest.raises(NotFiniteError) as error:
        save_keras_file(model, path)
    assert str(error.value).startswith(
        f"What was to be {path} holds numbers that are not finite, NaN or "
        f"infinity, in {model.weights[0].path}. Nothing was saved."
    )
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["model.keras"]
    model.save(path)
    with pytest.raises(NotFiniteError, match=f"{path} holds numbers that are"):
        load_keras_file(path)


def test_the_largest_numbers_are_numbers(tmp_path):
    model = make_model()
    largest = np.finfo(np.float32).max
    model.set_weights([np.full((2, 3), largest), np.full(3, -largest)])
    save_keras_file(model, tmp_path / "model.keras")
    loaded = load_keras_file(tmp_path / "model.keras")
    assert (loaded.get_weights()[0] == largest).all()


def test_on_a_full_disk_the_file_before_stays(tmp_path):
    path = tmp_path / "model.keras"
    save_keras_file(make_model(), path)
    before = path.read_bytes()

    class OnAFullDisk:
        weights = ()

        def save(self, path):
            path.write_bytes(before[:100])
            raise OSError(28, "No space left on device")

    with pytest.raises(OSError) as error:
        save_keras_file(OnAFullDisk(), path)
    assert f"{path} cannot be written" in str(error.value)
    assert "No space left on device" in str(error.value)
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["model.keras"]


@pytest.fixture(scope="module")
def spoiled(tmp_path_factory):
    """Directory of data, a WAV file, and models with one weight of NaN."""
    directory = tmp_path_factory.mktemp("spoiled")
    dataset, _ = write_dataset(directory)
    family = Cnn10Family(3, channels=(6, 8, 10, 12), hidden_units=16)
    record = family.record()
    subnet = dict(family.search_space().largest())
    for name, model, details in (
        ("network", networks.build_network(family), {"subnet": subnet}),
        ("supernet", networks.build_supernet(family), {"stage": "supernet"}),
    ):
        variable = model.trainable_weights[-1]
        variable.assign(np.full(variable.shape, np.nan))
        path = directory / f"{name}.keras"
        model.save(path)
        ModelInfo.for_dataset(dataset, family=record, **details).write(path)
    rate = dataset.frontend.sample_rate_hz
    soundfile.write(directory / "noise.wav", np.zeros(rate), rate)
    return directory


@pytest.mark.parametrize(
    ("command", "name", "arguments"),
    [
        ("evaluate", "network", ["--data_dir=.", "--model=network.keras"]),
        ("predict", "network", ["--model=network.keras", "noise.wav"]),
        (
            "export",
            "network",
            ["--model=network.keras", "--data_dir=.", "--output_dir=out"],
        ),
        (
            "choose_thresholds",
            "network",
            ["--data_dir=.", "--model=network.keras"],
        ),
        (
            "materialize",
            "supernet",
            ["--supernet=supernet.keras", "--data_dir=.", "--workdir=out"]
            + ["--subnet=largest"],
        ),
        (
            "search",
            "supernet",
            ["--supernet=supernet.keras", "--data_dir=.", "--workdir=out"],
        ),
    ],
)
def test_every_command_refuses_it_in_one_line(
    spoiled, command, name, arguments
):
    result = commands.run(f"ofa_aec_tf.{command}", *arguments, cwd=spoiled)
    assert result.returncode == 2, result.stderr
    (line,) = [
        line
        for line in result.stderr.splitlines()
        if line.startswith("error: ")
    ]
    assert line.startswith(
        f"error: {name}.keras holds numbers that are not finite"
    )
    assert "Traceback" not in result.stderr
    assert not list(spoiled.rglob("out/*.keras"))
    assert not list(spoiled.rglob("*.tflite"))
