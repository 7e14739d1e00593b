"""What each stage of training is, as the rest asks for it."""

import pkgutil

import pytest

from ofa_aec_tf.training.run import TrainingRun
from ofa_aec_tf.training.stages import STAGES
from ofa_aec_tf.training.stages import stages_that


def test_stages_are_found_by_what_they_are():
    assert stages_that(is_supernet=True) == ("supernet",)
    assert stages_that(builds_network=True) == ("teacher", "kd", "scratch")
    assert stages_that(takes_teacher=True, needs_initial=False) == (
        "supernet",
        "kd",
    )


@pytest.mark.parametrize("name", STAGES)
def test_each_has_a_run(name):
    run = pkgutil.resolve_name(STAGES[name].run)
    assert issubclass(run, TrainingRun)
    assert not run.__abstractmethods__
    assert len(run.plateau_metrics) == (2 if name == "supernet" else 1)
