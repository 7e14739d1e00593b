"""The steps of the experiments: which they are, and that they are shared."""

import json
import pathlib

import pytest

from ofa_aec_tf.experiments import paper_experiments
from ofa_aec_tf.experiments import paper_steps
from ofa_aec_tf.experiments import steps
from ofa_aec_tf.experiments.reports import measurements
from ofa_aec_tf.experiments.steps import Data
from ofa_aec_tf.nas.budgets import parse_budgets

_DATA = Data(pathlib.Path("data"), "abc")
_FLAGS = pathlib.Path(__file__).resolve().parents[2] / "flags" / "paper"


def _paper(monkeypatch):
    # Flagfiles name those that they include from the root of the tree.
    monkeypatch.chdir(_FLAGS.parents[1])
    return paper_steps.PaperSteps(
        _FLAGS / "audioset",
        parse_budgets([f"{n}:parameters={n}+-0.1M" for n in ("0.9M", "3.6M")]),
        {"0.9M": (0.6, 1), "3.6M": (0.8, 2)},
        _DATA,
        (527, 1001, 64),
    )


def _closure(step):
    found = {step.identity: step}
    for needed in step.needs():
        found |= _closure(needed)
    return found


def test_the_baselines_have_the_parameters_of_the_paper(monkeypatch):
    paper = _paper(monkeypatch)
    family = paper.family(depth_pattern="XXX")
    for budget, parameters in (("0.9M", 1_043_523), ("3.6M", 3_509_628)):
        model = paper.baseline("scratch", budget, 0)
        arguments = dict(model.step.arguments)
        assert arguments["depth_pattern"] == "XXX"
        subnet = json.loads(arguments["subnet"])
        assert family.complexity(subnet, 1001).parameters == parameters


def test_the_spaces_are_those_of_the_paper(monkeypatch):
    paper = _paper(monkeypatch)
    sizes = {
        name: paper.space(**variant).num_subnets
        for name, variant in paper_steps.SPACES.items()
    }
    assert sizes == {
        "[2,2,X]": 128,
        "[2,X,X]": 256,
        "[X,X,X]": 512,
        "EW-only": 125,
    }
    # Without the ratio of 0.2 no subnet is so small (paper, section 4.1).
    names = [b.name for b in paper.feasible_budgets(depth_pattern="222")]
    assert names == ["3.6M"]
    assert len(paper.feasible_budgets(**paper_steps.SPACES["EW-only"])) == 2


def test_all_experiments_share_what_is_equal(small_paper):
    tasks = list(
        paper_experiments.tasks(
            small_paper, measurements.EXPERIMENTS, (0, 1), (0,)
        )
    )
    needed = {}
    for task in tasks:
        needed |= _closure(task.step)
    trained = [step for step in needed.values() if step.command == steps.TRAIN]
    stages = [step.flagfile.stem for step in trained]
    assert stages.count("teacher") == 1
    # Main and [X,X,X] for each seed; for one seed two more spaces, sandwich,
    # three other numbers of subnets and an elastic stem.
    assert stages.count("supernet") == 2 * 2 + 2 + 1 + 3 + 1
    # One uniform network each, again with the supernet's steps, that of
    # distillation with those of fine-tuning too, and two budgets trained anew.
    assert stages.count("scratch") == 2 + 2
    assert stages.count("kd") == 3 * 2 + 2 * 2
    assert stages.count("finetune_short") == 2 * 2
    assert stages.count("finetune_long") == 2 * 2
    assert len({step.title for step in needed.values()}) == len(needed)


def test_only_what_is_asked_for_is_planned(small_paper):
    tasks = list(
        paper_experiments.tasks(small_paper, ["figure4"], (0, 1), (1,))
    )
    # The claims' two spaces for seed 0, all four for the seed of ablations.
    assert [task.step.command.module for task in tasks] == [
        "ofa_aec_tf.search"
    ] * 6
    needed = {}
    for task in tasks:
        needed |= _closure(task.step)
    assert len(needed) == 1 + 2 * 6


def test_baselines_are_trained_as_long_as_the_supernet_too(small_paper):
    (task,) = paper_experiments.tasks(small_paper, ["equal_steps"], (0,), ())
    trained = {
        step.title: dict(step.arguments).get("num_steps")
        for step in _closure(task.step).values()
        if step.flagfile and step.flagfile.stem in ("scratch", "kd")
    }
    assert trained == {
        "scratch low seed 0": None,
        "scratch low 8 seed 0": "8",
        "kd low seed 0": None,
        "kd low 8 seed 0": "8",
        # As many as the subnet has that is fine-tuned for long.
        "kd low 16 seed 0": "16",
    }


def test_steps_to_compare_with_must_be_given(small_paper, tmp_path):
    path = tmp_path / "supernet.cfg"
    path.write_text(path.read_text().replace("--num_steps", "--batch_size"))
    with pytest.raises(ValueError, match="supernet.cfg must say --num_steps"):
        small_paper.num_steps("supernet")
