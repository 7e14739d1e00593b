"""Logits that are stored, and a student of them, run as a user does."""

import csv
import json

import numpy as np
import pytest

from ofa_aec_tf.data import input_pipeline
from ofa_aec_tf.data import stored_logits
from ofa_aec_tf.data.dataset_info import DatasetInfo
from ofa_aec_tf.data.model_info import ModelInfo
from ofa_aec_tf.data.stored_logits import StoredLogits
from ofa_aec_tf.training.teachers import load_teacher
from tests import commands
from tests.training.training_runs import SMALL
from tests.training.training_runs import check_one_line_error

AUGMENTATION = ("--time_roll", "--gain_db=3")
TRAINING = [flag for flag in SMALL if "mixup" not in flag]


def train(*arguments):
    return commands.run("ofa_aec_tf.train", *arguments)


def store(teachers, data_dir, directory, *arguments):
    return commands.run(
        "ofa_aec_tf.store_logits",
        f"--teacher={','.join(map(str, teachers))}",
        f"--data_dir={data_dir}",
        f"--workdir={directory}",
        "--num_views=2",
        "--seed=3",
        "--batch_size=7",
        *AUGMENTATION,
        *arguments,
    )


@pytest.fixture(scope="module")
def teachers(data_dir, tmp_path_factory):
    paths = []
    for seed in range(2):
        directory = tmp_path_factory.mktemp(f"teacher{seed}")
        result = train(
            "--stage=teacher",
            f"--data_dir={data_dir}",
            f"--workdir={directory}",
            f"--seed={seed}",
            *TRAINING,
        )
        assert result.returncode == 0, result.stderr
        paths.append(directory / "teacher.keras")
    return paths


@pytest.fixture(scope="module")
def stored(teachers, data_dir, tmp_path_factory):
    directory = tmp_path_factory.mktemp("stored")
    result = store(teachers, data_dir, directory)
    assert result.returncode == 0, result.stderr
    return directory


def student(stored, data_dir, directory, *arguments):
    return train(
        "--stage=kd",
        f"--stored_logits={stored}",
        f"--data_dir={data_dir}",
        f"--workdir={directory}",
        *TRAINING,
        *arguments,
    )


def test_stored_logits_are_what_the_teachers_say_of_the_batch(
    stored, teachers, data_dir
):
    dataset = DatasetInfo.read(data_dir)
    logits = StoredLogits(stored)
    networks = [
        load_teacher(path, ModelInfo.read(path).details) for path in teachers
    ]
    batches = input_pipeline.make_train_dataset(
        data_dir,
        dataset,
        8,
        0,
        6,
        0,
        logits.views.augmentation,
        stored=logits,
    )
    for batch in batches:
        assert batch["is_taught"].numpy().all()
        for number, network in enumerate(networks):
            np.testing.assert_allclose(
                batch["teacher_logits"][:, number],
                network(batch["log_mel"]),
                atol=1e-4,
            )


def test_a_student_learns_from_what_is_stored(stored, data_dir, tmp_path):
    result = student(stored, data_dir, tmp_path, *AUGMENTATION)
    assert result.returncode == 0, result.stderr
    with (tmp_path / "history.csv").open() as file:
        epochs = list(csv.DictReader(file))
    assert float(epochs[-1]["loss"]) < float(epochs[0]["loss"])
    assert float(epochs[0]["taught_share"]) == 1
    identity = json.loads((tmp_path / "run.json").read_text())["identity"]
    assert identity["stored_logits"] and identity["teacher"] == []


def test_a_supernet_learns_though_some_clips_are_missing(
    stored, data_dir, tmp_path
):
    ids_path = stored / "ids.json"
    text = ids_path.read_text()
    ids = json.loads(text)
    ids_path.write_text(json.dumps(["gone"] * 10 + ids[10:]))
    try:
        result = train(
            "--stage=supernet",
            f"--stored_logits={stored}",
            f"--data_dir={data_dir}",
            f"--workdir={tmp_path}",
            "--label_weight=0.5",
            *TRAINING,
            *AUGMENTATION,
        )
    finally:
        ids_path.write_text(text)
    assert result.returncode == 0, result.stderr
    with (tmp_path / "history.csv").open() as file:
        shares = [float(row["taught_share"]) for row in csv.DictReader(file)]
    assert 0 < np.mean(shares) < 1


def test_a_store_that_was_cut_off_goes_on(stored, teachers, data_dir):
    paths = [stored_logits.view_path(stored, view) for view in range(2)]
    before = [path.read_bytes() for path in paths]
    record = (stored / stored_logits.FILE_NAME).read_text()
    paths[1].unlink()
    (stored / stored_logits.FILE_NAME).unlink()
    result = store(teachers, data_dir, stored)
    assert result.returncode == 0, result.stderr
    assert [path.read_bytes() for path in paths] == before
    assert (stored / stored_logits.FILE_NAME).read_text() == record
    written = [path.stat().st_mtime_ns for path in paths]
    finished = store(teachers, data_dir, stored)
    assert finished.returncode == 0
    assert [path.stat().st_mtime_ns for path in paths] == written
    other = store(teachers[:1], data_dir, stored)
    check_one_line_error(other, "holds another run", "teachers was")


def test_what_cannot_be_learned_from_is_refused(stored, data_dir, tmp_path):
    result = student(stored, data_dir, tmp_path)
    check_one_line_error(
        result, "must get the same input", "time_roll=True", "time_roll=False"
    )
    result = student(tmp_path, data_dir, tmp_path, *AUGMENTATION)
    check_one_line_error(result, "There are no complete stored logits")
    result = student(
        stored, data_dir, tmp_path, *AUGMENTATION, "--teacher=a.keras"
    )
    check_one_line_error(result, "either a --teacher or --stored_logits")
    result = student(
        stored, data_dir, tmp_path, *AUGMENTATION, "--label_weight=1"
    )
    check_one_line_error(result, "a label weight of 1")
