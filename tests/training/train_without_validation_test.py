"""Training on data of which no clips are for validation."""

import csv

import keras
import numpy as np
import pytest

from ofa_aec_tf.data.dataset_info import DatasetInfo
from ofa_aec_tf.data.input_pipeline import load_split
from tests.synthetic_data import write_dataset
from tests.training.training_runs import SMALL
from tests.training.training_runs import check_one_line_error
from tests.training.training_runs import run


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory):
    directory = tmp_path_factory.mktemp("data")
    write_dataset(directory, num_clips=(24, 0, 6))
    return directory


@pytest.mark.parametrize(
    ("stage", "more"),
    [
        ("teacher", ["--average_from_epoch=2"]),
        ("supernet", ["--label_weight=1", "--num_subnets=2"]),
    ],
    ids=["network", "supernet"],
)
def test_it_goes_on_without_and_says_so_once(data_dir, tmp_path, stage, more):
    result = run(
        f"--stage={stage}",
        f"--data_dir={data_dir}",
        f"--workdir={tmp_path}",
        *SMALL,
        *more,
    )
    assert result.returncode == 0, result.stderr
    assert result.stderr.count("training without validation") == 1
    with open(tmp_path / "history.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["epoch"] for row in rows] == ["0", "1", "2"]
    for row in rows:
        assert float(row["loss"]) > 0
        # Keras writes columns for a validation that may come yet.
        assert {row["val_loss"], row["val_label_loss"]} == {"NA"}
        assert "val_mAP" not in row
    assert (tmp_path / f"{stage}.keras").is_file()
    if stage == "teacher":
        model = keras.models.load_model(
            tmp_path / "teacher.keras", compile=False
        )
        assert model.output_shape == (None, 3)


def test_calibrated_statistics_are_of_clips_as_they_are(data_dir, tmp_path):
    result = run(
        "--stage=teacher",
        f"--data_dir={data_dir}",
        f"--workdir={tmp_path}",
        *SMALL,
        "--calibrate_batch_norm",
        "--num_calibration_clips=24",
    )
    assert result.returncode == 0, result.stderr
    clips, _, _ = load_split(data_dir, DatasetInfo.read(data_dir), "train")
    model = keras.models.load_model(tmp_path / "teacher.keras", compile=False)
    normalization = model.get_layer("input_bn")
    np.testing.assert_allclose(
        normalization.moving_mean, clips.mean((0, 1)), rtol=1e-4
    )
    # Means of batches differ little; mixed clips would vary by a third less.
    np.testing.assert_allclose(
        normalization.moving_variance, clips.var((0, 1)), rtol=0.15
    )


@pytest.mark.parametrize(
    "flag", ["--num_validation_clips=4", "--schedule=plateau"]
)
def test_what_needs_validation_clips_is_refused(data_dir, tmp_path, flag):
    result = run(
        "--stage=teacher",
        f"--data_dir={data_dir}",
        f"--workdir={tmp_path / 'run'}",
        flag,
        *SMALL,
    )
    name = flag.removesuffix("=4")
    check_one_line_error(result, f"{name} needs clips to validate on", "none")
    assert not (tmp_path / "run").exists()


def test_data_without_training_clips_are_refused(tmp_path):
    # Whoever trains on it, not whoever writes it, has made the mistake.
    dataset, _ = write_dataset(tmp_path, num_clips=(3, 0, 6))
    splits = {"test": dataset.splits["test"]}
    type(dataset)(**{**vars(dataset), "splits": splits}).write(tmp_path)
    result = run(
        "--stage=teacher",
        f"--data_dir={tmp_path}",
        f"--workdir={tmp_path / 'run'}",
        *SMALL,
    )
    check_one_line_error(result, "split='train'")
    assert not (tmp_path / "run").exists()
