"""The plan of a cross-validation: what is refused, and who teaches whom."""

import json

import pytest

from ofa_aec_tf.data.model_info import ModelInfo
from ofa_aec_tf.experiments import cross_validation
from ofa_aec_tf.experiments import steps
from ofa_aec_tf.experiments.steps import Output
from ofa_aec_tf.families.ast.family import AstFamily
from ofa_aec_tf.families.cnn10.family import Cnn10Family
from tests.experiments import esc_folder
from tests.synthetic_data import write_dataset


@pytest.fixture
def flags_dir(tmp_path):
    return esc_folder.write_flagfiles(tmp_path / "flags")


def parse(flags_dir, *texts):
    return cross_validation.parse_runs(
        text.replace(":", f":{flags_dir}/", 1) for text in texts
    )


@pytest.mark.parametrize(
    ("flag", "refused"),
    [
        ("--initial_weights=ours.keras", True),
        ("--initial_weights=theirs.keras", False),
        ("--initial_weights=imagenet", False),
        ("--subnet=runs/subnet.json", True),
        ("--subnet=largest", False),
        ('--subnet={"block2_width": 0.5}', False),
    ],
)
def test_models_that_may_have_heard_the_test_are_refused(
    flags_dir, tmp_path, monkeypatch, flag, refused
):
    monkeypatch.chdir(tmp_path)
    for name in ("ours.keras", "ours.json", "theirs.keras"):
        (tmp_path / name).touch()
    path = flags_dir / "alone.cfg"
    path.write_text(f"{path.read_text()}{flag}\n")
    if refused:
        with pytest.raises(ValueError, match="must not have --.* may have"):
            parse(flags_dir, "a:alone.cfg")
    else:
        parse(flags_dir, "a:alone.cfg")


def test_runs_have_names_flagfiles_and_teachers(flags_dir):
    first, second, third = parse(
        flags_dir,
        "CNN alone:alone.cfg",
        "b:taught.cfg:teacher=CNN alone",
        "c:supernet.cfg:teacher=CNN alone+b",
    )
    assert (first.name, first.teachers, first.stage) == (
        "CNN alone",
        (),
        "teacher",
    )
    assert first.flagfile == flags_dir / "alone.cfg"
    assert (second.teachers, second.stage) == (("CNN alone",), "kd")
    assert third.teachers == ("CNN alone", "b")
    assert third.rows == ("c largest", "c smallest")
    assert second.rows == ("b",)


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        ([], "Give a --run"),
        (["alone.cfg"], "written NAME:FLAGFILE, with"),
        (["a:alone.cfg:teachers=b"], "written NAME:FLAGFILE, with"),
        (["a:alone.cfg:teacher="], "written NAME:FLAGFILE, with"),
        (
            ["a:supernet.cfg:subnets=largest:teacher=b"],
            "written NAME:FLAGFILE, with",
        ),
        (["a:alone.cfg:subnets=width=0.8"], "which a supernet has.*=teacher"),
        # What a supernet would be given anyway.
        (["a:alone.cfg:subnets=largest+smallest"], "which a supernet has"),
        (
            ["a:supernet.cfg:subnets=largest+width=0.8+largest"],
            "each subnet of 'a' once",
        ),
        (["a+b:alone.cfg"], "written NAME:FLAGFILE, with"),
        (["a:alone.cfg", "a:taught.cfg:teacher=a"], "Received twice: a$"),
        (
            ["a smallest:alone.cfg", "a:supernet.cfg"],
            "Received twice: a smallest",
        ),
        (
            ["a:alone.cfg", "b:taught.cfg:teacher=c"],
            r"of 'b' are earlier runs, of \['a'\]. Received: 'c'",
        ),
        (["a:taught.cfg:teacher=a"], r"earlier runs, of \[\]. Received: 'a'"),
        (
            ["a:taught.cfg:teacher=b", "b:taught.cfg:teacher=a"],
            "earlier runs, of .*Received: 'b'",
        ),
        (
            ["a:alone.cfg", "b:taught.cfg:teacher=a+a"],
            r"Name each teacher of 'b' once. Received: a\+a",
        ),
        (
            ["a:supernet.cfg", "b:taught.cfg:teacher=a"],
            "A supernet cannot teach. Received: 'a'",
        ),
        (
            ["a:alone.cfg", "b:alone.cfg:teacher=a"],
            r"for --stage=kd\|supernet. Received: --stage=teacher",
        ),
        (["a:taught.cfg"], "'a' needs :teacher=NAME.*--stage=kd"),
        (
            ["a:finetuned.cfg"],
            "--stage of teacher, supernet, kd, scratch. Received: finetune",
        ),
        (["a:stageless.cfg"], "must have a --stage of.*Received: None"),
        (["a:leaking.cfg"], "must not have --teacher.*may have heard"),
        (["a:absent.cfg"], "There is no flagfile .*absent.cfg"),
    ],
)
def test_mistakes_are_named(flags_dir, texts, message):
    with pytest.raises(ValueError, match=message):
        parse(flags_dir, *texts)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("e", "written NAME:A\\+B. Received: 'e'"),
        ("e:a", "written NAME:A\\+B"),
        ("e:a+x", "Members of 'e' are some of .*'c smallest'.*a\\+x"),
        ("e:a+c", "Members of 'e' are some of"),
        ("e:a+a", "each once. Received: a\\+a"),
        ("a:a+b", "Received twice: a$"),
    ],
)
def test_mistakes_in_ensembles_are_named(flags_dir, text, message):
    runs = parse(
        flags_dir, "a:alone.cfg", "b:alone.cfg", "c:supernet.cfg:teacher=a"
    )
    with pytest.raises(ValueError, match=message):
        cross_validation.parse_ensembles([text], runs)
    with pytest.raises(ValueError, match="Received twice: e"):
        cross_validation.parse_ensembles(["e:a+b", "e:a+c largest"], runs)


def test_a_named_subnet_may_be_in_an_ensemble(flags_dir):
    runs = parse(flags_dir, "a:alone.cfg", "c:supernet.cfg:subnets=width=0.8")
    (ensemble,) = cross_validation.parse_ensembles(["e:c width=0.8+a"], runs)
    assert ensemble.members == ("c width=0.8", "a")


def planned(flags_dir, *texts, folds=(1, 2), seeds=(0, 1), ensembles=()):
    runs = parse(flags_dir, *texts)
    return list(
        cross_validation.cells(
            runs,
            cross_validation.parse_ensembles(ensembles, runs),
            folds,
            seeds,
        )
    )


def test_all_folds_of_a_seed_come_before_the_next_seed(flags_dir):
    found = planned(flags_dir, "a:alone.cfg", "b:taught.cfg:teacher=a")
    assert [(fold, cell.title) for fold, cell in found] == [
        (fold, f"{name} fold {fold} seed {seed}")
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
    for _, cell in found:
        (trained,) = cell.step.needs()
        where = cell.title.partition(" ")[2]
        seed = where.split()[-1]
        assert trained.title == cell.title
        assert dict(trained.arguments)["seed"] == seed
        taught_by = {"a": "", "b": "a", "c": "ab"}[cell.title[0]]
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
    ((fold, cell),) = found
    assert fold == 3
    cuts = cell.step.needs()
    assert [cut.module for cut in cuts] == ["ofa_aec_tf.materialize"] * 2
    assert [dict(cut.arguments)["subnet"] for cut in cuts] == [
        "largest",
        "smallest",
    ]
    (supernet,) = {cut.needs()[0].identity for cut in cuts}
    assert dict(cuts[0].arguments)["supernet"].name == "supernet.keras"
    assert supernet


def test_named_subnets_are_cut_out_in_their_order(flags_dir):
    ((_, cell),) = planned(
        flags_dir,
        "a:supernet.cfg:subnets=smallest+width=0.8,depth=2",
        folds=(3,),
        seeds=(7,),
    )
    cuts = cell.step.needs()
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
    ensembles = [found[index][1] for index in (2, 5)]
    for fold, cell in zip((1, 2), ensembles):
        where = f"fold {fold} seed 4"
        assert cell.title == f"e {where}"
        arguments = dict(cell.step.arguments)
        assert arguments["ensemble"] == "true"
        assert [model.step.title for model in arguments["model"]] == [
            f"b largest {where}",
            f"a {where}",
        ]


def test_results_are_read_from_records(flags_dir, tmp_path):
    dataset, _ = write_dataset(tmp_path)
    runner = steps.StepRunner(tmp_path / "steps", tmp_path, "abc")
    found = planned(
        flags_dir,
        "a:alone.cfg",
        "b:taught.cfg:teacher=a",
        folds=(2,),
        seeds=(5,),
        ensembles=("e:a+b",),
    )
    for (_, cell), width in zip(found, (1.0, 0.5)):
        (trained,) = cell.step.needs()
        (model,) = dict(cell.step.arguments)["model"]
        ModelInfo.for_dataset(
            dataset,
            family={"name": "cnn10", "channels": [4]},
            subnet={"width": width},
            complexity={"parameters": 100 * width, "macs": 200, "other": 1},
        ).write(runner.path(model))
        runner.path(model).touch()
        # Of the place where the working directory was when it was written.
        place = f"elsewhere/{runner.directory(trained).name}/{model.name}"
        write_metrics(runner, cell, {place: width / 2})
    write_metrics(runner, found[2][1], {"ensemble": 0.875, "else": 0})
    (alone,), (taught,), (ensemble,) = [
        list(cell.measure(runner)) for _, cell in found
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


def write_metrics(runner, cell, accuracies):
    """Writes what the evaluation of a cell would."""
    path = runner.path(Output(cell.step, "metrics.json"))
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
    runner = steps.StepRunner(tmp_path, tmp_path, "abc")
    ((_, cell),) = planned(
        flags_dir, "a:alone.cfg", folds=(1,), seeds=(0,), ensembles=()
    )
    (model,) = dict(cell.step.arguments)["model"]
    ModelInfo.for_dataset(
        dataset,
        family=family.record(),
        subnet=dict(subnet),
        complexity=family.complexity(subnet, 101).to_json(),
    ).write(runner.path(model))
    runner.path(model).touch()
    write_metrics(runner, cell, {str(runner.path(model)): 0.5})
    (result,) = cell.measure(runner)
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
