"""The steps of a cross-validation: who teaches whom, and what is measured."""

import json
import pathlib

import pytest

from ofa_aec_tf.data.model_info import ModelInfo
from ofa_aec_tf.experiments import cross_validation
from ofa_aec_tf.experiments import fold_runs
from ofa_aec_tf.experiments.step_runner import StepRunner
from ofa_aec_tf.experiments.steps import Data
from ofa_aec_tf.experiments.steps import Output
from ofa_aec_tf.families.ast.family import AstFamily
from ofa_aec_tf.families.cnn10.family import Cnn10Family
from tests.experiments import esc_folder
from tests.experiments.fold_runs_test import parse
from tests.synthetic_data import write_dataset


@pytest.fixture
def flags_dir(tmp_path):
    return esc_folder.write_flagfiles(tmp_path / "flags")


def data_of(*folds):
    return {
        fold: Data(pathlib.Path(f"data{fold}"), str(fold)) for fold in folds
    }


def planned(flags_dir, *texts, folds=(1, 2), seeds=(0, 1), ensembles=()):
    runs = parse(flags_dir, *texts)
    return list(
        cross_validation.tasks(
            runs,
            fold_runs.parse_ensembles(ensembles, runs),
            data_of(*folds),
            seeds,
        )
    )


def test_all_folds_of_a_seed_come_before_the_next_seed(flags_dir):
    found = planned(flags_dir, "a:alone.cfg", "b:taught.cfg:teacher=a")
    assert [(task.step.data.fingerprint, task.title) for task in found] == [
        (str(fold), f"{name} fold {fold} seed {seed}")
        for seed in (0, 1)
        for fold in (1, 2)
        for name in "ab"
    ]


def test_teachers_are_of_the_same_fold_and_seed(flags_dir):
    found = planned(
        flags_dir,
        "a:alone.cfg",
        "b:taught.cfg:teacher=a",
        "c:taught.cfg:teacher=a+b",
    )
    for task in found:
        (trained,) = task.step.needs()
        where = task.title.partition(" ")[2]
        seed = where.split()[-1]
        assert trained.title == task.title
        assert dict(trained.arguments)["seed"] == seed
        taught_by = {"a": "", "b": "a", "c": "ab"}[task.title[0]]
        assert [teacher.title for teacher in trained.needs()] == [
            f"{name} {where}" for name in taught_by
        ]
        for teacher in dict(trained.arguments).get("teacher", ()):
            assert (
                teacher.name
                == f"{teacher.step.flagfile.stem}.keras".replace(
                    "alone", "teacher"
                ).replace("taught", "subnet")
            )
        assert trained.flagfile.parent == flags_dir


def test_both_ends_of_a_supernet_are_cut_out(flags_dir):
    found = planned(flags_dir, "a:supernet.cfg", folds=(3,), seeds=(7,))
    (task,) = found
    assert task.step.data == data_of(3)[3]
    cuts = task.step.needs()
    assert [cut.command.module for cut in cuts] == [
        "ofa_aec_tf.materialize"
    ] * 2
    assert [dict(cut.arguments)["subnet"] for cut in cuts] == [
        "largest",
        "smallest",
    ]
    (supernet,) = {cut.needs()[0].identity for cut in cuts}
    assert dict(cuts[0].arguments)["supernet"].name == "supernet.keras"
    assert supernet


def test_named_subnets_are_cut_out_in_their_order(flags_dir):
    (task,) = planned(
        flags_dir,
        "a:supernet.cfg:subnets=smallest+width=0.8,depth=2",
        folds=(3,),
        seeds=(7,),
    )
    cuts = task.step.needs()
    assert [(cut.title, dict(cut.arguments)["subnet"]) for cut in cuts] == [
        ("a smallest fold 3 seed 7", "smallest"),
        ("a width=0.8,depth=2 fold 3 seed 7", "width=0.8,depth=2"),
    ]


def test_an_ensemble_is_of_one_fold_and_seed(flags_dir):
    found = planned(
        flags_dir,
        "a:alone.cfg",
        "b:supernet.cfg:teacher=a",
        folds=(1, 2),
        seeds=(4,),
        ensembles=("e:b largest+a",),
    )
    ensembles = [found[index] for index in (2, 5)]
    for fold, task in zip((1, 2), ensembles):
        where = f"fold {fold} seed 4"
        assert task.title == f"e {where}"
        arguments = dict(task.step.arguments)
        assert arguments["ensemble"] == "true"
        assert [model.step.title for model in arguments["model"]] == [
            f"b largest {where}",
            f"a {where}",
        ]


def test_results_are_read_from_records(flags_dir, tmp_path):
    dataset, _ = write_dataset(tmp_path)
    runner = StepRunner(tmp_path)
    found = planned(
        flags_dir,
        "a:alone.cfg",
        "b:taught.cfg:teacher=a",
        folds=(2,),
        seeds=(5,),
        ensembles=("e:a+b",),
    )
    for task, width in zip(found, (1.0, 0.5)):
        (trained,) = task.step.needs()
        (model,) = dict(task.step.arguments)["model"]
        ModelInfo.for_dataset(
            dataset,
            family={"name": "cnn10", "channels": [4]},
            subnet={"width": width},
            complexity={"parameters": 100 * width, "macs": 200, "other": 1},
        ).write(runner.path(model))
        runner.path(model).touch()
        # Of the place where the working directory was when it was written.
        place = f"elsewhere/{runner.directory(trained).name}/{model.name}"
        write_metrics(runner, task, {place: width / 2})
    write_metrics(runner, found[2], {"ensemble": 0.875, "else": 0})
    (alone,), (taught,), (ensemble,) = [
        list(task.measure(runner)) for task in found
    ]
    assert (alone.run, alone.fold, alone.seed) == ("a", 2, 5)
    assert alone.costs == {"parameters": 100, "macs": 200}
    assert alone.metrics == {"mAP": 0.75, "d_prime": 1, "accuracy": 0.5}
    assert (taught.teachers, taught.metrics["accuracy"]) == (("a",), 0.25)
    # One family, but not one architecture.
    assert alone.network.startswith("cnn10 ")
    assert alone.network != taught.network
    assert ensemble.costs == {"parameters": 150, "macs": 400}
    assert ensemble.metrics["accuracy"] == 0.875
    assert ensemble.network == " + ".join(
        sorted((alone.network, taught.network))
    )


def write_metrics(runner, task, accuracies):
    """Writes what the evaluation of a task would."""
    path = runner.path(Output(task.step, "metrics.json"))
    path.parent.mkdir(parents=True)
    other = {"mAP": 0.75, "mAUC": None, "d_prime": 1}
    path.write_text(
        json.dumps(
            {
                place: {**other, "accuracy": accuracy}
                for place, accuracy in accuracies.items()
            }
        )
    )


def network_name(flags_dir, tmp_path, dataset, family, subnet):
    """What a result says of the architecture of a recorded model."""
    runner = StepRunner(tmp_path)
    (task,) = planned(
        flags_dir, "a:alone.cfg", folds=(1,), seeds=(0,), ensembles=()
    )
    (model,) = dict(task.step.arguments)["model"]
    ModelInfo.for_dataset(
        dataset,
        family=family.record(),
        subnet=dict(subnet),
        complexity=family.complexity(subnet, 101).to_json(),
    ).write(runner.path(model))
    runner.path(model).touch()
    write_metrics(runner, task, {str(runner.path(model)): 0.5})
    (result,) = task.measure(runner)
    return result.network


def test_networks_are_compared_whatever_space_or_loss_they_have(
    flags_dir, tmp_path
):
    (tmp_path / "data").mkdir()
    dataset, _ = write_dataset(tmp_path / "data")

    def name(directory, family, subnet=None):
        subnet = family.search_space().largest() if subnet is None else subnet
        return network_name(
            flags_dir, tmp_path / directory, dataset, family, subnet
        )

    def cnn10(**settings):
        return Cnn10Family(3, (8, 8, 8, 8), 8, **settings)

    def ast(**settings):
        sizes = {"width": 8, "num_heads": 2, "depth": 1, **settings}
        return AstFamily(3, 101, **sizes)

    plain = name("plain", cnn10())
    assert plain == name("wide", cnn10(depth_pattern="XXX"))
    assert plain == name("softmax", cnn10(score_activation="softmax"))
    smallest = cnn10().search_space().smallest()
    assert plain != name("small", cnn10(), smallest)
    transformer = name("ast", ast())
    assert transformer == name("ast_softmax", ast(score_activation="softmax"))
    # As costly, but not the same.
    assert transformer != name("ast_heads", ast(num_heads=4))
