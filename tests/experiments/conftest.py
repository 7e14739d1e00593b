"""Fixtures of several tests of experiments."""

import pathlib

import pytest

from ofa_aec_tf.experiments import paper_steps
from ofa_aec_tf.experiments.steps import Data
from ofa_aec_tf.nas.budgets import parse_budgets
from tests.experiments import small_reproduction


@pytest.fixture
def small_paper(tmp_path):
    """The steps of a reproduction of three classes and two budgets."""
    return paper_steps.PaperSteps(
        small_reproduction.write_flagfiles(tmp_path),
        parse_budgets(small_reproduction.BUDGETS),
        {"low": (0.5, 1)},
        Data(pathlib.Path("data"), "abc"),
        (3, 64, 64),
    )
