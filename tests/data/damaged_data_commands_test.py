"""What commands make of a damaged record, run as a user runs them."""

import json

import pytest

from ofa_aec_tf.data.model_info import ModelInfo
from ofa_aec_tf.families.cnn10.network import build_cnn10
from tests import commands
from tests.nas.small_supernet import save_supernet
from tests.synthetic_data import damage
from tests.synthetic_data import write_dataset

# Every run starts TensorFlow, which takes seconds.
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """A data set with a damaged record in every split, and models of it."""
    directory = tmp_path_factory.mktemp("data")
    info, _ = write_dataset(directory)
    for split in info.splits.values():
        damage(directory / split.shards[1].file, 4000)
    models = tmp_path_factory.mktemp("models")
    save_supernet(models / "supernet.keras", info)
    network = build_cnn10(((4,), (4,), (8,), (8,)), 3, hidden_units=16)
    network.save(models / "subnet.keras")
    ModelInfo.for_dataset(info, stage="scratch").write(models / "subnet.keras")
    return directory, models


def _run(command, *arguments):
    return commands.run(f"ofa_aec_tf.{command}", *arguments)


def _arguments(command, data, workdir):
    directory, models = data
    network, supernet = models / "subnet.keras", models / "supernet.keras"
    return {
        "train": [
            "--stage=scratch",
            "--channels=4,4,8,8",
            "--hidden_units=8",
            "--batch_size=8",
            "--num_steps=8",
            "--steps_per_epoch=4",
            "--sampling=class_balanced",
            "--gain_db=3",
            f"--workdir={workdir}",
        ],
        "evaluate": [f"--model={network}"],
        "search": [
            f"--supernet={supernet}",
            f"--workdir={workdir}",
            "--num_calibration_clips=24",
            "--budget=small:parameters<=2.2k",
        ],
        "materialize": [
            f"--supernet={supernet}",
            f"--workdir={workdir}",
            "--subnet=smallest",
        ],
        "export": [
            f"--model={network}",
            f"--output_dir={workdir}",
            "--modes=float32",
            "--evaluate_split=test",
            "--max_map_drop=1",
        ],
    }[command] + [f"--data_dir={directory}"]


_COMMANDS = ("train", "evaluate", "search", "materialize", "export")


@pytest.mark.parametrize("command", _COMMANDS)
def test_a_damaged_record_ends_a_command_in_one_line(data, command, tmp_path):
    result = _run(command, *_arguments(command, data, tmp_path / "run"))
    assert result.returncode == 2, result.stderr
    errors = [line for line in result.stderr.splitlines() if "damaged" in line]
    assert len(errors) == 1, result.stderr
    assert errors[0] == result.stderr.splitlines()[-1]
    assert errors[0].startswith(f"error: {data[0]}/")
    assert "-00001-of-00002.tfrecord: the record at byte 0 is" in errors[0]
    assert "its data checksum is wrong" in errors[0]
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize("command", _COMMANDS)
def test_damaged_records_can_be_left_out(data, command, tmp_path):
    result = _run(
        command,
        "--skip_corrupt",
        *_arguments(command, data, tmp_path / "run"),
    )
    assert result.returncode == 0, result.stderr
    split, count = {
        "train": ("train", 24),
        "evaluate": ("test", 12),
        "search": ("validation", 12),
        "materialize": ("train", 24),
        "export": ("test", 12),
    }[command]
    assert (
        f"1 of {count} records of the split {split} are damaged and skipped"
        in result.stderr
    )
    if command == "train":
        record = json.loads((tmp_path / "run" / "run.json").read_text())
        config = record["identity"]["config"]
        assert config["skip_corrupt"] is True
        assert config["sampling"] == "class_balanced"
        assert config["augmentation"]["gain_db"] == 3.0
    if command == "evaluate":
        assert result.stdout.splitlines()[1].split()[-1] == "11"
