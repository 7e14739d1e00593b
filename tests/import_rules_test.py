"""Holds who may import whom, and the style that ruff checks."""

import pathlib
import shutil
import subprocess
import sys

import pytest

_ROOT = pathlib.Path(__file__).parent.parent
_PACKAGES = ("ofa_aec_tf", "data_pipeline")
_LINT_IMPORTS = (
    "from importlinter.cli import lint_imports_command as main; main()"
)

# For each contract an import that breaks it, and the file that gets it.
_PLANTED = {
    "Units import lower ranks only": (
        "ofa_aec_tf/evaluation/metrics.py",
        "from ofa_aec_tf.nas import pareto",
    ),
    "Preprocessing imports what is nearer to the audio only": (
        "data_pipeline/shards/plan.py",
        "from data_pipeline.jobs import job",
    ),
    "Search and deployment take arrays and never read data sets": (
        "ofa_aec_tf/nas/subnet_evaluator.py",
        "from ofa_aec_tf.data import input_pipeline",
    ),
    "Nobody imports data_pipeline": (
        "ofa_aec_tf/training/trainer.py",
        "from data_pipeline.clips import mixtures",
    ),
    "data_pipeline imports front end, audio and data contracts only": (
        "data_pipeline/jobs/job.py",
        "from ofa_aec_tf.families import cnn10",
    ),
    "Definitions and preprocessing need no TensorFlow": (
        "ofa_aec_tf/search_space/space.py",
        "import tensorflow as tf",
    ),
    "Only the search knows Optuna": (
        "ofa_aec_tf/train.py",
        "import optuna",
    ),
    "Only audio knows PyAV": (
        "data_pipeline/clips/splits.py",
        "import av",
    ),
    "Only the Beam runner knows Beam": (
        "data_pipeline/jobs/job.py",
        "import apache_beam",
    ),
    "Only deployment knows the TFLite interpreter": (
        "ofa_aec_tf/evaluate.py",
        "from ai_edge_litert.interpreter import Interpreter",
    ),
    "Only deployment knows sounddevice": (
        "ofa_aec_tf/predict.py",
        "import sounddevice",
    ),
    "Only one module knows tf_keras": (
        "ofa_aec_tf/deployment/export/network_export.py",
        "import tf_keras",
    ),
    "Only one module knows KerasHub": (
        "ofa_aec_tf/models/transfer.py",
        "import keras_hub",
    ),
    "Nobody outside families knows a particular family": (
        "ofa_aec_tf/training/losses.py",
        "from ofa_aec_tf.families.cnn10 import network",
    ),
    "No family knows the registry": (
        "ofa_aec_tf/families/ast/network.py",
        "from ofa_aec_tf.families import registry",
    ),
}


def _run(directory, *arguments):
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=directory,
        capture_output=True,
        text=True,
    )


def _lint_imports(directory):
    return _run(directory, "-c", _LINT_IMPORTS, "--no-cache", "--no-logo")


def _copy(directory):
    shutil.copy(_ROOT / ".importlinter", directory)
    for package in _PACKAGES:
        shutil.copytree(
            _ROOT / package,
            directory / package,
            ignore=shutil.ignore_patterns("__pycache__"),
        )


def _plant(directory, file, statement):
    path = directory / file
    path.write_text(f"{statement}\n{path.read_text()}")


@pytest.fixture(scope="module")
def planted_report(tmp_path_factory):
    directory = tmp_path_factory.mktemp("planted")
    _copy(directory)
    for file, statement in _PLANTED.values():
        _plant(directory, file, statement)
    return _lint_imports(directory).stdout


def test_every_import_keeps_the_rules():
    result = _lint_imports(_ROOT)
    assert result.returncode == 0, result.stdout + result.stderr


@pytest.mark.parametrize("contract", _PLANTED)
def test_a_planted_import_breaks_its_rule(planted_report, contract):
    assert f"{contract} BROKEN" in planted_report


def test_every_rule_has_been_tried_with_a_planted_import(planted_report):
    assert f"0 kept, {len(_PLANTED)} broken" in planted_report


def test_commands_may_not_import_each_other(tmp_path):
    _copy(tmp_path)
    _plant(tmp_path, "ofa_aec_tf/search.py", "from ofa_aec_tf import evaluate")
    assert "search is not allowed to import" in _lint_imports(tmp_path).stdout


def test_a_new_unit_needs_a_rank(tmp_path):
    _copy(tmp_path)
    (tmp_path / "ofa_aec_tf" / "unranked.py").write_text('"""New."""\n')
    result = _lint_imports(tmp_path)
    assert result.returncode != 0
    assert "unranked" in result.stdout


@pytest.mark.parametrize(
    "arguments", [("check",), ("format", "--check")], ids=["check", "format"]
)
def test_the_tree_is_clean_by_ruff(arguments):
    result = _run(_ROOT, "-m", "ruff", *arguments, ".")
    assert result.returncode == 0, result.stdout + result.stderr
