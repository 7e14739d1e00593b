"""The trials of a search, in a database that processes can share.

They are trials of an Optuna study. Evaluated subnets are finished trials. A
running trial is a claim: it tells other processes that one is evaluating that
subnet.
"""

import contextlib
import dataclasses
import hashlib
import json
import os
import pathlib
import re
import socket
import time
import uuid
from collections.abc import Iterator
from collections.abc import Mapping

import optuna
import sqlalchemy
from optuna.storages import journal

from ofa_aec_tf.nas.candidates import Candidate
from ofa_aec_tf.nas.objectives import FLOAT_QUALITY
from ofa_aec_tf.runs import machine
from ofa_aec_tf.search_space.space import SearchSpace
from ofa_aec_tf.search_space.space import Subnet

STUDY_DATABASE = "study.db"
JOURNAL_PREFIX = "journal:"
_IDENTITY_CHARACTERS = 16
# The last one is raised by a damaged journal.
_STORAGE_ERRORS = (
    sqlalchemy.exc.SQLAlchemyError,
    optuna.exceptions.OptunaError,
    json.JSONDecodeError,
)
# While another process writes a trial.
_SQLITE_TIMEOUT_SECONDS = 60
_NUM_OPENINGS, _OPENING_PAUSE_SECONDS = 5, 0.3
# After so long, a process on another machine is assumed to have died. Longer
# evaluations, which usually take seconds, may be done twice.
_LEASE_SECONDS = 900


@dataclasses.dataclass(frozen=True)
class Trial:
    """The evaluation of one subnet.

    Args:
        subnet: Subnet.
        costs: dict of numbers, as in Candidate.
        metrics: dict of JSON types with `mAP` and the other qualities that
            were asked for; None if the trial failed.
        failure: str or None. Why it failed.
    """

    subnet: Subnet
    costs: Mapping[str, int | float]
    metrics: Mapping[str, float | None] | None
    failure: str | None = None

    def to_json(self) -> dict:
        """A successful trial as a dict of JSON types."""
        return {
            "subnet": dict(self.subnet),
            "costs": dict(self.costs),
            "metrics": dict(self.metrics),
        }


def open_storage(url: str | None, workdir):
    """Opens the storage of a URL.

    Args:
        url: str. A database URL, such as `postgresql://host/name`, or
            `journal:` and the path of a file; None for SQLite in `workdir`.
        workdir: path of a directory, which is created.

    Returns:
        optuna.storages.BaseStorage.

    Raises:
        ValueError: if the storage cannot be opened.
    """
    if url is None:
        path = pathlib.Path(workdir) / STUDY_DATABASE
        path.parent.mkdir(parents=True, exist_ok=True)
        url = f"sqlite:///{path}"
    for attempt in range(1, _NUM_OPENINGS + 1):
        try:
            return _open(url)
        except (*_STORAGE_ERRORS, ImportError, OSError, RuntimeError) as error:
            # Processes that start together race to create the tables. For a
            # lock, SQLite has waited already.
            is_race = isinstance(
                error, sqlalchemy.exc.DBAPIError
            ) and "locked" not in str(error)
            if is_race and attempt < _NUM_OPENINGS:
                time.sleep(_OPENING_PAUSE_SECONDS * attempt)
                continue
            raise ValueError(
                f"The storage {without_password(url)} cannot be opened "
                f"({type(error).__name__}: {_first_line(error)}). If another "
                "process locks it, end that process; if the file is damaged, "
                "move it away and search again. Or give a database URL, or "
                f"`{JOURNAL_PREFIX}` and the path of a file."
            ) from error


@contextlib.contextmanager
def storage_errors() -> Iterator[None]:
    """Turns errors of the storage in this block into ValueErrors."""
    try:
        yield
    except _STORAGE_ERRORS as error:
        cause = error.__cause__ or error
        raise ValueError(
            f"The storage of the trials failed ({type(cause).__name__}: "
            f"{_first_line(cause)}). Finished trials are kept in it. Fix the "
            "problem and start the same search again."
        ) from error


def _first_line(error) -> str:
    lines = str(error).splitlines()
    return without_password(lines[0]) if lines else ""


def without_password(text) -> str:
    """A text with the passwords of its URLs hidden."""
    return re.sub(r"//([^:/@\s]+):[^@\s]*@", r"//\1:***@", str(text))


def _open(url):
    if url.startswith(JOURNAL_PREFIX):
        path = pathlib.Path(url.removeprefix(JOURNAL_PREFIX))
        path.parent.mkdir(parents=True, exist_ok=True)
        return optuna.storages.JournalStorage(
            journal.JournalFileBackend(str(path))
        )
    options = None
    if url.startswith("sqlite:"):
        options = {"connect_args": {"timeout": _SQLITE_TIMEOUT_SECONDS}}
    return optuna.storages.RDBStorage(url, engine_kwargs=options)


def study_name(identity: Mapping) -> str:
    """The name of the study with an identity.

    Args:
        identity: dict of JSON types.
    """
    content = json.dumps(dict(identity), sort_keys=True)
    digest = hashlib.sha256(content.encode()).hexdigest()
    return f"search-{digest[:_IDENTITY_CHARACTERS]}"


class SearchStudy:
    """The trials of one supernet on one data set.

    Trials are written when they have finished, so that a killed run leaves no
    incomplete ones.

    Args:
        storage: what `open_storage` returns.
        space: SearchSpace of the supernet.
        identity: dict of JSON types. What the results depend on: supernet,
            data, calibration. Each identity has a study of its own.
    """

    def __init__(
        self,
        storage,
        space: SearchSpace,
        identity: Mapping[str, str | int],
    ):
        self._space = space
        self._distributions = {
            decision.name: optuna.distributions.CategoricalDistribution(
                decision.choices
            )
            for decision in space.decisions
        }
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        self._study = optuna.create_study(
            storage=storage,
            # One storage may hold several searches.
            study_name=study_name(identity),
            direction="maximize",
            load_if_exists=True,
        )
        self._study.set_user_attr("identity", dict(identity))
        self._num_read = 0
        self._results: dict[Subnet, Trial] = {}
        # By the number of their running trial.
        self._claims: dict[int, Mapping] = {}

    def _read(self):
        """Reads the trials stored since the last time."""
        stored = self._study.get_trials(deepcopy=False)
        for trial in stored[self._num_read :]:
            claim = trial.user_attrs.get("claim")
            if claim is not None:
                self._claims[trial.number] = claim
                continue
            result = Trial(
                self._space.subnet(trial.params),
                trial.user_attrs["costs"],
                trial.user_attrs.get("metrics"),
                trial.user_attrs.get("failure"),
            )
            # Failed subnets may be evaluated again.
            known = self._results.get(result.subnet)
            if known is None or known.failure is not None:
                self._results[result.subnet] = result
        self._num_read = len(stored)
        for number in list(self._claims):
            if stored[number].state.is_finished():
                del self._claims[number]

    def trials(self) -> list[Trial]:
        """All results so far, including failures, in the order of the space."""
        return sorted(
            self.results().values(),
            key=lambda trial: tuple(self._space.to_indices(trial.subnet)),
        )

    def forget_failures(self) -> None:
        """Treats subnets that have failed as not evaluated."""
        self._read()
        self._results = {
            subnet: trial
            for subnet, trial in self._results.items()
            if trial.failure is None
        }

    def results(self) -> Mapping[Subnet, Trial]:
        """The latest result of each evaluated subnet."""
        self._read()
        return self._results

    def is_claimed(self, candidate: Candidate) -> bool:
        """Whether a running process is evaluating a subnet."""
        self._read()
        return next(self._live_claims(candidate), None) is not None

    def claim(self, candidate: Candidate) -> int | None:
        """Tells other processes that this one evaluates a subnet.

        Returns:
            int for `release`; None if another process was first.
        """
        if self.is_claimed(candidate):
            return None
        token = uuid.uuid4().hex
        self._add(
            candidate.subnet,
            optuna.trial.TrialState.RUNNING,
            claim={
                "token": token,
                "subnet": dict(candidate.subnet),
                "host": socket.gethostname(),
                "process": os.getpid(),
                "started": machine.process_start(os.getpid()),
                "expires": time.time() + _LEASE_SECONDS,
            },
        )
        self._read()
        # The storage numbers trials in order: the first claim wins.
        first, *_ = sorted(self._live_claims(candidate))
        (own,) = (
            number
            for number, claim in self._claims.items()
            if claim["token"] == token
        )
        if first != own:
            self.release(own)
            return None
        return own

    def release(self, claim: int) -> None:
        """Withdraws a claim."""
        self._study.tell(
            claim, state=optuna.trial.TrialState.FAIL, skip_if_finished=True
        )

    def _live_claims(self, candidate) -> Iterator[int]:
        for number, claim in self._claims.items():
            if claim["subnet"] == dict(candidate.subnet) and _is_live(claim):
                yield number

    def add(self, trial: Trial) -> None:
        """Stores a finished trial.

        Args:
            trial: Trial.
        """
        attributes = {"costs": dict(trial.costs)}
        if trial.failure is None:
            attributes["metrics"] = dict(trial.metrics)
        else:
            attributes["failure"] = trial.failure
        self._add(
            trial.subnet,
            optuna.trial.TrialState.COMPLETE
            if trial.failure is None
            else optuna.trial.TrialState.FAIL,
            **attributes,
        )

    def _add(self, subnet, state, **attributes):
        metrics = attributes.get("metrics")
        self._study.add_trial(
            optuna.trial.create_trial(
                state=state,
                value=None if metrics is None else metrics[FLOAT_QUALITY],
                params=dict(subnet),
                distributions={
                    name: self._distributions[name] for name in subnet
                },
                user_attrs=attributes,
            )
        )


def _is_live(claim) -> bool:
    if claim["host"] != socket.gethostname():
        return time.time() < claim["expires"]
    return machine.process_start(claim["process"]) == claim["started"]
