"""The stored trials of a search, and how processes share them."""

import json
import os
import socket
import subprocess
import sys
import time

import optuna
import pytest

from ofa_aec_tf.families.cnn10.family import Cnn10Family
from ofa_aec_tf.nas import study as studies
from ofa_aec_tf.nas.study import Trial
from tests import commands
from tests.nas import tabulated
from tests.nas.tabulated import CANDIDATES
from tests.nas.tabulated import IDENTITY

_FIRST, _SECOND, *_ = CANDIDATES


def _done(candidate, quality=0.5):
    return Trial(candidate.subnet, candidate.costs, {"mAP": quality})


def _failed(candidate):
    return Trial(candidate.subnet, candidate.costs, None, "ValueError: no")


@pytest.fixture(params=["sqlite", "sqlite URL", "journal"])
def storage_url(request, tmp_path):
    return {
        "sqlite": None,
        "sqlite URL": f"sqlite:///{tmp_path / 'other.db'}",
        "journal": f"journal:{tmp_path / 'logs' / 'search.log'}",
    }[request.param]


def test_trials_come_back_in_the_order_of_the_space(tmp_path, storage_url):
    study = tabulated.open_study(tmp_path, url=storage_url)
    trials = [_done(c, index / 100) for index, c in enumerate(CANDIDATES)]
    for trial in reversed(trials):
        study.add(trial)
    assert study.trials() == trials
    assert tabulated.open_study(tmp_path, url=storage_url).trials() == trials


def test_what_others_add_is_seen(tmp_path, storage_url):
    ours, theirs = (
        tabulated.open_study(tmp_path, url=storage_url) for _ in range(2)
    )
    assert not ours.results()
    theirs.add(_failed(_SECOND))
    assert set(ours.results()) == {_SECOND.subnet}


def test_a_later_success_takes_the_place_of_a_failure(tmp_path):
    study = tabulated.open_study(tmp_path)
    for trial in (_failed(_FIRST), _done(_FIRST), _failed(_FIRST)):
        study.add(trial)
    assert study.trials() == [_done(_FIRST)]


def test_one_of_two_gets_a_subnet(tmp_path, storage_url):
    ours, theirs = (
        tabulated.open_study(tmp_path, url=storage_url) for _ in range(2)
    )
    claim = ours.claim(_FIRST)
    assert claim is not None
    assert theirs.claim(_FIRST) is None
    assert theirs.is_claimed(_FIRST)
    other = theirs.claim(_SECOND)
    assert other is not None
    ours.release(claim)
    assert not theirs.is_claimed(_FIRST)
    assert theirs.claim(_FIRST) is not None
    assert ours.claim(_SECOND) is None
    # Claims are no results.
    assert ours.trials() == []


def _claim_of(seconds_left=100, **changes):
    """A claim as if another process had written it."""
    return {
        "token": "theirs",
        "subnet": dict(_FIRST.subnet),
        "host": socket.gethostname(),
        "process": os.getpid(),
        "started": "0",
        "expires": time.time() + seconds_left,
        **changes,
    }


def _write_claim(tmp_path, claim):
    optuna.load_study(
        study_name=studies.study_name(IDENTITY),
        storage=f"sqlite:///{tmp_path / 'study.db'}",
    ).add_trial(
        optuna.trial.create_trial(
            state=optuna.trial.TrialState.RUNNING, user_attrs={"claim": claim}
        )
    )


@pytest.mark.parametrize(
    ("changes", "is_live"),
    [
        # An id that was given to another process since.
        ({}, False),
        ({"host": "elsewhere"}, True),
        ({"host": "elsewhere", "seconds_left": -1}, False),
    ],
    ids=["id used again", "another machine", "silent machine"],
)
def test_claims_of_those_that_have_ended_do_not_count(
    tmp_path, changes, is_live
):
    study = tabulated.open_study(tmp_path)
    _write_claim(tmp_path, _claim_of(**changes))
    assert study.is_claimed(_FIRST) == is_live
    assert (study.claim(_FIRST) is None) == is_live


def test_the_claim_of_a_killed_process_is_free_at_once(tmp_path):
    study = tabulated.open_study(tmp_path)
    code = (
        "import pathlib, sys, time; from tests.nas import tabulated;"
        "study = tabulated.open_study(pathlib.Path(sys.argv[1]));"
        "print(study.claim(tabulated.CANDIDATES[0]), flush=True);"
        "time.sleep(600)"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path)],
        cwd=commands.ROOT,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout.readline().strip().isdigit()
        assert study.claim(_FIRST) is None
        process.kill()
    assert study.claim(_FIRST) is not None


def test_processes_that_start_together_share_the_work(tmp_path):
    code = (
        "import json, pathlib, sys, time\n"
        "from ofa_aec_tf.nas import search_methods, trial_runner\n"
        "from tests.nas import tabulated\n"
        "evaluator = tabulated.Evaluator()\n"
        "def evaluate(subnet):\n"
        "    time.sleep(0.05)\n"
        "    return evaluator(subnet)\n"
        "trials = trial_runner.run_trials(\n"
        "    tabulated.open_study(pathlib.Path(sys.argv[1])),\n"
        "    search_methods.exhaustive([tabulated.CANDIDATES]),\n"
        "    evaluate, show_progress=False)\n"
        "print(json.dumps([[dict(s) for s in evaluator.calls], len(trials)]))\n"
    )
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", code, str(tmp_path)],
            cwd=commands.ROOT,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(3)
    ]
    answers = [json.loads(p.communicate(timeout=120)[0]) for p in processes]
    assert [p.returncode for p in processes] == [0, 0, 0]
    evaluated = [str(s) for calls, _ in answers for s in calls]
    # None is missing, none was evaluated twice.
    assert sorted(evaluated) == sorted(str(dict(c.subnet)) for c in CANDIDATES)
    assert {num_trials for _, num_trials in answers} == {len(CANDIDATES)}


@pytest.mark.parametrize("url", ["nonsense", "mysql://nobody@nowhere/x"])
def test_a_storage_that_cannot_be_opened_is_named(tmp_path, url):
    with pytest.raises(ValueError, match=f"The storage {url} cannot be opened"):
        studies.open_storage(url, tmp_path)


def test_one_storage_holds_the_trials_of_several_searches(
    tmp_path, storage_url
):
    ours = tabulated.open_study(tmp_path, url=storage_url)
    ours.add(_done(_FIRST))
    other = {**IDENTITY, "supernet_digest": "xyz"}
    theirs = tabulated.open_study(tmp_path, identity=other, url=storage_url)
    assert not theirs.results()
    assert theirs.claim(_FIRST) is not None
    assert not ours.is_claimed(_FIRST)


def test_failures_can_be_forgotten(tmp_path):
    study = tabulated.open_study(tmp_path)
    study.add(_failed(_FIRST))
    study.add(_done(_SECOND))
    study.forget_failures()
    assert set(study.results()) == {_SECOND.subnet}
    study.add(_failed(_FIRST))
    assert len(study.results()) == 2


def test_a_password_is_not_shown(tmp_path):
    with pytest.raises(ValueError, match=r"//me:\*\*\*@nowhere/x cannot") as e:
        studies.open_storage("mysql://me:secret@nowhere/x", tmp_path)
    assert "secret" not in str(e.value)


def test_the_database_is_an_optuna_study_with_decisions_as_parameters(tmp_path):
    study = tabulated.open_study(tmp_path)
    for index, candidate in enumerate(CANDIDATES):
        study.add(_done(candidate, 0.9 if index == 4 else 0.1))
    stored = optuna.load_study(
        study_name=None, storage=f"sqlite:///{tmp_path / 'study.db'}"
    )
    assert stored.best_params == dict(CANDIDATES[4].subnet)
    assert stored.best_value == 0.9
    assert stored.best_trial.user_attrs["costs"] == CANDIDATES[4].costs


def test_conditional_decisions_survive_the_database(tmp_path):
    space = Cnn10Family(
        5,
        channels=(4, 8),
        depth_pattern="X",
        width_granularity="layer",
        width_ratios=(0.5, 1.0),
    ).search_space()
    study = tabulated.open_study(tmp_path, space=space)
    for subnet in space.enumerate():
        study.add(Trial(subnet, {"parameters": 1}, {"mAP": 0.5}))
    stored = [trial.subnet for trial in study.trials()]
    assert sorted(map(str, stored)) == sorted(map(str, space.enumerate()))
    assert {len(subnet) for subnet in stored} == {2, 3}
