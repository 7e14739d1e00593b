"""Every check of a training, through `train`, by what no other check refuses.

Beside the tests here, of the flags that a stage, schedule or loss ignores:

    inputs.check_data          train_without_validation_test
    inputs.check_model         here, train_further_test, and train_command_test
                               for a teacher of other data
    TrainInputs, check_loss    here and train_command_test; with stored logits
                               store_logits_command_test
    train._recorded            here; of other settings train_command_test,
                               network_command_test and train_further_test
    StoredLogits, its check    here and store_logits_command_test
    network_flags              network_command_test, train_further_test
    checkpoints, save and load diverging_train_test
    TrainConfig and its parts  config_test, optimization_test, losses_test
    callbacks.Plateau          here
"""

import dataclasses
import json
import shutil

import numpy as np
import pytest

from ofa_aec_tf.data.dataset_info import DatasetInfo
from ofa_aec_tf.data.dataset_info import ShardInfo
from ofa_aec_tf.data.dataset_info import SplitInfo
from ofa_aec_tf.data.model_info import ModelInfo
from ofa_aec_tf.data.records import RecordFileWriter
from ofa_aec_tf.data.records import encode_record
from tests import commands
from tests.synthetic_data import make_clip
from tests.synthetic_data import write_dataset
from tests.training.training_runs import TINY
from tests.training.training_runs import check_error
from tests.training.training_runs import check_one_line_error
from tests.training.training_runs import run


def train(stage, data_dir, directory, *arguments):
    return run(
        f"--stage={stage}",
        f"--data_dir={data_dir}",
        f"--workdir={directory}",
        *TINY,
        *arguments,
    )


@pytest.fixture(scope="module")
def stored(data_dir, models, tmp_path_factory):
    directory = tmp_path_factory.mktemp("stored")
    result = commands.run(
        "ofa_aec_tf.store_logits",
        f"--teacher={models['teacher']}",
        f"--data_dir={data_dir}",
        f"--workdir={directory}",
        "--num_views=1",
    )
    assert result.returncode == 0, result.stderr
    return directory


# What is given, changes nothing, and is no mistake that another check finds.
@pytest.mark.parametrize(
    ("stage", "flag", "parts"),
    [
        ("scratch", "--teacher=x", ["--stage=supernet|kd|finetune"]),
        ("scratch", "--stored_logits=x", ["--stage=supernet|kd|finetune"]),
        ("supernet", "--subnet=smallest", ["--stage=teacher|kd|scratch"]),
        ("supernet", "--initial_weights=x", ["--stage=teacher|kd|scratch"]),
        ("scratch", "--num_subnets=2", ["--stage=supernet"]),
        ("scratch", "--sampling_rule=sandwich", ["--stage=supernet"]),
        ("scratch", "--largest_steps=0", ["--stage=supernet"]),
        ("supernet", "--block_dropout=0.1", ["--stage=teacher|kd|scratch"]),
        ("supernet", "--head_dropout=0.1", ["--stage=teacher|kd|scratch"]),
        ("supernet", "--calibrate_batch_norm", ["--stage=teacher|kd|scratch"]),
        ("scratch", "--decay_factor=0.3", ["--schedule=step|plateau"]),
        ("scratch", "--decay_start_epoch=3", ["--schedule=step"]),
        ("scratch", "--decay_every_epochs=3", ["--schedule=step"]),
        ("scratch", "--plateau_patience=3", ["--schedule=plateau"]),
        ("scratch", "--temperature=2", ["has no part", "label weight of 1"]),
    ],
)
def test_what_would_be_ignored_is_refused(
    stage, flag, parts, data_dir, tmp_path
):
    more = ["--label_weight=1"] if stage == "supernet" else []
    result = train(stage, data_dir, tmp_path / "run", flag, *more)
    name = flag.partition("=")[0]
    check_one_line_error(result, name, *parts)
    assert not (tmp_path / "run").exists()


def test_smoothing_without_labels_is_refused(models, data_dir, tmp_path):
    result = train(
        "kd",
        data_dir,
        tmp_path / "run",
        f"--teacher={models['teacher']}",
        "--label_smoothing=0.1",
    )
    check_one_line_error(
        result, "--label_smoothing has no part", "label weight of 0"
    )


def test_there_is_one_kind_of_teacher(models, stored, data_dir, tmp_path):
    result = train(
        "kd",
        data_dir,
        tmp_path / "run",
        f"--teacher={models['teacher']}",
        f"--stored_logits={stored}",
    )
    check_one_line_error(result, "either a --teacher or --stored_logits")


@pytest.mark.parametrize("weight", ["1", "0.5"])
def test_teacher_and_label_weight_go_together(
    models, data_dir, tmp_path, weight
):
    more = [f"--teacher={models['teacher']}"] if weight == "1" else []
    result = train(
        "kd", data_dir, tmp_path / "run", f"--label_weight={weight}", *more
    )
    check_one_line_error(
        result, "Distillation needs a --teacher", f"a label weight of {weight}"
    )
    assert not (tmp_path / "run").exists()


def test_fine_tuning_needs_a_start(data_dir, tmp_path):
    result = train("finetune", data_dir, tmp_path / "run")
    check_one_line_error(result, "--stage=finetune needs --initial")


def test_a_supernet_teaches_nothing(models, data_dir, tmp_path):
    result = train(
        "kd", data_dir, tmp_path / "run", f"--teacher={models['supernet']}"
    )
    check_one_line_error(
        result, f"{models['supernet']} is a supernet", "materialize"
    )
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("flag", ["--teacher", "--initial", "--subnet"])
def test_a_model_of_other_classes_is_refused(models, data_dir, tmp_path, flag):
    # Of the same number and length: nothing but their names differs.
    info = ModelInfo.read(models["teacher"])
    path = shutil.copy(models["teacher"], tmp_path / "other.keras")
    class_map = dataclasses.replace(info.class_map, names=("a", "b", "c"))
    dataclasses.replace(info, class_map=class_map).write(path)
    if flag == "--subnet":
        path = path.with_suffix(".json")
    stage = {"--teacher": "kd"}.get(flag, "scratch")
    result = train(stage, data_dir, tmp_path / "run", f"{flag}={path}")
    check_one_line_error(result, "The classes of the model", "train again")
    assert not (tmp_path / "run").exists()


def test_a_start_whose_record_names_no_subnet_is_refused(
    models, data_dir, tmp_path
):
    info = ModelInfo.read(models["teacher"])
    path = shutil.copy(models["teacher"], tmp_path / "other.keras")
    details = {k: v for k, v in info.details.items() if k != "subnet"}
    dataclasses.replace(info, details=details).write(path)
    result = train("finetune", data_dir, tmp_path / "run", f"--initial={path}")
    check_one_line_error(result, f"The record of {path} names no subnet")


def test_clips_that_are_too_short_are_refused(tmp_path):
    data_dir = tmp_path / "data"
    data_dir.mkdir()
    write_dataset(data_dir, clip_seconds=0.1)
    result = train("scratch", data_dir, tmp_path / "run")
    check_one_line_error(result, "frames. Received: num_frames=11")
    assert not (tmp_path / "run").exists()


def test_a_softmax_needs_one_class_a_clip(data_dir, tmp_path):
    result = train(
        "scratch", data_dir, tmp_path / "run", "--score_activation=softmax"
    )
    check_one_line_error(result, "is for data with one class a clip")


def test_stored_logits_of_other_data_are_refused(stored, data_dir, tmp_path):
    # The same ids, of other sounds.
    other = tmp_path / "data"
    other.mkdir()
    write_dataset(other, seed=1)
    result = train("kd", other, tmp_path / "run", f"--stored_logits={stored}")
    check_one_line_error(
        result, "are of the data", DatasetInfo.read(other).fingerprint
    )


@pytest.mark.parametrize(
    ("change", "part"),
    [
        (lambda info: info.pop("class_names"), "Missing: ['class_names']"),
        (
            lambda info: info.update(class_names=["a", "b", "c"]),
            "The classes of the model",
        ),
        (
            lambda info: info["details"].update(score_activation="softmax"),
            "The stored logits belong to a softmax",
        ),
        (
            lambda info: info["details"]["views"]["augmentation"].update(
                gain_db=3.0
            ),
            "gain_db=3.0. Received: gain_db=0.0",
        ),
    ],
    ids=["no classes", "classes", "activation", "augmentation"],
)
def test_stored_logits_that_do_not_fit_are_refused(
    stored, data_dir, tmp_path, change, part
):
    changed = shutil.copytree(stored, tmp_path / "stored")
    path = changed / "stored_logits.json"
    info = json.loads(path.read_text())
    change(info)
    path.write_text(json.dumps(info))
    result = train(
        "kd", data_dir, tmp_path / "run", f"--stored_logits={changed}"
    )
    check_one_line_error(result, part)
    assert not (tmp_path / "run").exists()


def test_stored_logits_of_another_size_are_refused(stored, data_dir, tmp_path):
    changed = shutil.copytree(stored, tmp_path / "stored")
    path = changed / "view_000.npy"
    np.save(path, np.load(path)[:-1])
    result = train(
        "kd", data_dir, tmp_path / "run", f"--stored_logits={changed}"
    )
    check_one_line_error(result, f"{path} must hold logits of 24 clips")
    assert not (tmp_path / "run").exists()


def test_a_plateau_needs_a_map(tmp_path):
    dataset, _ = write_dataset(tmp_path, num_clips=(6, 0, 0), num_shards=1)
    name = "validation.tfrecord"
    clip = make_clip(
        np.random.default_rng(0),
        [],
        dataset.num_frames,
        dataset.frontend.num_mel_bins,
    )
    with RecordFileWriter(tmp_path / name) as writer:
        writer.write(encode_record("clip of no class", clip, []))
        side_car = writer.finish(labels=[[]])
    shard = ShardInfo(name, 1, side_car["num_bytes"], side_car["sha256"])
    splits = {**dataset.splits, "validation": SplitInfo((shard,), (0, 0, 0))}
    dataclasses.replace(dataset, splits=splits).write(tmp_path)
    result = train("scratch", tmp_path, tmp_path / "run", "--schedule=plateau")
    check_error(result, "--schedule=plateau needs a mAP")
